"""The fake provider with a door: what must happen together can be made to begin together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from aiohttp import web

from tests.fakes.behaviour import Behaviour, Exchange
from tests.fakes.openai_server import FakeOpenAI


class Provider(FakeOpenAI):
    """Answers at once while its door is open. `times` counts the requests of each model by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._requests: Counter[str] = Counter()
        self._door = asyncio.Event()
        self._door.set()

    @property
    def settings(self) -> dict[str, str]:
        """The environment that makes this the product's default channel."""
        return {
            "FABULA_OPENAI_BASE_URL": self.base_url,
            "FABULA_OPENAI_API_KEY": "sk-faults",
            "FABULA_OPENAI_MODEL": "ok:tokens=20,delay_ms=20",
        }

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Requests that come in meanwhile are answered when this block ends."""
        self._door.clear()
        try:
            yield
        finally:
            self._door.set()

    def exchanges_of(self, model: str) -> list[Exchange]:
        return [exchange for exchange in self.exchanges if exchange.body["model"] == model]

    def _behaviour_of(self, model: str) -> Behaviour:
        self._requests[model] += 1
        behaviour = self.behaviour.for_model(model)
        if behaviour.times and self._requests[model] > behaviour.times:
            return replace(behaviour, mode="ok")
        return behaviour

    async def _fault(self, request: web.Request, exchange: Exchange) -> web.StreamResponse | None:
        await self._door.wait()
        return await super()._fault(request, exchange)
