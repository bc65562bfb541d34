"""The doorbell of the books: whose money has just moved, said to every process that shows it to somebody.

A ring carries nothing but a tenant, and one may get lost with its process or with Redis: who listens reads the books,
and reads them again from time to time without a ring.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from domain.ids import TenantId
from persistence.streams.log import OUTAGES

RINGS = "billing:moved"
LISTEN_S = 5.0
AWAY_S = 0.5

logger = logging.getLogger(__name__)


class MoneyBell:
    """Rings for all processes; listens, over one connection, for all watchers of its own."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._watchers: dict[TenantId, set[asyncio.Event]] = {}
        self._listening: asyncio.Task[None] | None = None

    async def ring(self, tenant_id: TenantId) -> None:
        """Call it once the transaction is committed. Never raises because Redis is away."""
        with contextlib.suppress(*OUTAGES):
            await self._redis.publish(RINGS, tenant_id.bytes)

    @contextlib.contextmanager
    def heard(self, tenant_id: TenantId) -> Iterator[asyncio.Event]:
        """An event that is set at every ring for a tenant, and once this process begins or resumes to listen."""
        rung = asyncio.Event()
        self._watchers.setdefault(tenant_id, set()).add(rung)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="money-bell")
        try:
            yield rung
        finally:
            self._watchers[tenant_id].remove(rung)
            if not self._watchers[tenant_id]:
                del self._watchers[tenant_id]
            if not self._watchers and self._listening is not None:
                self._listening.cancel()
                self._listening = None

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub() as line:
                    await line.subscribe(RINGS)
                    while True:
                        self._pass_on(await line.get_message(timeout=LISTEN_S))
            except OUTAGES as error:
                logger.warning("rings of the books are not heard: %s", error)
                await asyncio.sleep(AWAY_S)

    def _pass_on(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":  # what was rung before this, nobody heard
            rung = [one for watchers in self._watchers.values() for one in watchers]
        else:
            rung = [*self._watchers.get(TenantId(UUID(bytes=message["data"])), ())]
        for one in rung:
            one.set()
