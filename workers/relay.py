"""The relay rings for jobs that the direct ring missed; the sweeper takes expired leases back.

The relay's role finds ids and nothing more. What happens to a job is decided and written as the application, inside
the job's own tenant.
"""

from __future__ import annotations

import asyncio
import logging
import time

from domain.events import JOB_ENDS, EventType, closing
from domain.job_kinds import KINDS
from domain.jobs import Doorbell, JobKind, JobState
from domain.unit_of_work import OpenUnitOfWork
from persistence import database, streams
from persistence.jobs.relay import Due, RelayView
from persistence.streams import StreamLog

POLL_S = 0.15
SWEEP_S = 0.5
BATCH = 200
OUTAGES = (*database.OUTAGES, *streams.OUTAGES)
OUTAGE_S = 0.5
SLOW_S, CALM_S = 1.0, 2.5
"""After an outage, or a pause that may have been one, workers that live get so long to renew their leases."""

logger = logging.getLogger(__name__)


class Relay:
    def __init__(
        self, view: RelayView, units: OpenUnitOfWork, doorbell: Doorbell, log: StreamLog, *, tenant_concurrency: int,
        tenant_ingestions: int,
    ) -> None:  # fmt: skip
        self._view = view
        self._units = units
        self._doorbell = doorbell
        self._log = log
        self._cap = tenant_concurrency
        self._ingestions = tenant_ingestions

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop. An outage of PostgreSQL or Redis is waited out."""
        swept = 0.0
        calm_since = 0.0
        reconciled = False
        while not stopping.is_set():
            try:
                if not reconciled:
                    await self.reconcile()
                    reconciled = True
                began = time.monotonic()
                if began - swept >= SWEEP_S and began - calm_since >= CALM_S:
                    await self.sweep()
                    swept = time.monotonic()
                await self.ring_due()
                if time.monotonic() - began > SLOW_S:
                    calm_since = time.monotonic()
            except OUTAGES as error:
                calm_since = time.monotonic()
                logger.warning("relay waits: %s", error)
                await asyncio.sleep(OUTAGE_S)
            else:
                await asyncio.sleep(POLL_S)

    async def ring_due(self) -> int:
        due = await self._view.take_due(cap=self._cap, batch=BATCH, ingestions=self._ingestions)
        for one in due:
            await self._doorbell.ring(one.queue, one.tenant_id, one.job_id)
        return len(due)

    async def sweep(self) -> int:
        """Take back the jobs of workers that died. One that fails does not keep the others waiting."""
        expired = await self._view.expired(batch=BATCH)
        for one in expired:
            try:
                await self._recover(one)
            except OUTAGES:
                logger.exception("job %s could not be taken back", one.job_id)
        return len(expired)

    async def reconcile(self) -> None:
        """At start-up: give a doorbell to queued jobs that have none."""
        for one in await self._view.silent(batch=BATCH):
            async with self._units(one.tenant_id) as uow:
                await uow.jobs.restore_doorbell(one.job_id)

    async def _recover(self, one: Due) -> None:
        async with self._units(one.tenant_id) as uow:
            job = await uow.jobs.job(one.job_id)
            state = await KINDS[JobKind(job.kind)].recover(uow, one.job_id) if job is not None else None
            generation = await uow.generation.of_job(one.job_id)
            job = await uow.jobs.lock(one.job_id)
            last = await uow.generation.attempt(generation.id, job.attempt) if generation and job else None
        if state is None or job is None:
            return
        logger.info("job %s taken back: %s", one.job_id, state)
        if state is JobState.QUEUED:
            await self.ring_due()
            return
        data: dict[str, object] = {"code": job.error_code, "message": job.error_message}
        if generation is None:
            end, text = JOB_ENDS[state], ""
        else:
            data |= {
                "version": str(generation.version_id) if generation.version_id else None,
                "code": generation.error_code,
                "message": generation.error_message,
            }
            if generation.message_id is not None:
                data["answer"] = str(generation.message_id)
            end, text = EventType(generation.state), last.text if last is not None else ""
        await self._log.close(closing(one.job_id, job.attempt, end, data, text=text, at=uow.now))
