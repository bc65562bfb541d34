"""A document's way into search, under a lease: each step is one transaction, and what was done is not done again.

The document's row is locked before its job's in every transaction that writes both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.billing import Usage, UsageRecord, book_usage, cost, extend_hold
from domain.billing.alerts import end_hold
from domain.channels.offers import price_name
from domain.errors import LeaseLost
from domain.files.entities import File
from domain.generation.provider import UsageSource
from domain.ids import ChunkId, JobId, SourceDocumentId, new_id
from domain.jobs import CRASHES_MAX, JobState, Lease
from domain.knowledge.embedding import BUILT_IN, HASHED, NoEmbedder, embedding_offer
from domain.knowledge.entities import Chunk, Document, DocumentErrorCode, DocumentState, KnowledgeBase
from domain.knowledge.failures import SENTENCES, IngestFailed
from domain.knowledge.feed import tell
from domain.knowledge.parsing import Reading
from domain.knowledge.pieces import Piece, text_hash
from domain.unit_of_work import UnitOfWork

USAGE_KIND = "EMBED"
CHANNEL = "embedding"
"""Under what name usage is kept that goes through no channel."""
CALL_TEXTS = 8
"""Texts of one call that a hold is reckoned with: the fewest that an embedder takes."""
FREE_MODELS = frozenset({BUILT_IN, HASHED})
CUT_PERCENT = 10
"""How far a document is when it is cut; the rest is embedding."""


@dataclass(slots=True)
class Work:
    """A claimed document, as it was when it was claimed. One that is `cut` has only to be embedded.

    `base` is as it was at the last look: its model may change meanwhile.
    """

    document: Document
    base: KnowledgeBase
    file: File | None
    text: str
    cut: bool
    trace_parent: str | None

    @property
    def document_id(self) -> SourceDocumentId:
        return self.document.id

    @property
    def owner(self) -> SourceDocumentId:
        """Of what is asked for it, until that is counted."""
        return self.document.id

    @property
    def percent(self) -> int:
        return self.document.progress


async def embedding_cost(uow: UnitOfWork, base: KnowledgeBase, tokens: int, texts: int) -> int:
    """What embedding so much for a base is expected to cost, in micro-units, by the price of the channel that would be
    asked now. A model that runs in the process costs nothing.
    """
    if base.embedding_model in FREE_MODELS:
        return 0
    try:
        priced_as = embedding_offer(await uow.channels.offered(), base.embedding_model).priced_as
    except NoEmbedder:  # which the document will fail by, unless a channel comes back until then
        priced_as = base.embedding_model, price_name(None)
    calls = max(1, -(-texts // CALL_TEXTS))
    return calls * cost(await uow.billing.price_of(*priced_as), Usage(-(-tokens // calls), 0))


async def begin(uow: UnitOfWork, lease: Lease) -> Work:
    """Load a claimed document. Raises LeaseLost when it is no longer this job's."""
    job = await uow.jobs.lock(lease.job_id)
    document = await uow.knowledge.of_job(lease.job_id)
    base = await uow.knowledge.base(document.base_id) if document is not None else None
    if job is None or document is None or base is None or job.lease_token != lease.token:
        raise LeaseLost
    file = await uow.files.file(document.file_id) if document.file_id is not None else None
    text = await uow.knowledge.text(document.id) if document.file_id is None and not document.cut else ""
    return Work(document, base, file, text, document.cut, job.trace_parent)


async def note(uow: UnitOfWork, lease: Lease, lease_s: float, state: DocumentState, percent: int) -> None:
    """Tell how far it is. Raises LeaseLost."""
    document = await _of_lease(uow, lease)
    document.state, document.progress, document.updated_at = state, percent, uow.now
    await uow.jobs.beat(lease, lease_s, percent)
    await tell(uow, document)


