"""Calls that go on without a reader, because their provider counts to the end whoever listens."""

from __future__ import annotations

import asyncio
import logging

from domain.errors import LeaseLost
from domain.generation.attempts import book_unheard
from domain.generation.endings import Ending
from domain.generation.provider import ProviderError
from domain.jobs import Lease
from domain.unit_of_work import OpenUnitOfWork
from persistence import database
from workers.call import Call
from workers.restarts import through_restarts

DRAIN_S = 15.0
"""For so long at most. It is less than the place on the channel is kept without being renewed."""

logger = logging.getLogger(__name__)


class Drains:
    """Those of one process."""

    def __init__(self, units: OpenUnitOfWork) -> None:
        self._units = units
        self._running: dict[asyncio.Task[None], asyncio.Task[Ending | ProviderError]] = {}

    def add(self, call: Call, running: asyncio.Task[Ending | ProviderError], lease: Lease) -> None:
        """Wait for a running call's end, and book to the operator what it used beyond the author's text."""
        task = asyncio.create_task(self._drain(call, running, lease))
        self._running[task] = running
        task.add_done_callback(lambda done: self._running.pop(done, None))

    async def _drain(self, call: Call, running: asyncio.Task[Ending | ProviderError], lease: Lease) -> None:
        await asyncio.wait({running}, timeout=DRAIN_S)
        if not running.done():
            running.cancel()
            await asyncio.wait({running})
        if not running.cancelled() and (error := running.exception()) is not None:
            logger.error("job %s: its call was drained to an error", lease.job_id, exc_info=error)
        unheard = call.unheard
        if unheard.input_tokens or unheard.output_tokens:
            await self._book(call, lease)

    async def _book(self, call: Call, lease: Lease) -> None:
        async def book() -> None:
            async with self._units(lease.tenant_id) as uow:
                await book_unheard(uow, lease, call.unheard, call.price, call.route)

        try:
            await through_restarts(book)
        except (LeaseLost, *database.OUTAGES) as error:
            logger.error("job %s: what was drained is not booked: %s", lease.job_id, error)

    async def end(self) -> None:
        """Hang up, and book what is known."""
        while self._running:
            for running in self._running.values():
                running.cancel()
            await self.until_idle()

    async def until_idle(self) -> None:
        await asyncio.gather(*self._running, return_exceptions=True)
