"""Weaviate behind the port: by the suite, and in its own ways.

The server is a fake on the client's own protocol, unless WEAVIATE_URL names a real one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from persistence.unit_of_work import Units
from persistence.weaviate.link import Link, Server
from persistence.weaviate.store import WeaviateStore
from tests.fakes.weaviate_server import FakeWeaviate
from tests.persistence.vector_store_suite import Shelf, VectorStoreSuite


@pytest.fixture(scope="module")
async def fake() -> AsyncIterator[FakeWeaviate]:
    async with FakeWeaviate() as one:
        yield one


@pytest.fixture(scope="module")
async def store(fake: FakeWeaviate) -> AsyncIterator[WeaviateStore]:
    link = Link(Server(fake.url, fake.grpc_url))
    yield WeaviateStore(link)
    await link.close()


@pytest.fixture(scope="module")
def server(fake: FakeWeaviate) -> Server:
    url = os.environ.get("WEAVIATE_URL", "")
    if not url:
        return Server(fake.url, fake.grpc_url)
    return Server(url, os.environ.get("WEAVIATE_GRPC_URL", ""), os.environ.get("WEAVIATE_API_KEY", ""))


class TestWeaviate(VectorStoreSuite):
    @pytest.fixture
    async def shelf(self, units: Units, server: Server) -> AsyncIterator[Shelf]:
        link = Link(server)
        one = await Shelf(units, WeaviateStore(link)).open()
        yield one
        await WeaviateStore(link).places.drop(one.tenant_id)
        await link.close()
