"""A site that is paid through a local Stripe."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.settings import Settings
from tests.fakes.stripe_server import FakeStripe
from tests.graphql.clients import Site
from tests.graphql.paying import paid_through


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[FakeStripe]:
    async with FakeStripe() as one:
        yield one


@pytest.fixture(scope="module")
async def site(settings: Settings, server: FakeStripe) -> AsyncIterator[Site]:
    async with paid_through(server, settings) as one:
        yield one


@pytest.fixture
def stripe(server: FakeStripe) -> FakeStripe:
    server.forget()
    return server
