"""The real parts that the rings share: one PostgreSQL and one Valkey a session, one database and one API a module."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from adapters.reading.process import ChildReader
from app.channels import provider_factory
from app.embedded import PostgresServer, ValkeyServer
from app.file_services import blobs_of
from app.indexing import indexer_of
from app.serve import server_of
from app.settings import Settings
from app.wiring import Api, build_api
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from persistence.bell import FEEDS, MONEY, Bell
from persistence.channels.board import Board
from persistence.channels.sync import sync_channels
from persistence.database import Database, create_engine
from persistence.migrate import migrate
from persistence.streams import CancelFlags, StreamLog, connect
from persistence.unit_of_work import Units
from tests.graphql.clients import Site
from workers.runtime import CancelWatch, Runtime

APP_PASSWORD, RELAY_PASSWORD = "app-password", "relay-password"
SECRET = "a-secret-of-the-tests-that-is-long-enough"
CHANNEL_KEY = base64.b64encode(b"a master key of thirty-two bytes").decode()
UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
DEMO = Channel.offering("demo", ProviderKind.DEMO, ChannelModel("demo-writer", "demo-writer", 16_384), is_default=True)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Servers:
    postgres: PostgresServer
    valkey: ValkeyServer
    data: Path

    def settings(self, database: str, **values: Any) -> Settings:
        """What a process of the product would be told: this database on these servers."""
        return Settings(
            database_url=SecretStr(self.postgres.url(database=database)),
            redis_url=SecretStr(self.valkey.url()),
            app_password=SecretStr(APP_PASSWORD),
            relay_password=SecretStr(RELAY_PASSWORD),
            secret=SecretStr(SECRET),
            dev=True,
            demo_delay_s=0.0,
            data_dir=self.data,
            channel_keys=(SecretStr(CHANNEL_KEY),),
            **values,
        )


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Started here, in the main thread: the kernel ends a child when the thread that started it ends."""
    base = Path(tempfile.mkdtemp(prefix="fabula-rings-"))
    base.chmod(0o711)
    both = Servers(
        PostgresServer(base / "postgres", options=UNSAFE_AND_FAST), ValkeyServer(base / "valkey"), base / "data"
    )
    try:
        both.postgres.start()
        both.valkey.start()
        yield both
    finally:
        both.valkey.destroy()
        both.postgres.destroy()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
async def template(servers: Servers) -> str:
    """A migrated database with the demo channel, to be cloned."""
    settings = servers.settings("fabula")
    url = settings.database_url.get_secret_value()
    await migrate(url, app_password=APP_PASSWORD, relay_password=RELAY_PASSWORD)
    engine = create_engine(url, pool_size=0)
    await sync_channels(engine, [DEMO])
    await engine.dispose()
    return "fabula"


@contextlib.asynccontextmanager
async def cloned(servers: Servers, template: str) -> AsyncIterator[str]:
    """The name of a fresh database, which is dropped at the end."""
    name = f"ring_{next(_numbers)}"
    connection = await asyncpg.connect(servers.postgres.url(database="postgres"), ssl=False)
    try:
        await connection.execute(f"create database {name} template {template} strategy file_copy")
        yield name
        await connection.execute(f"drop database {name} with (force)")
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def settings(servers: Servers, template: str) -> AsyncIterator[Settings]:
    """A database and empty Redis databases of the module's own."""
    async with cloned(servers, template) as name:
        redis = connect(servers.valkey.url())
        await redis.flushall()
        await redis.aclose()
        yield servers.settings(name)


@pytest.fixture(scope="module")
async def database(settings: Settings) -> AsyncIterator[Database]:
    """Reads as the application's role."""
    database = Database(create_engine(settings.database_app_url.get_secret_value()))
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def admin(settings: Settings) -> AsyncIterator[Database]:
    """As the migrator, who sees through row security: for looking, and for planting defects."""
    database = Database(create_engine(settings.database_url.get_secret_value(), pool_size=2))
    yield database
    await database.close()


@pytest.fixture(scope="module")
def units(database: Database, redis: Any) -> Units:
    return Units(database.engine, Bell(redis, MONEY).ring, Bell(redis, FEEDS).ring)


@pytest.fixture(scope="module")
async def redis(settings: Settings) -> AsyncIterator[Any]:
    client = connect(settings.redis_url.get_secret_value())
    yield client
    await client.aclose()


@pytest.fixture(scope="module")
def log(redis: Any) -> StreamLog:
    return StreamLog(redis)


@pytest.fixture(scope="module")
async def runtime(
    settings: Settings, units: Units, database: Database, log: StreamLog, redis: Any
) -> AsyncIterator[Runtime]:
    """A worker without its queue: `run_job(runtime, ...)` does what an actor does."""
    cancels = CancelWatch(CancelFlags(redis))
    watching = asyncio.create_task(cancels.run())
    yield Runtime(
        "in-process",
        settings.lease_s,
        units,
        log,
        cancels,
        provider_factory(settings),
        Board(redis),
        blobs_of(settings),
        ChildReader(),
        indexer_of(settings, units, database.engine),
    )
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


@contextlib.asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[tuple[str, Api]]:
    """The API as `serve` runs it, in this process: (its URL, its parts)."""
    with socket.socket() as listener, pytest.MonkeyPatch.context() as patch:
        listener.bind(("127.0.0.1", 0))
        api = build_api(settings)
        server = server_of(settings, api)
        patch.setattr(server, "capture_signals", contextlib.nullcontext)  # the runner keeps its own
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
            if running.done():
                running.result()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", api
        finally:
            server.should_exit = True
            await running


@contextlib.asynccontextmanager
async def opened_site(settings: Settings) -> AsyncIterator[Site]:
    """The API and everything a client of it needs."""
    async with served(settings) as (url, api), httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        yield Site(url, urlunsplit(urlsplit(url)._replace(scheme="ws")) + "/graphql", http, api, settings)


@pytest.fixture(scope="module")
async def site(settings: Settings) -> AsyncIterator[Site]:
    async with opened_site(settings) as one:
        yield one
