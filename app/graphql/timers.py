"""Timers for what is hardly ever due. The event loop's own cost more than many an operation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TICK_S = 0.05


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
