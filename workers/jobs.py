"""Schedules: what runs by the clock, once a tick however many relays there are.

A tick is held by its row's lock while its function runs, so a process that dies gives it back: what runs must bear
being run again. Ticks that were missed run once, and one that fails is tried again after RETRY_S.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from domain.ids import TenantId
from persistence import database
from persistence.operations.schedules import Schedules, Tick

POLL_S = 1.0
OUTAGE_S = 0.5
RUN_S = 600.0
RETRY_S = 60.0
ERROR_CHARS_MAX = 500
LANES = 8
"""Tenants that a duty looks after at once where others answer: one who hangs does not keep the others waiting."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """What a schedule does, and when: a cron expression of five fields, in UTC."""

    cron: str
    run: Callable[[], Awaitable[object]]


class SomeFailed(Exception):
    """A duty was done in some tenants and not in others, each of which has its line in the log."""


async def in_each(tenants: Sequence[TenantId], work: Callable[[TenantId], Awaitable[int]]) -> int:
    """What the work comes to in all tenants. One that fails keeps no other waiting.

    Raises SomeFailed when all have had their turn; an outage of PostgreSQL at once.
    """
    total = failed = 0
    for tenant_id in tenants:
        try:
            total += await work(tenant_id)
        except Exception as error:
            if isinstance(error, database.OUTAGES) and database.is_outage(error):
                raise
            logger.exception("not done in tenant %s", tenant_id)
            failed += 1
    if failed:
        raise SomeFailed(f"not done in {failed} of {len(tenants)} tenants; {total} in the others")
    return total


async def in_lanes(tenants: Sequence[TenantId], work: Callable[[TenantId], Awaitable[int]]) -> int:
    """What the work comes to in all tenants, LANES at once. Raises what a lane raised, when all have ended."""
    lanes = (in_each(tenants[lane::LANES], work) for lane in range(LANES))
    done = await asyncio.gather(*lanes, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return sum(one for one in done if isinstance(one, int))


async def in_batches(some: Callable[[], Awaitable[int]], batch: int) -> int:
    """What all calls come to: the last is the first that does fewer than a batch."""
    total = 0
    while True:
        total += (done := await some())
        if done < batch:
            return total


def next_tick(cron: str, after: datetime) -> datetime:
    """The first tick behind a moment. Raises CronSimError for what is no cron expression."""
    return next(CronSim(cron, after))


class Clock:
    """Runs duties, one at a time. `duties` by the names of their schedules."""

    def __init__(self, schedules: Schedules, duties: Mapping[str, Duty]) -> None:
        self._schedules = schedules
        self._duties = dict(duties)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop. An outage of PostgreSQL is waited out."""
        announced = False
        while not stopping.is_set():
            try:
                if not announced:
                    await self.announce()
                    announced = True
                ran = await self.tick()
            except database.OUTAGES as error:
                logger.warning("clock waits: %s", error)
                await asyncio.sleep(OUTAGE_S)
            else:
                await asyncio.sleep(0 if ran else POLL_S)

    async def announce(self) -> None:
        """Make known what this process can do."""
        now = await self._schedules.now()
        await self._schedules.announce(
            {name: (duty.cron, next_tick(duty.cron, now)) for name, duty in self._duties.items()}
        )

    async def tick(self) -> bool:
        """Run what is due, if anything is."""
        async with self._schedules.due(list(self._duties)) as tick:
            if tick is None:
                return False
            error = await self._do(tick)
            after, slip = self._after(tick)
            if error is not None:
                after = min(after, tick.now + timedelta(seconds=RETRY_S))
            await tick.done(after, error or slip)
        return True

    def _after(self, tick: Tick) -> tuple[datetime, str | None]:
        """The next tick. A row whose expression is none goes by its duty's own, and says so."""
        try:
            return next_tick(tick.cron, tick.now), None
        except CronSimError as error:
            slip = f"{tick.cron!r} is no cron expression: {error}"[:ERROR_CHARS_MAX]
            logger.error("schedule %s: %s", tick.name, slip)
            return next_tick(self._duties[tick.name].cron, tick.now), slip

    async def _do(self, tick: Tick) -> str | None:
        """Why it failed, or None."""
        try:
            async with asyncio.timeout(RUN_S):
                done = await self._duties[tick.name].run()
        except Exception as error:
            logger.exception("schedule %s failed", tick.name)
            return f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]
        logger.info("schedule %s ran: %s", tick.name, done)
        return None
