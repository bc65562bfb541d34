"""Why a run ends before its model does, and how work in hand is ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum, auto
from typing import TypeVar

T = TypeVar("T")


class Stop(Enum):
    CANCEL = auto()
    LEASE_LOST = auto()
    SHUTDOWN = auto()
    BUDGET = auto()


class Stopping:
    """The first reason counts."""

    def __init__(self) -> None:
        self._why: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()

    def ask(self, why: Stop) -> None:
        if not self._why.done():
            self._why.set_result(why)

    async def when(self, event: asyncio.Event, why: Stop) -> None:
        await event.wait()
        self.ask(why)

    async def until(self, work: Awaitable[T], spare: Callable[[Stop], bool] = lambda _: False) -> T | Stop:
        """What the work comes to, or the reason why it was cancelled before. For a reason to `spare` it, a task goes on."""
        if self._why.done() and isinstance(work, Coroutine):
            work.close()
            return self._why.result()
        task = asyncio.ensure_future(work)
        waiting: set[asyncio.Future[T] | asyncio.Future[Stop]] = {task, self._why}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        why = self._why.result()
        if not spare(why):
            task.cancel()
            await asyncio.wait({task})
        return why
