"""The jobs room, in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

from domain.errors import LeaseLost
from domain.ids import JobId, TenantId
from domain.jobs import TRANSITIONS, IdempotencyKey, Job, JobState, Lease, UsedKey
from tests.domain.memory.clock import NOW


class MemoryJobs:
    """Implements `domain.jobs.JobStore`. Time stands still: a lease expires when a test says so (`expire`)."""

    def __init__(self, tenant_id: TenantId) -> None:
        self._tenant_id = tenant_id
        self.keys: dict[tuple[str, str, str], tuple[bytes, UUID | None]] = {}
        self.jobs: dict[JobId, Job] = {}
        self.outbox: set[JobId] = set()
        self.paused: set[str] = set()

    async def claim_key(self, key: IdempotencyKey) -> UsedKey | None:
        scope = (key.principal, key.operation, key.key)
        if scope not in self.keys:
            self.keys[scope] = (key.body_hash, None)
            return None
        body_hash, result_id = self.keys[scope]
        if result_id is None:
            raise ValueError("a key is visible to others only with its result")
        return UsedKey(result_id, body_hash == key.body_hash)

    async def complete_key(self, key: IdempotencyKey, result_id: UUID) -> None:
        self.keys[key.principal, key.operation, key.key] = (key.body_hash, result_id)

    async def enqueue(self, job: Job, *, concurrency_max: int) -> bool:
        in_hand = sum(1 for one in self.jobs.values() if one.lease_token is not None) + len(self.outbox)
        self.jobs[job.id] = job
        self.outbox.add(job.id)
        return in_hand < concurrency_max and job.queue not in self.paused

    async def begin(self, job: Job, lease_s: float) -> Lease:
        self.jobs[job.id] = job
        job.state, job.attempt, job.lease_token = JobState.RUNNING, 1, uuid4()
        job.lease_expires_at = NOW + timedelta(seconds=lease_s)
        return Lease(self._tenant_id, job.id, job.lease_token, 1)

    async def claim(self, job_id: JobId, worker: str, lease_s: float) -> Lease | None:
        job = self.jobs.get(job_id)
        if job is None or job.state != JobState.QUEUED or job.queue in self.paused:
            return None
        self._move(job, JobState.RUNNING)
        job.attempt, job.worker, job.lease_token = job.attempt + 1, worker, uuid4()
        job.lease_expires_at = NOW + timedelta(seconds=lease_s)
        self.outbox.discard(job_id)
        return Lease(self._tenant_id, job_id, job.lease_token, job.attempt)

    async def next_attempt(self, lease: Lease) -> Lease:
        job = self._fenced(lease)
        if job.attempt != lease.attempt:
            raise LeaseLost
        job.attempt, job.failures = job.attempt + 1, job.failures + 1
        return replace(lease, attempt=job.attempt)

    async def beat(self, lease: Lease, lease_s: float, percent: int) -> bool:
        job = self._fenced(lease)
        job.progress, job.lease_expires_at = percent, NOW + timedelta(seconds=lease_s)
        return job.cancel_requested_at is not None

    async def close(self, lease: Lease, state: JobState, error: tuple[str, str] | None) -> None:
        job = self._fenced(lease)
        self._move(job, state)
        job.lease_token, job.lease_expires_at, job.finished_at = None, None, NOW
        job.error_code, job.error_message = error or (None, None)

    async def job(self, job_id: JobId) -> Job | None:
        return self.jobs.get(job_id)

    async def lock(self, job_id: JobId) -> Job | None:
        return self.jobs.get(job_id)

    async def cancel_queued(self, job: Job) -> None:
        self._move(job, JobState.CANCELLED)
        job.cancel_requested_at = job.finished_at = NOW
        self.outbox.discard(job.id)

    async def ask_cancel(self, job: Job) -> None:
        self._move(job, JobState.CANCELLING)
        job.cancel_requested_at = NOW

    def expire(self, job_id: JobId) -> None:
        self.jobs[job_id].lease_expires_at = NOW - timedelta(seconds=1)

    async def reclaim(self, job_id: JobId) -> tuple[Job, Lease] | None:
        job = self.jobs[job_id]
        if job.lease_expires_at is None or job.lease_expires_at >= NOW:
            return None
        job.lease_token, job.crashes = uuid4(), job.crashes + 1
        return job, Lease(self._tenant_id, job_id, job.lease_token, job.attempt)

    async def restore_doorbell(self, job_id: JobId) -> None:
        if self.jobs[job_id].state == JobState.QUEUED:
            self.outbox.add(job_id)

    async def pause(self, queue: str, *, paused: bool) -> None:
        (self.paused.add if paused else self.paused.discard)(queue)

    async def requeue(self, lease: Lease) -> None:
        job = self._fenced(lease)
        self._move(job, JobState.QUEUED)
        job.lease_token = job.lease_expires_at = None
        self.outbox.add(job.id)

    def _fenced(self, lease: Lease) -> Job:
        job = self.jobs.get(lease.job_id)
        if job is None or job.lease_token != lease.token:
            raise LeaseLost
        return job

    def _move(self, job: Job, state: JobState) -> None:
        if state not in TRANSITIONS[JobState(job.state)]:
            raise ValueError(f"job {job.id} cannot go from {job.state} to {state}")
        job.state = state
