"""A base gets another embedding model. Its new index is made beside the one that answers, which goes once the new one
is whole.

The base's row is locked before its job's in every transaction that writes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.accounts import Actor, Permission
from domain.billing import Spender, extend_hold, take_hold
from domain.errors import ErrorCode, LeaseLost, NotFound, Rejected
from domain.ids import ChunkId, JobId, KnowledgeBaseId, new_id
from domain.invoices.service import refuse_overdue
from domain.jobs import CRASHES_MAX, QUEUES, Job, JobKind, JobState, Lease, Stopped, Waiting, claim, scoped_key
from domain.knowledge.entities import Chunk, DocumentErrorCode, KnowledgeBase
from domain.knowledge.failures import SENTENCES
from domain.knowledge.indexes import Remaining
from domain.knowledge.ingestion import count_spent, embedding_cost, settle
from domain.knowledge.service import dimensions_of, get_base
from domain.knowledge.vectors import IndexKey
from domain.text import clean_line
from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Change:
    """A claimed change: `base` as it will be. One that is `served` has its model, and only its old index is to go."""

    base: KnowledgeBase
    served: bool
    trace_parent: str | None

    @property
    def owner(self) -> KnowledgeBaseId:
        """Of what is asked for it, until that is counted."""
        return self.base.id

    @property
    def percent(self) -> int:
        return 0

    @property
    def index(self) -> IndexKey:
        return IndexKey(self.base.embedding_model, self.base.dimensions)


def _changed(base: KnowledgeBase) -> KnowledgeBase:
    """The base with the model that it is given, or has been given."""
    if base.next_model is None or base.next_dimensions is None:
        return replace(base)
    return replace(base, embedding_model=base.next_model, dimensions=base.next_dimensions)


# -- starting and stopping -------------------------------------------------------------------------------------------


async def change_model(
    uow: UnitOfWork, actor: Actor, base_id: KnowledgeBaseId, model: str, *, concurrency_max: int,
    trace_parent: str | None = None,
) -> Waiting | None:  # fmt: skip
    """Have a base embedded by another model. None when it has that model, or is being given it.

    Raises Rejected, QuotaExhausted or BudgetExceeded; then nothing is kept.
    """
    actor.require(Permission.WRITE)
    base = await get_base(uow, actor, base_id, lock=True)
    model = clean_line(model, "embeddingModel")
    job = await uow.jobs.lock(base.job_id) if base.job_id is not None else None
    at_work = job is not None and not JobState(job.state).terminal
    if at_work and model != _changed(base).embedding_model:
        message = "The base is being given another model. Wait, or stop its job."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "embeddingModel")
    if at_work or model == base.embedding_model:
        return None
    base.next_model, base.next_dimensions = model, await dimensions_of(uow, model)
    return await _enqueue(uow, actor, base, concurrency_max, trace_parent=trace_parent)


async def _enqueue(
    uow: UnitOfWork, actor: Actor, base: KnowledgeBase, concurrency_max: int, *, trace_parent: str | None = None,
    retry_of: JobId | None = None,
) -> Waiting:  # fmt: skip
    """With a hold of what embedding the chunks that are there is expected to cost."""
    await refuse_overdue(uow)
    kind = JobKind.BASE_REEMBED
    job = Job(
        uow.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=actor.user_id, principal=actor.principal,
        trace_parent=trace_parent, retry_of=retry_of,
    )  # fmt: skip
    ring = await uow.jobs.enqueue(job, concurrency_max=concurrency_max)
    base.job_id, base.embedded_tokens, base.embedded_micros, base.updated_at = job.id, 0, 0, uow.now
    base.embedded_channel_id = base.embedded_price_id = None
    changed = _changed(base)
    left = await uow.indexes.remaining(base.id, IndexKey(changed.embedding_model, changed.dimensions))
    spender = Spender.of(actor.user_id, actor.principal, changed.embedding_model)
    await take_hold(uow.billing, job.id, await embedding_cost(uow, changed, left.tokens, left.missing), spender)
    return Waiting(job.id, ring)


async def stop(uow: UnitOfWork, base: KnowledgeBase) -> Stopped:
    """Stop a locked base's job, if one waits or runs. What has its model already keeps it."""
    job = await uow.jobs.lock(base.job_id) if base.job_id is not None else None
    if job is None or JobState(job.state).terminal:
        return Stopped(ended=False, tell_worker=False)
    if job.state == JobState.QUEUED:
        if base.next_model is None:
            return Stopped(ended=False, tell_worker=False)
        await uow.jobs.cancel_queued(job)
        await _pay(uow, job.id, job.attempt, base)
        return Stopped(ended=True, tell_worker=False)
    if job.state == JobState.RUNNING:
        await uow.jobs.ask_cancel(job)
    return Stopped(ended=False, tell_worker=True)