async def keep_reading(uow: UnitOfWork, lease: Lease, lease_s: float, reading: Reading) -> Document:
    """Keep the text and its chunks, instead of those that were, and hold what embedding them will cost.

    Raises LeaseLost, or IngestFailed when there is nothing to embed or nothing to pay it with.
    """
    document = await _of_lease(uow, lease)
    if not reading.pieces:
        raise IngestFailed(DocumentErrorCode.EMPTY)
    document.text, document.pages, document.language = reading.text, list(reading.pages), reading.language
    document.characters, document.chunk_count = len(reading.text), len(reading.pieces)
    document.recut = False
    document.version += 1
    document.state, document.progress, document.updated_at = DocumentState.EMBEDDING, CUT_PERCENT, uow.now
    chunks = (_chunk(document, reading.text, position, piece) for position, piece in enumerate(reading.pieces))
    await uow.knowledge.replace_chunks(document, chunks)
    await uow.jobs.beat(lease, lease_s, CUT_PERCENT)
    await tell(uow, document)
    return document


def _chunk(document: Document, whole: str, position: int, piece: Piece) -> Chunk:
    text = whole[piece.start : piece.end]
    return Chunk(
        document.tenant_id, ChunkId(new_id()), document.base_id, document.id, position, text, piece.start, piece.end,
        piece.tokens, text_hash(text), list(piece.heading_path), piece.page,
    )  # fmt: skip


async def next_chunks(uow: UnitOfWork, lease: Lease, lease_s: float, work: Work, limit: int) -> list[Chunk]:
    """Those to be embedded next. What they and the rest may cost is held by then, and what is embedded already did.

    Raises LeaseLost, QuotaExhausted or BudgetExceeded.
    """
    document = await _of_lease(uow, lease)
    await uow.jobs.beat(lease, lease_s, document.progress)
    await count_spent(uow, document)
    work.base = await uow.knowledge.base(work.base.id) or work.base
    texts, tokens = await uow.knowledge.unindexed_tokens(document.id)
    needed = document.embedded_micros + (await embedding_cost(uow, work.base, tokens, texts) if texts else 0)
    held = await uow.billing.held(lease.job_id)
    if needed > held:
        await extend_hold(uow.billing, lease.job_id, needed - held)
    return await uow.knowledge.unindexed(document.id, limit)


async def keep_indexed(uow: UnitOfWork, lease: Lease, lease_s: float, work: Work, chunks: Sequence[Chunk]) -> Document:
    """Note that these chunks' vectors are written, and what that cost. Raises LeaseLost."""
    document = await _of_lease(uow, lease)
    await uow.knowledge.mark_indexed(chunks, work.base)
    await count_spent(uow, document)
    done = max(one.position for one in chunks) + 1  # they come in the document's order
    document.progress = CUT_PERCENT + (99 - CUT_PERCENT) * done // max(done, document.chunk_count)
    document.state, document.updated_at = DocumentState.EMBEDDING, uow.now
    await uow.jobs.beat(lease, lease_s, document.progress)
    await tell(uow, document)
    return document


async def count_spent(uow: UnitOfWork, spender: Document | KnowledgeBase) -> None:
    """Count for a locked document's or base's job what was asked for it, each call once, whoever has made it."""
    spent = await uow.knowledge.take_unbilled(spender.id)
    spender.embedded_tokens += spent.tokens
    spender.embedded_micros += spent.cost_micros
    spender.embedded_channel_id = spent.channel_id or spender.embedded_channel_id
    spender.embedded_price_id = spent.price_id or spender.embedded_price_id


async def finish(uow: UnitOfWork, lease: Lease) -> Document | None:
    """The document is READY, and paid for. None when a chunk was edited meanwhile, so that there is more to do.

    Raises LeaseLost.
    """
    document = await _of_lease(uow, lease)
    if await uow.knowledge.unindexed(document.id, 1):
        return None
    document.state, document.progress, document.ready_at = DocumentState.READY, 100, uow.now
    document.updated_at = uow.now
    await uow.jobs.close(lease, JobState.SUCCEEDED, None)
    await pay(uow, lease.job_id, lease.attempt, document)
    await tell(uow, document)
    return document


