"""The fake provider with a door: what must happen together can be made to begin together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from tests.fakes.behaviour import Exchange
from tests.fakes.openai_server import FakeOpenAI


class Provider(FakeOpenAI):
    """Answers at once while its door is open."""

    def __init__(self) -> None:
        super().__init__()
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

    async def _fault(self, request: web.Request, exchange: Exchange) -> web.StreamResponse | None:
        await self._door.wait()
        return await super()._fault(request, exchange)