async def cancel(uow: UnitOfWork, actor: Actor, job_id: JobId) -> Stopped:
    """Ask a base's job to stop, as `stop` does. The base stays as it is; what was embedded is paid for, and kept."""
    actor.require(Permission.GENERATE)
    return await stop(uow, await _of_job(uow, actor, job_id))


async def retry(uow: UnitOfWork, actor: Actor, job_id: JobId, idempotency_key: str, concurrency_max: int) -> Waiting:
    """A new job that goes on where the old one stopped. The same key gives the same job."""
    actor.require(Permission.GENERATE)
    key = scoped_key(actor.principal, "jobRetry", idempotency_key, {"job_id": job_id})
    if (before := await claim(uow.jobs, key)) is not None:
        return Waiting(JobId(before), False)
    base = await _of_job(uow, actor, job_id)
    job = await uow.jobs.lock(job_id)
    if job is None:
        raise NotFound("The job", "input", "id")
    if not JobState(job.state).terminal or job.state == JobState.SUCCEEDED:
        raise Rejected(ErrorCode.INVALID_STATE, "Only a job that ended without success can be retried.", "input", "id")
    started = await _enqueue(uow, actor, base, concurrency_max, retry_of=job_id)
    await uow.jobs.complete_key(key, started.job_id)
    return started


async def _of_job(uow: UnitOfWork, actor: Actor, job_id: JobId) -> KnowledgeBase:
    """A job's base, locked, that the actor sees. Raises NotFound."""
    base = await uow.indexes.of_job(job_id, lock=True)
    try:
        if base is not None:
            return await get_base(uow, actor, base.id)
    except NotFound:
        pass
    raise NotFound("The job", "input", "id")


# -- under a lease ---------------------------------------------------------------------------------------------------


async def begin(uow: UnitOfWork, lease: Lease) -> Change:
    """Load a claimed change. Raises LeaseLost when it is no longer this job's."""
    job = await uow.jobs.lock(lease.job_id)
    base = await uow.indexes.of_job(lease.job_id)
    if job is None or base is None or job.lease_token != lease.token:
        raise LeaseLost
    return Change(_changed(base), base.next_model is None, job.trace_parent)


async def look(uow: UnitOfWork, lease: Lease, lease_s: float, change: Change) -> Remaining:
    """How much is to do, with what that may cost held. Raises LeaseLost, QuotaExhausted or BudgetExceeded."""
    base = await _of_lease(uow, lease)
    left = await uow.indexes.remaining(base.id, change.index)
    await uow.jobs.beat(lease, lease_s, _percent(left))
    await _hold(uow, lease, change, base, left)
    return left


def _percent(left: Remaining) -> int:
    return 99 * (left.chunks - left.missing) // max(1, left.chunks)


async def _hold(uow: UnitOfWork, lease: Lease, change: Change, base: KnowledgeBase, left: Remaining) -> None:
    await count_spent(uow, base)
    rest = await embedding_cost(uow, change.base, left.tokens, left.missing) if left.missing else 0
    needed = base.embedded_micros + rest
    held = await uow.billing.held(lease.job_id)
    if needed > held:
        await extend_hold(uow.billing, lease.job_id, needed - held)


async def next_chunks(
    uow: UnitOfWork, lease: Lease, change: Change, left: Remaining, after: ChunkId | None, limit: int
) -> Sequence[Chunk]:
    """The next that are missing, with what is left held: a model may count more tokens than were expected.

    Raises LeaseLost, QuotaExhausted or BudgetExceeded.
    """
    base = await _of_lease(uow, lease)
    await _hold(uow, lease, change, base, left)
    return await uow.indexes.missing(base.id, change.index, limit, after)


async def keep(uow: UnitOfWork, lease: Lease, lease_s: float, left: Remaining) -> int:
    """Note what the job has embedded, and how far it is: in percent. Raises LeaseLost."""
    base = await _of_lease(uow, lease)
    await count_spent(uow, base)
    base.updated_at = uow.now
    await uow.jobs.beat(lease, lease_s, _percent(left))
    return _percent(left)


