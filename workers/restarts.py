"""Units of work that outlive a restart of PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from domain.errors import LeaseLost
from persistence import database

PATIENCE_S = 60.0
PAUSE_S = 0.25

T = TypeVar("T")


async def through_restarts(
    action: Callable[[], Awaitable[T]], *, already: Callable[[], Awaitable[T]] | None = None
) -> T:
    """Repeat a unit of work while PostgreSQL is away, for as long as a restart may take.

    A connection that breaks during a commit leaves its outcome open. When the repetition then finds the lease gone,
    `already` says whether the first try had gone through after all.
    """
    patience = time.monotonic() + PATIENCE_S
    interrupted = False
    while True:
        try:
            return await action()
        except LeaseLost:
            if not interrupted or already is None:
                raise
            return await already()
        except database.OUTAGES as error:
            if time.monotonic() > patience or not database.is_outage(error):
                raise
            interrupted = True
            await asyncio.sleep(PAUSE_S)