async def fail(uow: UnitOfWork, lease: Lease, code: DocumentErrorCode, message: str | None = None) -> Document | None:
    """End it without success; what was embedded is paid for. Raises LeaseLost."""
    document = await uow.knowledge.of_job(lease.job_id, lock=True)
    said = message or SENTENCES[code]
    if document is not None:
        failed(uow, document, code, said)
    cancelled = code is DocumentErrorCode.CANCELLED
    state = JobState.CANCELLED if cancelled else JobState.FAILED
    await uow.jobs.close(lease, state, None if cancelled else (code, said))
    await pay(uow, lease.job_id, lease.attempt, document)
    if document is not None and document.deleted_at is None:
        await tell(uow, document)
    return document


def failed(uow: UnitOfWork, document: Document, code: DocumentErrorCode, message: str | None = None) -> None:
    document.state, document.error_code = DocumentState.FAILED, code
    document.error_message, document.updated_at = message or SENTENCES[code], uow.now


async def pay(uow: UnitOfWork, job_id: JobId, attempt: int, document: Document | None) -> None:
    """Settle a job's hold, with one usage record for all that it has embedded over all its attempts."""
    if document is None:
        await end_hold(uow, job_id, attempt, 0)
        return
    await settle(uow, job_id, attempt, await uow.knowledge.base(document.base_id, deleted=True), document)


async def settle(
    uow: UnitOfWork, job_id: JobId, attempt: int, base: KnowledgeBase | None, spender: Document | KnowledgeBase
) -> None:
    """Book what a job has embedded with a base's model for a locked document or base, and end its hold."""
    await count_spent(uow, spender)
    if spender.embedded_tokens:
        channel_id = spender.embedded_channel_id
        channel = await uow.channels.channel(channel_id) if channel_id is not None else None
        usage = Usage(spender.embedded_tokens, 0, source=UsageSource.PROVIDER_FINAL)
        record = UsageRecord(
            job_id, attempt, USAGE_KIND, base.embedding_model if base is not None else "",
            channel.name if channel is not None else CHANNEL, usage, spender.embedded_micros, True, uow.now,
            spender.embedded_price_id, base.project_id if base is not None else None, channel_id,
        )  # fmt: skip
        await book_usage(uow.billing, record)
    await end_hold(uow, job_id, attempt, spender.embedded_micros)


async def _of_lease(uow: UnitOfWork, lease: Lease) -> Document:
    document = await uow.knowledge.of_job(lease.job_id, lock=True)
    if document is None or document.deleted_at is not None:
        raise LeaseLost
    return document


async def hand_back(uow: UnitOfWork, lease: Lease) -> None:
    """Put the job back into the queue, or end it when its cancel was asked. Raises LeaseLost."""
    await uow.knowledge.of_job(lease.job_id, lock=True)
    job = await uow.jobs.lock(lease.job_id)
    if job is not None and job.state == JobState.CANCELLING:
        await fail(uow, lease, DocumentErrorCode.CANCELLED)
        return
    await uow.jobs.requeue(lease)


async def recover(uow: UnitOfWork, job_id: JobId) -> JobState | None:
    """Put a job whose worker died back into the queue, or end it. None when its worker is alive after all."""
    await uow.knowledge.of_job(job_id, lock=True)
    taken = await uow.jobs.reclaim(job_id)
    if taken is None:
        return None
    job, lease = taken
    if job.cancel_requested_at is not None:
        await fail(uow, lease, DocumentErrorCode.CANCELLED)
        return JobState.CANCELLED
    if job.crashes >= CRASHES_MAX:
        await fail(uow, lease, DocumentErrorCode.WORKER_CRASHED)
        return JobState.FAILED
    await uow.jobs.requeue(lease)
    return JobState.QUEUED


async def already_ended(uow: UnitOfWork, lease: Lease) -> Document | None:
    """After an interrupted commit: the document that this lease has ended. Raises LeaseLost when it was not this one."""
    document = await uow.knowledge.of_job(lease.job_id)
    job = await uow.jobs.lock(lease.job_id)
    if job is None or not JobState(job.state).terminal or job.attempt != lease.attempt:
        raise LeaseLost
    return document
