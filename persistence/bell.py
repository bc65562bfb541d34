"""Doorbells: that something has just changed, said to every process that shows it to somebody.

A ring carries nothing but an id, and one may get lost with its process or with Redis: who listens reads PostgreSQL,
and reads it again from time to time without a ring.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from persistence.streams.log import OUTAGES

MONEY = "billing:moved"
"""Whose money has moved: rung with the tenant's id."""
FEEDS = "feeds:grown"
"""Which feed has grown: rung with the feed's id."""
LISTEN_S = 5.0
AWAY_S = 0.5

logger = logging.getLogger(__name__)


class Bell:
    """Rings for all processes; listens, over one connection, for all watchers of its own."""

    def __init__(self, redis: Any, line: str) -> None:
        self._redis = redis
        self._line = line
        self._watchers: dict[UUID, set[asyncio.Event]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def ring(self, id_: UUID) -> None:
        """Call it once the transaction is committed. Never raises because Redis is away."""
        with contextlib.suppress(*OUTAGES):
            await self._redis.publish(self._line, id_.bytes)

    @contextlib.contextmanager
    def heard(self, id_: UUID) -> Iterator[asyncio.Event]:
        """An event that is set at every ring with this id, and once this process begins or resumes to listen."""
        rung = asyncio.Event()
        self._watchers.setdefault(id_, set()).add(rung)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name=f"bell {self._line}")
        try:
            yield rung
        finally:
            self._watchers[id_].remove(rung)
            if not self._watchers[id_]:
                del self._watchers[id_]
            if not self._watchers and self._listening is not None:
                self._listening.cancel()
                self._listening = None

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as line:
                    await line.subscribe(self._line)
                    while True:
                        self._pass_on(await line.get_message(timeout=LISTEN_S))
            except OUTAGES as error:
                logger.warning("rings on %s are not heard: %s", self._line, error)
                await asyncio.sleep(AWAY_S)

    def _pass_on(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":  # what was rung before this, nobody heard
            rung = [one for watchers in self._watchers.values() for one in watchers]
        else:
            rung = [*self._watchers.get(UUID(bytes=message["data"]), ())]
        for one in rung:
            one.set()
