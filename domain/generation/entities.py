"""Generations and their attempts: one request of an author, tried one or more times."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.ids import ChannelId, GenerationId, JobId, MessageId, NodeId, ProjectId, TenantId, UserId, VersionId
from domain.jobs import JobState


class GenerationState(StrEnum):
    """How far a generation is. The last four are final."""

    QUEUED = "QUEUED"
    PREPARING = "PREPARING"
    STREAMING = "STREAMING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    TRUNCATED = "TRUNCATED"
    FAILED = "FAILED"


class GenerationPurpose(StrEnum):
    """What the text is for: itself, or the title or summary of the conversation that its message is in."""

    TEXT = "TEXT"
    TITLE = "TITLE"
    SUMMARY = "SUMMARY"


JOB_STATE: dict[GenerationState, JobState] = {
    GenerationState.QUEUED: JobState.QUEUED,
    GenerationState.PREPARING: JobState.RUNNING,
    GenerationState.STREAMING: JobState.RUNNING,
    GenerationState.CANCELLING: JobState.CANCELLING,
    GenerationState.COMPLETED: JobState.SUCCEEDED,
    GenerationState.CANCELLED: JobState.CANCELLED,
    GenerationState.TRUNCATED: JobState.TRUNCATED,
    GenerationState.FAILED: JobState.FAILED,
}
"""The one table between the two state machines."""


class AttemptOutcome(StrEnum):
    """What became of one try."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    TRUNCATED = "TRUNCATED"
    CANCELLED = "CANCELLED"
    CUT = "CUT"
    FAILED = "FAILED"
    CRASHED = "CRASHED"


class TruncationReason(StrEnum):
    """Why a text ends before its model was done."""

    LENGTH = "LENGTH"
    BUDGET = "BUDGET"
    CONTENT_FILTER = "CONTENT_FILTER"
    CUT = "CUT"


@dataclass(frozen=True, slots=True)
class Route:
    """The channel and model of an attempt, and the decision that led there, as JSON."""

    channel_id: ChannelId
    channel: str
    model: str
    decision: dict[str, Any]


@dataclass(eq=False)
class Generation:
    """`prompt` is the list of compiled messages, `receipt` says what went into them and what was left out.

    `channel` is the one that serves it, the likeliest before that; `pinned` says that no other may.
    It writes either a chapter, `node_id`, or a message, `message_id`; a message is for the eyes of `owner_id` alone, and
    stands on the passages in `evidence`. Of another `purpose` it writes what the conversation of that message is called, or
    came to. A `temperature` of None is the model's own.
    """

    tenant_id: TenantId
    id: GenerationId
    job_id: JobId
    project_id: ProjectId | None
    node_id: NodeId | None
    instructions: str
    channel_id: ChannelId
    channel: str
    model: str
    prompt: list[dict[str, str]]
    receipt: dict[str, Any]
    max_output_tokens: int
    target_words: int
    state: str = GenerationState.QUEUED
    pinned: bool = False
    max_cost_micros: int | None = None
    version_id: VersionId | None = None
    truncation_reason: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None
    message_id: MessageId | None = None
    owner_id: UserId | None = None
    evidence: list[dict[str, Any]] = field(default_factory=list)
    purpose: str = GenerationPurpose.TEXT
    temperature: float | None = None


@dataclass(eq=False)
class Attempt:
    """One try. `text` is a checkpoint while it runs and the whole text when it ended; `trace` tells what happened.

    `decision` says which channels could have been taken, and why this one was.
    """

    tenant_id: TenantId
    generation_id: GenerationId
    number: int
    channel: str
    model: str
    outcome: str = AttemptOutcome.RUNNING
    text: str = ""
    trace: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    usage_source: str | None = None
    cost_micros: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    started_at: datetime | None = None
    first_token_at: datetime | None = None
    ended_at: datetime | None = None
    channel_id: ChannelId | None = None
    decision: dict[str, Any] | None = None
