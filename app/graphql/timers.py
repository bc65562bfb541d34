"""Timers for what is hardly ever due. The event loop's own cost more than many an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TICK_S = 0.05


class Interruption:
    """Cancels the task that it was made in, once; afterwards tells that from a cancellation by somebody else."""

    __slots__ = ("_fired", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._fired = False

    def fire(self) -> None:
        assert self._task is not None, "whoever may be interrupted is a task"
        self._fired = True
        self._task.cancel()

    def explains(self, error: BaseException | None) -> bool:
        """Whether the error is this cancellation and no other's as well; ask once, when it leaves the block."""
        if not self._fired or self._task is None:
            return False
        return not self._task.uncancel() and isinstance(error, asyncio.CancelledError)


class TimeLimit:
    """Raises TimeoutError in the place of what takes longer, up to TICK_S too late."""

    __slots__ = ("_interruption", "_timer", "_timers")

    def __init__(self, timers: CoarseTimers, seconds: float) -> None:
        self._timers = timers
        self._interruption = Interruption()
        self._timer = timers.call_later(seconds, self._interruption.fire)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _class: object, error: BaseException | None, _traceback: object) -> None:
        self._timers.cancel(self._timer)
        if self._interruption.explains(error):
            raise TimeoutError from error


class CoarseTimers:
    """Calls back up to TICK_S too late. While there are any, one timer of the loop looks at all of them."""

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._ticking = False

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> object:
        """What to cancel it by."""
        loop = asyncio.get_running_loop()
        timer = object()
        self._due[timer] = loop.time() + delay_s, callback
        if not self._ticking:
            self._ticking = True
            loop.call_later(TICK_S, self._tick, loop)
        return timer

    def cancel(self, timer: object) -> None:
        self._due.pop(timer, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for timer in [one for one, (when, _) in self._due.items() if when <= now]:
            self._due.pop(timer)[1]()
        self._ticking = bool(self._due)
        if self._ticking:
            loop.call_later(TICK_S, self._tick, loop)
