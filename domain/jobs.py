"""Jobs: the row is the work, the message queue is only a doorbell.

A worker owns a job while it holds an unexpired lease; every write it makes names the lease token (fencing), so a
worker that was presumed dead and wakes up again can change nothing. Terminal rows are frozen: a retry is a new job.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from domain.errors import ErrorCode, Rejected
from domain.ids import JobId, TenantId, UserId
from domain.text import clean_line

FAILURES_MAX = 3
"""Attempts that may end in a provider's or our own failure."""
CRASHES_MAX = 10
"""Attempts that may end with a dead worker. Counted apart: a restart of the machine is not the job's fault."""
KEY_TTL_S = 24 * 3600
KEY_CHARS_MAX = 200
REDELIVERY_S = 5.0
"""A job that was rung and not claimed for this long is rung again."""


class JobState(StrEnum):
    """How far a job is. The last four are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TRUNCATED = "TRUNCATED"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.TRUNCATED})

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: TERMINAL | {JobState.CANCELLING, JobState.QUEUED},
    JobState.CANCELLING: TERMINAL,
    **{state: frozenset() for state in TERMINAL},
}
"""RUNNING to QUEUED is a lease that expired; SUCCEEDED from CANCELLING is a model that stopped before the cancel."""


class JobKind(StrEnum):
    CHAPTER_GENERATE = "generation.chapter"
    MESSAGE_GENERATE = "generation.message"
    CONVERSATION_TITLE = "conversation.title"
    CONVERSATION_SUMMARY = "conversation.summary"
    DOCUMENT_INGEST = "knowledge.ingest"
    KNOWLEDGE_SEARCH = "knowledge.search"
    BASE_REEMBED = "knowledge.reembed"


QUEUES: dict[JobKind, str] = {
    JobKind.CHAPTER_GENERATE: "generation",
    JobKind.MESSAGE_GENERATE: "generation",
    JobKind.CONVERSATION_TITLE: "generation",
    JobKind.CONVERSATION_SUMMARY: "generation",
    JobKind.DOCUMENT_INGEST: "ingestion",
    JobKind.KNOWLEDGE_SEARCH: "ingestion",
    JobKind.BASE_REEMBED: "ingestion",
}
"""A search is done where it is asked for: nobody is rung for it."""
PRIVATE_KINDS = (
    JobKind.MESSAGE_GENERATE, JobKind.CONVERSATION_TITLE, JobKind.CONVERSATION_SUMMARY, JobKind.KNOWLEDGE_SEARCH,
)  # fmt: skip
"""Work in a conversation, and searches: nobody but who asked for it sees it."""


@dataclass(eq=False)
class Job:
    tenant_id: TenantId
    id: JobId
    kind: str
    queue: str
    state: str = JobState.QUEUED
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    progress: int = 0
    requested_by: UserId | None = None
    principal: str = ""
    trace_parent: str | None = None
    retry_of: JobId | None = None
    lease_token: UUID | None = None
    lease_expires_at: datetime | None = None
    worker: str | None = None
    cancel_requested_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on a job: valid while the row still carries `token`."""

    tenant_id: TenantId
    job_id: JobId
    token: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits for a worker; `ring` tells the caller to ring for it after the commit."""

    job_id: JobId
    ring: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a cancel led to: the job `ended` at once, or its worker is to be told, or neither."""

    ended: bool
    tell_worker: bool


@dataclass(frozen=True, slots=True)
class QueueStatus:
    name: str
    paused: bool
    queued: int
    running: int
    oldest_queued_s: float


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    id: str
    started_at: datetime
    last_seen_at: datetime
    threads: int
    busy: int


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Scope of a key: the principal and the operation. `body_hash` tells a replay from another request."""

    principal: str
    operation: str
    key: str
    body_hash: bytes


def body_hash(body: dict[str, Any]) -> bytes:
    """SHA-256 of the input in canonical JSON."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False, default=str).encode()).digest()


@dataclass(frozen=True, slots=True)
class UsedKey:
    """What an idempotency key led to when it was used before."""

    result_id: UUID
    same_body: bool


class Doorbell(Protocol):
    """Tells the workers that a job waits. Lossy and repeating by contract: the outbox makes up for it."""

    async def ring(self, queue: str, tenant_id: TenantId, job_id: JobId) -> None: ...


class JobStore(Protocol):
    """The jobs room of a unit of work."""

    async def claim_key(self, key: IdempotencyKey) -> UsedKey | None:
        """Take the key, waiting for a concurrent holder. None when this request is the first to use it."""
        ...

    async def complete_key(self, key: IdempotencyKey, result_id: UUID) -> None: ...
    async def enqueue(self, job: Job, *, concurrency_max: int) -> bool:
        """Write the job and its outbox row. True when the tenant is under its cap, so the caller may ring now."""
        ...

    async def begin(self, job: Job, lease_s: float) -> Lease:
        """Write a job that whoever asks for it does at once."""
        ...

    async def claim(self, job_id: JobId, worker: str, lease_s: float) -> Lease | None:
        """Take a QUEUED job of a queue that is not paused. None when there is nothing to take."""
        ...

    async def next_attempt(self, lease: Lease) -> Lease:
        """Count a failed attempt and start the next under the same lease. Raises LeaseLost."""
        ...

    async def beat(self, lease: Lease, lease_s: float, percent: int) -> bool:
        """Extend the lease and note the progress. True when cancelling was asked for. Raises LeaseLost."""
        ...

    async def close(self, lease: Lease, state: JobState, error: tuple[str, str] | None) -> None:
        """Write the terminal state under the lease. Raises LeaseLost."""
        ...

    async def job(self, job_id: JobId) -> Job | None: ...
    async def lock(self, job_id: JobId) -> Job | None: ...
    async def cancel_queued(self, job: Job) -> None:
        """End a QUEUED job at once. The row must be locked."""
        ...

    async def ask_cancel(self, job: Job) -> None:
        """RUNNING becomes CANCELLING; its worker, or the sweeper, confirms. The row must be locked."""
        ...

    async def reclaim(self, job_id: JobId) -> tuple[Job, Lease] | None:
        """Take an expired lease away from its worker. None when the worker is alive after all."""
        ...

    async def restore_doorbell(self, job_id: JobId) -> None:
        """Give a QUEUED job an outbox row if it has none."""
        ...

    async def pause(self, queue: str, *, paused: bool) -> None: ...
    async def requeue(self, lease: Lease) -> None:
        """Back to QUEUED after a crash, with an outbox row that is due at once."""
        ...


def scoped_key(principal: str, operation: str, key: str, body: dict[str, Any]) -> IdempotencyKey:
    """Raises Rejected for a key that is empty or longer than KEY_CHARS_MAX."""
    return IdempotencyKey(principal, operation, _clean(key), body_hash(body))


def lasting_key(principal: str, operation: str, key: str) -> str:
    """A key as what it has led to keeps it, for ever. Raises Rejected as `scoped_key` does."""
    return f"{operation}:{principal}:{_clean(key)}"


def _clean(key: str) -> str:
    return clean_line(key, "idempotencyKey", chars_max=KEY_CHARS_MAX)


async def claim(jobs: JobStore, key: IdempotencyKey) -> UUID | None:
    """What the key led to before; None when it is ours now. Raises Rejected(IDEMPOTENCY_CONFLICT)."""
    used = await jobs.claim_key(key)
    if used is None:
        return None
    if not used.same_body:
        raise key_conflict()
    return used.result_id


def key_conflict() -> Rejected:
    message = "This key was used for another request."
    return Rejected(ErrorCode.IDEMPOTENCY_CONFLICT, message, "input", "idempotencyKey")
