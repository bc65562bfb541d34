"""A desk to write at: a tenant with a chapter, a provider that misbehaves on demand, and a worker in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.factory import provider_for
from app.settings import Settings
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from domain.channels.offers import ANY_MODEL
from domain.generation import endings
from domain.generation.provider import ProviderLimits, TextProvider
from persistence.channels.sync import sync_channels
from persistence.database import Database, create_engine
from persistence.jobs.relay import RelayView
from persistence.knowledge.vectors import PgVectorStore
from persistence.streams import StreamLog
from persistence.unit_of_work import Units
from persistence.weaviate.feed import FeedView, SearchFeed
from persistence.weaviate.link import Link, Server
from persistence.weaviate.store import WeaviateStore
from tests.fakes.behaviour import Behaviour
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.weaviate_server import FakeWeaviate
from tests.persistence.vector_store_suite import Shelf
from tests.workers.desk import Desk, Doorbells, opened
from tests.workers.search_bench import Bench
from workers.relay import Relay
from workers.runtime import Runtime
from workers.search_feed import Feeder

LIMITS = ProviderLimits(connect_s=2.0, first_token_s=0.4, idle_s=0.4, total_s=20.0)
"""Short enough to wait for a provider that never answers."""


@pytest.fixture(scope="module")
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as one:
        yield one


@pytest.fixture(autouse=True)
async def _a_provider_without_a_past(fake: FakeOpenAI, redis: Any) -> None:
    async for key in redis.scan_iter(match="{channels}*"):
        await redis.delete(key)
    fake.behaviour = Behaviour()
    fake.exchanges.clear()
    fake._faults = 0


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tries. How long they are is the domain's to test."""
    monkeypatch.setattr(endings, "BACKOFF_S", 0.01)


@pytest.fixture(scope="module")
async def channel(fake: FakeOpenAI, admin: Database) -> Channel:
    """The fake as the default channel."""
    model = ChannelModel("fake-writer", "fake-writer")
    one = Channel.offering(
        "fake", ProviderKind.OPENAI_COMPATIBLE, model, base_url=fake.base_url, is_default=True,
        options={ANY_MODEL: "true"},
    )  # fmt: skip
    await sync_channels(admin.engine, [one])
    return one


@pytest.fixture
def worker(runtime: Runtime, channel: Channel) -> Runtime:
    """The module's runtime with a short lease, which reaches the fake with short patience."""

    def reach(asked: Channel) -> TextProvider:
        return provider_for(asked.provider, base_url=asked.base_url, api_key="sk-fake", limits=LIMITS, demo_delay_s=0)  # type: ignore[arg-type]

    return replace(runtime, provider_for=reach, lease_s=2.0)


@pytest.fixture
async def desk(units: Units, admin: Database, log: StreamLog, worker: Runtime, fake: FakeOpenAI) -> Desk:
    return await opened(units, admin, log, worker, fake)


@pytest.fixture
def doorbells() -> Doorbells:
    return Doorbells()


@pytest.fixture
async def relay(settings: Settings, units: Units, log: StreamLog, doorbells: Doorbells) -> AsyncIterator[Relay]:
    """Sweeper and relay, to be called step by step."""
    view = Database(create_engine(settings.database_relay_url.get_secret_value(), pool_size=2))
    yield Relay(RelayView(view.engine), units, doorbells, log, tenant_concurrency=16, tenant_ingestions=2)
    await view.close()


@pytest.fixture
async def index() -> AsyncIterator[FakeWeaviate]:
    async with FakeWeaviate() as one:
        yield one


@pytest.fixture
async def bench(
    units: Units, database: Database, admin: Database, settings: Settings, index: FakeWeaviate
) -> AsyncIterator[Bench]:
    relay = create_engine(settings.database_relay_url.get_secret_value(), pool_size=1)
    store = WeaviateStore(Link(Server(index.url, index.grpc_url)))
    feed = SearchFeed(database.engine)
    shelf = await Shelf(units, PgVectorStore(database.engine)).open()
    yield Bench(shelf, index, feed, Feeder(FeedView(relay), feed, store), store, admin)
    await store.link.close()
    await relay.dispose()
