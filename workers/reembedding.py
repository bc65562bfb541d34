"""Giving a base another embedding model, under a lease.

    embed     what the new index lacks, batch after batch, until it has all that the old one has
    serve     in one transaction: from then on the base answers from the new one
    clear     the old index, batch after batch

The next worker goes on behind what was written. What is asked to stop after it has served is done to its end.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from domain.ids import ChunkId, JobId, TenantId
from domain.jobs import JobKind
from domain.knowledge import reembedding as steps
from domain.knowledge.failures import IngestFailed
from domain.knowledge.indexing import Indexed
from workers.ingestion import BATCH, IngestionRun, in_room
from workers.runtime import Runtime
from workers.stopping import Stop
from workers.telemetry import reembedding_span

CLEARED_AT_ONCE = 1_000


class ReembeddingRun(IngestionRun):
    steps: ClassVar[Any] = steps
    span: ClassVar[Any] = staticmethod(reembedding_span)

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._spent: Indexed = self._work.spent

    async def _work_through(self) -> None:
        served: bool = self._work.served
        while not served:
            await self._pass()
            served = await self._in_unit(partial(steps.serve, **self._fence, change=self._work))
        await self._clear()
        await self._finish_change()

    async def _pass(self) -> None:
        """Embed what is missing, from the first chunk to the last."""
        left = await self._in_unit(partial(steps.look, **self._fence, change=self._work))
        self._say("Embedding")
        after: ChunkId | None = None
        while True:
            asked = {"lease": self._lease, "change": self._work, "left": left, "after": after, "limit": BATCH}
            chunks = await self._in_unit(partial(steps.next_chunks, **asked))
            if not chunks:
                return
            done = await self._patiently(chunks)
            self._spent = Indexed(self._spent.tokens + done.tokens, 0, self._spent.cost_micros + done.cost_micros)
            left = replace(
                left, missing=max(0, left.missing - len(chunks)), tokens=max(0, left.tokens - done.tokens)
            )  # fmt: skip
            after = chunks[-1].id
            self._percent = await self._in_unit(partial(steps.keep, **self._fence, spent=self._spent, left=left))
            self._say("Embedding")

    async def _clear(self) -> None:
        self._percent = 99
        self._say("Removing the old index")
        asked = self._fence | {"base_id": self._work.base.id, "limit": CLEARED_AT_ONCE}
        while await self._in_unit(partial(steps.clear, **asked)):
            pass

    async def _finish_change(self) -> None:
        async with self._lease_in_use:
            await self._in_unit(partial(steps.finish, lease=self._lease), already=self._over)
            self._ended = True

    async def _end(self, outcome: IngestFailed | Stop | None, narrating: asyncio.Task[None]) -> None:
        if outcome is Stop.CANCEL and await self._in_unit(partial(steps.has_served, lease=self._lease)):
            await self._clear()
            await self._finish_change()
        await super()._end(None if self._ended else outcome, narrating)


async def run_job(runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    """Claim and run what the queue `ingestion` rings for, whichever kind it is."""
    async with runtime.units(tenant_id) as uow:
        job = await uow.jobs.job(job_id)
    changes = job is not None and job.kind == JobKind.BASE_REEMBED
    await in_room(ReembeddingRun if changes else IngestionRun, runtime, tenant_id, job_id)
