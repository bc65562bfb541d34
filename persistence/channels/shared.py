"""A Redis that may be away, and its clock.

What is kept there only makes routing better: while Redis is away nothing is known and nothing is refused, and it is
asked again once a second.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from persistence.streams.log import OUTAGES

AWAY_S = 1.0
"""For so long after an outage Redis is not asked, and nothing more is logged."""
TAG = "{channels}"
"""One hash tag for all keys: in a cluster they are read together, and therefore live together."""

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Shared:
    """One process's way to what is shared. `now` is the time of Redis, in seconds since 1970, as it was last heard."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis
        self._away_until = float("-inf")
        self._ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self._ahead_s

    def heard(self, answer: tuple[int, int]) -> float:
        """Set the clock by an answer to TIME."""
        seconds, micros = answer
        self._ahead_s = seconds + micros / 1e6 - time.time()
        return self.now()

    async def ask(self, work: Callable[[], Awaitable[T]], otherwise: T) -> T:
        """What `work` returns, or `otherwise` while Redis is away. Raises nothing that an outage raises."""
        if time.monotonic() < self._away_until:
            return otherwise
        try:
            return await work()
        except OUTAGES as error:
            now = time.monotonic()
            if now >= self._away_until:
                self._away_until = now + AWAY_S
                logger.warning("what channels share cannot be reached: %s", error)
            return otherwise
