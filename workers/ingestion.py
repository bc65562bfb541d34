"""Ingesting a document under a lease.

    claim     take the job
    read      in a process of its own: the text, its headings and pages, cut into pieces
    keep      text and chunks in one transaction
    embed     batch after batch, each noted when it is written, so that the next worker goes on behind it
    end       PostgreSQL first, the terminal event second

Whatever stops a run (cancel, lost lease, shutdown) ends the reading process and the call of the model at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, ClassVar, TypeVar

from domain.billing import BudgetExceeded, QuotaExhausted
from domain.errors import LeaseLost, Rejected
from domain.events import EventType
from domain.files.blobs import BlobMissing, BlobsAway, blob_key
from domain.generation.endings import BACKOFF_MAX_S
from domain.generation.provider import ProviderError
from domain.ids import JobId, TenantId
from domain.jobs import FAILURES_MAX, Lease
from domain.knowledge import ingestion as steps
from domain.knowledge.entities import Chunk, Document, DocumentErrorCode, DocumentState
from domain.knowledge.failures import SENTENCES, IngestFailed
from domain.knowledge.parsing import Reading, Source, in_one
from domain.knowledge.policies import ChunkPolicy
from domain.unit_of_work import UnitOfWork
from persistence import database
from persistence.streams import Fenced
from workers.narrator import Narrator
from workers.restarts import through_restarts
from workers.runtime import Runtime
from workers.stopping import Stop, Stopping
from workers.telemetry import count_ending, ingestion_span

BATCH = 32
"""Chunks that are embedded and noted together: what a killed worker repeats at most, from the cache."""
PAUSE_S = 1.0

logger = logging.getLogger(__name__)

T = TypeVar("T")


async def run_job(runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    """Claim and run one ingestion, as `in_room` does."""
    await in_room(IngestionRun, runtime, tenant_id, job_id)


async def in_room(run: type[IngestionRun], runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    """Claim and run one job; returns at once when there is nothing to claim, or no room for more of them.

    What is left unclaimed is rung for again.
    """
    if runtime.stopping.is_set() or runtime.ingesting >= runtime.ingestions_max:
        return
    runtime.ingesting += 1
    try:
        await _claim_and_run(run, runtime, tenant_id, job_id)
    finally:
        runtime.ingesting -= 1


async def _claim_and_run(run: type[IngestionRun], runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    try:
        async with runtime.units(tenant_id) as uow:
            lease = await uow.jobs.claim(job_id, runtime.worker_id, runtime.lease_s)
            work = await run.steps.begin(uow, lease) if lease is not None else None
    except Exception as error:
        if isinstance(error, database.OUTAGES) and database.is_outage(error):
            raise
        logger.exception("job %s cannot be begun, now or ever", job_id)
        await _give_up(run, runtime, tenant_id, job_id)
        return
    if lease is None or work is None:
        return
    cancel = runtime.cancels.add(job_id)
    try:
        with run.span(work, lease):
            await run(runtime, lease, work, cancel).run()
    finally:
        runtime.cancels.remove(job_id, cancel)


async def _give_up(run: type[IngestionRun], runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    """What cannot be begun would be rung for again and again, with its hold taken."""
    async with runtime.units(tenant_id) as uow:
        await uow.knowledge.of_job(job_id, lock=True)
        lease = await uow.jobs.claim(job_id, runtime.worker_id, runtime.lease_s)
        if lease is not None:
            await run.steps.fail(uow, lease, DocumentErrorCode.INTERNAL)


async def _pause(tried: int, asked_s: float | None = None) -> None:
    pause_s = min(asked_s or PAUSE_S * 2**tried, BACKOFF_MAX_S)
    await asyncio.sleep(pause_s * (0.5 + random.random() / 2))


class IngestionRun:
    """One claimed document, from the announcement to its end.

    What embeds something else has `steps` of the same names, and `_work_through` of its own.
    """

    steps: ClassVar[Any] = steps
    span: ClassVar[Any] = staticmethod(ingestion_span)

    def __init__(self, runtime: Runtime, lease: Lease, work: Any, cancel: asyncio.Event) -> None:
        self._runtime = runtime
        self._lease = lease
        self._work = work
        self._cancel = cancel
        self._lease_in_use = asyncio.Lock()
        self._ended = False
        self._stopping = Stopping()
        self._narrator = Narrator(runtime.log, lease)
        self._percent: int = work.percent
        self._fence: dict[str, Any] = {"lease": lease, "lease_s": runtime.lease_s}

    async def run(self) -> None:
        helpers = [
            asyncio.create_task(self._narrate()),
            asyncio.create_task(self._beat_forever()),
            asyncio.create_task(self._stopping.when(self._cancel, Stop.CANCEL)),
            asyncio.create_task(self._stopping.when(self._runtime.stopping, Stop.SHUTDOWN)),
        ]
        try:
            outcome = await self._stopping.until(self._ingest())
            await self._end(outcome, helpers[0])
        except (LeaseLost, Fenced):
            logger.info("job %s belongs to another worker now", self._lease.job_id)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _narrate(self) -> None:
        try:
            await self._narrator.run()
        except Fenced:
            self._stopping.ask(Stop.LEASE_LOST)

    # -- the work -------------------------------------------------------------------------------------------------

    async def _ingest(self) -> IngestFailed | None:
        """Why it failed, or None once it is READY. Raises LeaseLost."""
        try:
            await self._work_through()
        except IngestFailed as error:
            return error
        except BudgetExceeded:
            return IngestFailed(DocumentErrorCode.BUDGET_EXCEEDED)
        except QuotaExhausted:
            return IngestFailed(DocumentErrorCode.QUOTA_EXHAUSTED)
        except (LeaseLost, *database.OUTAGES):
            raise
        except Exception as error:
            logger.exception("job %s failed", self._lease.job_id)
            return IngestFailed(DocumentErrorCode.INTERNAL, str(error))
        return None

    async def _work_through(self) -> None:
        if not self._work.cut:
            await self._read()
        self._say("Embedding")
        while not await self._embedded():
            pass

    async def _read(self) -> None:
        """From the document to its chunks."""
        await self._note(DocumentState.PARSING, 1, "Reading")
        reading = await self._reading(ChunkPolicy.from_json(self._work.base.chunk_policy))
        await self._note(DocumentState.CHUNKING, steps.CUT_PERCENT // 2, "Cutting")
        self._heard(await self._in_unit(partial(steps.keep_reading, **self._fence, reading=reading)))

    async def _reading(self, policy: ChunkPolicy) -> Reading:
        """Read again where the bytes, or a process to read them, may be had the next time. Raises IngestFailed."""
        for tried in range(1, FAILURES_MAX + 1):
            try:
                return await self._runtime.reader.read(self._source(), policy)
            except BlobMissing:
                raise IngestFailed(DocumentErrorCode.FILE_MISSING) from None
            except (BlobsAway, OSError) as error:
                logger.warning("job %s: reading failed: %r", self._lease.job_id, error)
                if tried == FAILURES_MAX:
                    raise IngestFailed(DocumentErrorCode.INTERNAL, repr(error)) from None
                await _pause(tried)
        raise AssertionError("the last try returns or raises")

    def _source(self) -> Source:
        """The file as it was uploaded, or the text that was given. Raises IngestFailed."""
        document, file = self._work.document, self._work.file
        if document.file_id is None:
            return Source(in_one(self._work.text.encode()), document.mime)
        if file is None:
            raise IngestFailed(DocumentErrorCode.FILE_MISSING)
        return Source(self._runtime.blobs.open(blob_key(file.tenant_id, file.sha256)), file.mime, file.name)

    async def _embedded(self) -> bool:
        """Embed one batch; whether the document is READY because there was none left."""
        chunks = await self._in_unit(partial(steps.next_chunks, **self._fence, work=self._work, limit=BATCH))
        if not chunks:
            async with self._lease_in_use:
                self._ended = await self._in_unit(self._finish, already=self._finished)
            return self._ended
        await self._patiently(chunks)
        noted = partial(steps.keep_indexed, **self._fence, work=self._work, chunks=chunks)
        self._heard(await self._in_unit(noted))
        self._say("Embedding")
        return False

    async def _finish(self, uow: UnitOfWork) -> bool:
        return await steps.finish(uow, self._lease) is not None

    async def _finished(self, uow: UnitOfWork) -> bool:
        """After an interrupted commit."""
        await steps.already_ended(uow, self._lease)
        return True

    async def _patiently(self, chunks: Sequence[Chunk]) -> None:
        """Ask again what may answer the next time. Raises IngestFailed when it never does."""
        for tried in range(1, FAILURES_MAX + 1):
            try:
                await self._runtime.indexer.index(self._lease.tenant_id, self._work.base, chunks, self._work.owner)
                return
            except ProviderError as error:
                logger.info("job %s: %s: %s", self._lease.job_id, error.code, error.detail)
                if not error.retryable or tried == FAILURES_MAX:
                    raise IngestFailed(DocumentErrorCode.EMBEDDING_FAILED, error.code) from None
                await _pause(tried, error.retry_after_s)
            except Rejected as refusal:
                raise IngestFailed(DocumentErrorCode.EMBEDDING_FAILED, refusal.message) from None

    async def _in_unit(
        self, step: Callable[[UnitOfWork], Awaitable[T]], already: Callable[[UnitOfWork], Awaitable[T]] | None = None
    ) -> T:
        """A step as a transaction, repeated while PostgreSQL is away; `already` as in `through_restarts`."""

        async def run(one: Callable[[UnitOfWork], Awaitable[T]]) -> T:
            async with self._runtime.units(self._lease.tenant_id) as uow:
                return await one(uow)

        return await through_restarts(partial(run, step), already=partial(run, already) if already else None)

    async def _note(self, state: DocumentState, percent: int, said: str) -> None:
        self._percent = percent
        await self._in_unit(partial(steps.note, **self._fence, state=state, percent=percent))
        self._say(said)

    def _heard(self, document: Document) -> None:
        self._percent = document.progress

    def _say(self, note: str) -> None:
        self._narrator.say(EventType.PROGRESS, {"progress": self._percent, "note": note})

    # -- the lease ------------------------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        while True:
            await asyncio.sleep(self._runtime.lease_s / 4)
            try:
                async with self._lease_in_use:
                    if self._ended:
                        return
                    cancel_asked = await self._beat()
            except LeaseLost:
                self._stopping.ask(Stop.LEASE_LOST)
                return
            except database.OUTAGES as error:
                if not database.is_outage(error):
                    logger.exception("job %s: its heartbeat is refused; it is given up", self._lease.job_id)
                    self._stopping.ask(Stop.LEASE_LOST)
                    return
                logger.warning("job %s: no heartbeat: %s", self._lease.job_id, error)
                continue
            if cancel_asked:
                self._stopping.ask(Stop.CANCEL)

    async def _beat(self) -> bool:
        """Extend the lease; whether a cancel was asked."""
        async with self._runtime.units(self._lease.tenant_id) as uow:
            return await uow.jobs.beat(self._lease, self._runtime.lease_s, self._percent)

    # -- the end --------------------------------------------------------------------------------------------------

    async def _end(self, outcome: IngestFailed | Stop | None, narrating: asyncio.Task[None]) -> None:
        match outcome:
            case Stop.LEASE_LOST:
                return
            case Stop.SHUTDOWN:
                await self._hand_back()
                return
            case Stop():
                failure: IngestFailed | None = IngestFailed(DocumentErrorCode.CANCELLED)
            case _:
                failure = outcome
        if failure is not None:
            await self._fail(failure)
        narrating.cancel()
        await asyncio.gather(narrating, return_exceptions=True)
        count_ending("READY" if failure is None else failure.code)
        if failure is None:
            await self._narrator.end(EventType.JOB_SUCCEEDED, {})
            return
        cancelled = failure.code is DocumentErrorCode.CANCELLED
        said = {"code": failure.code.value, "message": SENTENCES[failure.code]}
        await self._narrator.end(EventType.JOB_CANCELLED if cancelled else EventType.JOB_FAILED, said)

    async def _fail(self, failure: IngestFailed) -> None:
        logger.info("job %s: %s", self._lease.job_id, failure)

        await self._in_unit(partial(self.steps.fail, lease=self._lease, code=failure.code), already=self._over)

    async def _over(self, uow: UnitOfWork) -> object:
        return await self.steps.already_ended(uow, self._lease)

    async def _hand_back(self) -> None:
        """A worker that is told to stop gives its job to the next one without waiting for the lease to expire."""
        with contextlib.suppress(LeaseLost, *database.OUTAGES):
            async with self._runtime.units(self._lease.tenant_id) as uow:
                await self.steps.hand_back(uow, self._lease)
