"""Starting a document's way into search, trying it again, and stopping it."""

from __future__ import annotations

from domain.accounts import Actor, Permission
from domain.billing import Spender, take_hold
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import JobId, new_id
from domain.invoices.service import refuse_overdue
from domain.jobs import QUEUES, Job, JobKind, JobState, Stopped, Waiting, claim, scoped_key
from domain.knowledge.entities import Document, DocumentErrorCode, DocumentState, KnowledgeBase
from domain.knowledge.feed import tell
from domain.knowledge.ingestion import embedding_cost, failed, pay
from domain.knowledge.parsing import CHARACTERS_MAX, MARKDOWN, PLAIN
from domain.knowledge.policies import ChunkPolicy
from domain.knowledge.service import get_base
from domain.text import estimated_tokens
from domain.unit_of_work import UnitOfWork

TOKENS_PER_BYTE = 0.5
"""Of a text that nobody has read: what Chinese in UTF-8 comes to."""
TOKENS_PER_PACKED_BYTE = 0.1
"""Of other files, which are pictures and markup for the most part. What is missing is held when it has been cut."""
TOKENS_MAX = CHARACTERS_MAX * 1.5
"""However large the file is."""


async def enqueue(
    uow: UnitOfWork, actor: Actor, document: Document, base: KnowledgeBase, *, concurrency_max: int,
    trace_parent: str | None = None, retry_of: JobId | None = None,
) -> Waiting:  # fmt: skip
    """Give a document a new job, with a hold of what embedding it is expected to cost.

    Raises Rejected, QuotaExhausted or BudgetExceeded.
    """
    await refuse_overdue(uow)
    kind = JobKind.DOCUMENT_INGEST
    job = Job(
        uow.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=actor.user_id, principal=actor.principal,
        trace_parent=trace_parent, retry_of=retry_of,
    )  # fmt: skip
    ring = await uow.jobs.enqueue(job, concurrency_max=concurrency_max)
    document.job_id, document.state, document.progress = job.id, DocumentState.PENDING, 0
    document.error_code = document.error_message = None
    document.embedded_tokens = document.embedded_micros = 0
    document.updated_at = uow.now
    tokens = await _expected_tokens(uow, document, base)
    held = await embedding_cost(uow, base, tokens)
    spender = Spender.of(actor.user_id, actor.principal, base.embedding_model)
    await take_hold(uow.billing, job.id, held, spender)
    await tell(uow, document)
    return Waiting(job.id, ring)


async def _expected_tokens(uow: UnitOfWork, document: Document, base: KnowledgeBase) -> int:
    """Of what is left to embed: exactly where it is cut already."""
    if document.cut:
        _, tokens = await uow.knowledge.unindexed_tokens(document.id)
        return tokens
    policy = ChunkPolicy.from_json(base.chunk_policy)
    repeated = policy.size / (policy.size - policy.overlap)
    if document.file_id is None:
        return round(estimated_tokens(await uow.knowledge.text(document.id)) * repeated)
    file = await uow.files.file(document.file_id)
    if file is None:
        return 0
    share = TOKENS_PER_BYTE if file.mime in {PLAIN, MARKDOWN} else TOKENS_PER_PACKED_BYTE
    return round(min(file.size * share, TOKENS_MAX) * repeated)


async def stop(uow: UnitOfWork, document: Document) -> Stopped:
    """Stop a locked document's job, if one waits or runs. Who watches its base is told by the caller, last of all."""
    job = await uow.jobs.lock(document.job_id) if document.job_id is not None else None
    if job is None or JobState(job.state).terminal:
        return Stopped(ended=False, tell_worker=False)
    if job.state == JobState.QUEUED:
        await uow.jobs.cancel_queued(job)
        failed(uow, document, DocumentErrorCode.CANCELLED)
        await pay(uow, job.id, job.attempt, document)
        return Stopped(ended=True, tell_worker=False)
    if job.state == JobState.RUNNING:
        await uow.jobs.ask_cancel(job)
    return Stopped(ended=False, tell_worker=True)


async def cancel(uow: UnitOfWork, actor: Actor, job_id: JobId) -> Stopped:
    """Ask a document's job to stop, as `stop` does. What is already embedded stays, and is paid for."""
    actor.require(Permission.GENERATE)
    document, _ = await _of_job(uow, actor, job_id)
    stopped = await stop(uow, document)
    if stopped.ended:
        await tell(uow, document)
    return stopped


async def retry(uow: UnitOfWork, actor: Actor, job_id: JobId, idempotency_key: str, concurrency_max: int) -> Waiting:
    """A new job that goes on where the old one stopped. The same key gives the same job."""
    actor.require(Permission.GENERATE)
    key = scoped_key(actor.principal, "jobRetry", idempotency_key, {"job_id": job_id})
    if (before := await claim(uow.jobs, key)) is not None:
        return Waiting(JobId(before), False)
    document, base = await _of_job(uow, actor, job_id)
    job = await uow.jobs.lock(job_id)
    if job is None:
        raise NotFound("The job", "input", "id")
    if not JobState(job.state).terminal or job.state == JobState.SUCCEEDED:
        raise Rejected(ErrorCode.INVALID_STATE, "Only a job that ended without success can be retried.", "input", "id")
    started = await enqueue(uow, actor, document, base, concurrency_max=concurrency_max, retry_of=job_id)
    await uow.jobs.complete_key(key, started.job_id)
    return started


async def _of_job(uow: UnitOfWork, actor: Actor, job_id: JobId) -> tuple[Document, KnowledgeBase]:
    """A job's document, locked, and its base, which the actor sees. Raises NotFound."""
    document = await uow.knowledge.of_job(job_id, lock=True)
    if document is None or document.deleted_at is not None:
        raise NotFound("The job", "input", "id")
    try:
        return document, await get_base(uow, actor, document.base_id)
    except NotFound:
        raise NotFound("The job", "input", "id") from None