async def has_served(uow: UnitOfWork, lease: Lease) -> bool:
    """Whether the base has its model. Raises LeaseLost."""
    return (await _of_lease(uow, lease)).next_model is None


async def serve(uow: UnitOfWork, lease: Lease, lease_s: float, change: Change) -> bool:
    """From now on the base answers from the new index. False while a chunk is missing there. Raises LeaseLost."""
    base = await uow.indexes.alone(change.base.id)
    if base is None or base.job_id != lease.job_id:
        raise LeaseLost
    await uow.jobs.beat(lease, lease_s, 99)
    if base.next_model is None:
        return True
    if not await uow.indexes.whole(base.id, change.index):
        return False
    base.embedding_model, base.dimensions = change.index.model, change.index.dimensions
    base.next_model = base.next_dimensions = None
    base.updated_at = uow.now
    return True


async def clear(uow: UnitOfWork, lease: Lease, lease_s: float, base_id: KnowledgeBaseId, limit: int) -> int:
    """Delete rows of what the base answered from before. How many; 0 when there are none left. Raises LeaseLost."""
    await uow.jobs.beat(lease, lease_s, 99)
    return await uow.indexes.remove_others(base_id, limit)


async def finish(uow: UnitOfWork, lease: Lease) -> KnowledgeBase:
    """The change is done, and paid for. Raises LeaseLost."""
    base = await _of_lease(uow, lease)
    await uow.jobs.close(lease, JobState.SUCCEEDED, None)
    await _pay(uow, lease.job_id, lease.attempt, base)
    return base


async def fail(
    uow: UnitOfWork, lease: Lease, code: DocumentErrorCode, message: str | None = None
) -> KnowledgeBase | None:
    """End it without success: the base stays as it was. One that has its model has it for good. Raises LeaseLost."""
    base = await uow.indexes.of_job(lease.job_id, lock=True)
    if base is not None and base.next_model is None:
        return await finish(uow, lease)
    cancelled = code is DocumentErrorCode.CANCELLED
    state = JobState.CANCELLED if cancelled else JobState.FAILED
    await uow.jobs.close(lease, state, None if cancelled else (code, message or SENTENCES[code]))
    if base is not None:
        await _pay(uow, lease.job_id, lease.attempt, base)
    return base


async def _pay(uow: UnitOfWork, job_id: JobId, attempt: int, base: KnowledgeBase) -> None:
    await settle(uow, job_id, attempt, _changed(base), base)


async def _of_lease(uow: UnitOfWork, lease: Lease) -> KnowledgeBase:
    base = await uow.indexes.of_job(lease.job_id, lock=True)
    if base is None:
        raise LeaseLost
    return base


async def hand_back(uow: UnitOfWork, lease: Lease) -> None:
    """Put the job back into the queue, or end it when its cancel was asked. Raises LeaseLost."""
    await uow.indexes.of_job(lease.job_id, lock=True)
    job = await uow.jobs.lock(lease.job_id)
    if job is not None and job.state == JobState.CANCELLING:
        await fail(uow, lease, DocumentErrorCode.CANCELLED)
        return
    await uow.jobs.requeue(lease)


async def recover(uow: UnitOfWork, job_id: JobId) -> JobState | None:
    """Put a job whose worker died back into the queue, or end it. None when its worker is alive after all."""
    base = await uow.indexes.of_job(job_id, lock=True)
    taken = await uow.jobs.reclaim(job_id)
    if taken is None:
        return None
    job, lease = taken
    if job.cancel_requested_at is None and job.crashes < CRASHES_MAX:
        await uow.jobs.requeue(lease)
        return JobState.QUEUED
    cancelled = job.cancel_requested_at is not None
    code = DocumentErrorCode.CANCELLED if cancelled else DocumentErrorCode.WORKER_CRASHED
    await fail(uow, lease, code)
    if base is not None and base.next_model is None:
        return JobState.SUCCEEDED
    return JobState.CANCELLED if cancelled else JobState.FAILED


async def already_ended(uow: UnitOfWork, lease: Lease) -> KnowledgeBase | None:
    """After an interrupted commit: the base whose change this lease has ended. Raises LeaseLost when it was not."""
    base = await uow.indexes.of_job(lease.job_id)
    job = await uow.jobs.lock(lease.job_id)
    if job is None or not JobState(job.state).terminal or job.attempt != lease.attempt:
        raise LeaseLost
    return base
