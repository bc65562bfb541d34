"""Valkey and PostgreSQL do what they are told, and the answers are lost: was it done or not?"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.embedded import PostgresServer, ValkeyServer
from tests.fakes.behaviour import expected_text
from tests.faults.author import Author, Refused, Started
from tests.faults.books import accounts, imbalances, settled
from tests.faults.figures import measured
from tests.faults.fleet import fleet
from tests.faults.line import Line
from tests.faults.product import Product
from tests.faults.provider import Provider


@dataclass
class Distant:
    """A product whose stores are reached over lines of ours."""

    product: Product
    postgres: Line
    valkey: Line


@pytest.fixture(scope="module")
def stores() -> Iterator[tuple[PostgresServer, ValkeyServer]]:
    directory = Path(tempfile.mkdtemp(prefix="fabula-stores-"))
    postgres, valkey = PostgresServer(directory / "postgres"), ValkeyServer(directory / "valkey")
    try:
        postgres.start()
        valkey.start()
        yield postgres, valkey
    finally:
        postgres.destroy()
        valkey.destroy()
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
async def distant(provider: Provider, stores: tuple[PostgresServer, ValkeyServer]) -> AsyncIterator[Distant]:
    postgres, valkey = stores
    async with Line(postgres.port) as to_postgres, Line(valkey.port) as to_valkey:
        product = Product(
            **provider.settings,
            DATABASE_URL=postgres.url().replace(f":{postgres.port}/", f":{to_postgres.port}/"),
            REDIS_URL=valkey.url().replace(f":{valkey.port}/", f":{to_valkey.port}/"),
        )
        try:
            await product.started()
            yield Distant(product, to_postgres, to_valkey)
        finally:
            await asyncio.to_thread(product.stop)


@pytest.fixture
async def distant_author(distant: Distant, http: httpx.AsyncClient) -> Author:
    await distant.product.recovered()
    return Author.demo(distant.product, http)


async def test_writes_to_the_stream_whose_answers_are_lost_are_neither_missing_nor_there_twice(
    distant: Distant, provider: Provider, distant_author: Author
) -> None:
    async with fleet(provider, [distant_author], size=12, tokens=150, delay_ms=20) as flying:
        for share in (0.1, 0.3, 0.5):
            await flying.under_way(share)
            async with distant.valkey.swallowing_answers():
                await asyncio.sleep(0.2)
    assert await flying.deviations() == []
    assert {watcher.resets for watcher in flying.watchers} == {0}


async def test_endings_whose_commits_are_not_confirmed_are_settled_once(
    distant: Distant, provider: Provider, distant_author: Author
) -> None:
    async with fleet(provider, [distant_author], size=12, tokens=60, delay_ms=20) as flying:
        await flying.under_way(0.9)
        for _ in range(4):
            async with distant.postgres.swallowing_answers():
                await asyncio.sleep(0.15)
            await asyncio.sleep(0.1)
    assert await flying.deviations() == []
    assert max(watcher.resets for watcher in flying.watchers) <= 1


async def test_starts_whose_commits_are_not_confirmed_are_started_once(
    distant: Distant, distant_author: Author
) -> None:
    """The author's program asks again with the same key, as often as it takes."""
    chapter, keys = await distant_author.new_chapter(), [f"unconfirmed {number}" for number in range(12)]

    async def start(key: str) -> tuple[Started, int]:
        tries = 0
        while True:
            tries += 1
            try:
                return await distant_author.start(chapter, idempotencyKey=key, model="ok:tokens=10,delay_ms=10"), tries
            except Refused:
                await asyncio.sleep(0.1)

    starting = [asyncio.create_task(start(key)) for key in keys]
    for _ in range(4):
        async with distant.postgres.swallowing_answers():
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.2)
    started = await asyncio.gather(*starting)
    measured("starts over a line that loses answers: tries each", sorted(tries for _, tries in started))
    for one, _ in started:
        async with asyncio.timeout(30):
            await distant_author.watcher(one, expected=expected_text(10)).run()
    async with distant_author.database() as database:
        made = await database.fetchval("select count(*) from app.idempotency_keys where key like 'unconfirmed %'")
        kept = await database.fetchval("select count(*) from app.generations where model = 'ok:tokens=10,delay_ms=10'")
    assert (made, kept) == (12, 12)
    assert await accounts(distant_author, [one for one, _ in started]) == [settled(12)]
    assert await imbalances(distant_author) == []
