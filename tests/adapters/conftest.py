"""Every adapter that speaks to a server, each against its fake provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tests.adapters.calls import EMBEDDING_FIRMS, FIRMS, Firm, Wire


@pytest.fixture(params=list(FIRMS))
async def wire(request: pytest.FixtureRequest) -> AsyncGenerator[Wire, None]:
    async with _wired(request.param) as wire:
        yield wire


@pytest.fixture(params=EMBEDDING_FIRMS)
async def embedding_wire(request: pytest.FixtureRequest) -> AsyncGenerator[Wire, None]:
    async with _wired(request.param) as wire:
        yield wire


@asynccontextmanager
async def _wired(firm: Firm) -> AsyncGenerator[Wire, None]:
    async with FIRMS[firm].fake() as fake:
        wire = Wire(firm, fake)
        yield wire
        await wire.aclose()
