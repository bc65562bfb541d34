"""Both wire adapters, each against its fake provider."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.adapters.calls import FIRMS, Firm, Wire


@pytest.fixture(params=list(FIRMS))
async def wire(request: pytest.FixtureRequest) -> AsyncGenerator[Wire, None]:
    firm: Firm = request.param
    async with FIRMS[firm][0]() as fake:
        wire = Wire(firm, fake)
        yield wire
        await wire.aclose()
