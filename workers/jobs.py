"""Schedules: what runs by the clock, once a tick however many relays there are.

A tick is held by its row's lock while its function runs, so a process that dies gives it back: what runs must bear
being run again. Ticks that were missed run once, and one that fails is tried again after RETRY_S.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cronsim import CronSim

from persistence import database
from persistence.operations.schedules import Schedules, Tick

POLL_S = 1.0
OUTAGE_S = 0.5
RUN_S = 600.0
RETRY_S = 60.0
ERROR_CHARS_MAX = 500

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Duty:
    """What a schedule does, and when: a cron expression of five fields, in UTC."""

    cron: str
    run: Callable[[], Awaitable[object]]


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
            after = next_tick(tick.cron, tick.now)
            await tick.done(after if error is None else min(after, tick.now + timedelta(seconds=RETRY_S)), error)
        return True

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
