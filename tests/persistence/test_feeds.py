"""Feeds: numbers in the order of commits, and rings behind them."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from domain.errors import Rejected
from domain.feeds import feed_cursor, feed_position
from domain.ids import TenantId, new_id
from persistence.accounts.tables import tenants
from persistence.bell import FEEDS, Bell
from persistence.database import Database
from persistence.feeds import reads
from persistence.unit_of_work import Units


@pytest.fixture
async def tenant(units: Units) -> TenantId:
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        await uow.accounts._session.execute(tenants.insert().values(tenant_id=tenant_id, slug=str(tenant_id), name="t"))
    return tenant_id


async def read(database: Database, tenant_id: TenantId, feed_id: UUID, after: int = 0) -> list[tuple[int, str]]:
    rows = await database.shaped(tenant_id, reads.EVENTS, feed=feed_id, after=after, first=100)
    return [(row.seq, row.data["word"]) for row in rows]


async def append(units: Units, tenant_id: TenantId, feed_id: UUID, word: str) -> int:
    async with units(tenant_id) as uow:
        return await uow.feeds.append(feed_id, "SAID", {"word": word})


async def test_events_are_numbered_without_gaps_whoever_writes_at_once(
    units: Units, database: Database, tenant: TenantId
) -> None:
    feed_id = new_id()
    words = [f"word {number}" for number in range(30)]
    seqs = await asyncio.gather(*(append(units, tenant, feed_id, word) for word in words))
    assert sorted(seqs) == [*range(1, 31)]
    assert await read(database, tenant, feed_id) == sorted(zip(seqs, words, strict=True))
    assert [seq for seq, _ in await read(database, tenant, feed_id, after=28)] == [29, 30]


async def test_what_is_rolled_back_takes_no_number_and_rings_nobody(
    units: Units, database: Database, tenant: TenantId, redis: Any
) -> None:
    feed_id, bell = new_id(), Bell(redis, FEEDS)
    with bell.heard(feed_id) as rung:
        await rung.wait()  # it listens
        rung.clear()
        with pytest.raises(ZeroDivisionError):
            async with units(tenant) as uow:
                await uow.feeds.append(feed_id, "SAID", {"word": "lost"})
                raise ZeroDivisionError
        assert await append(units, tenant, feed_id, "kept") == 1
        async with asyncio.timeout(5):
            await rung.wait()
    assert await read(database, tenant, feed_id) == [(1, "kept")]


async def test_another_tenant_reads_nothing_of_it(units: Units, database: Database, tenant: TenantId) -> None:
    feed_id = new_id()
    await append(units, tenant, feed_id, "mine")
    assert await read(database, TenantId(new_id()), feed_id) == []


@pytest.mark.parametrize("seq", [0, 1, 2**20 - 1, 2**20, 2**31 - 1])
def test_a_cursor_says_where_it_stands_in_its_own_feed_only(seq: int) -> None:
    feed_id = new_id()
    cursor = feed_cursor(feed_id, seq)
    assert feed_position(cursor, feed_id) == seq
    with pytest.raises(Rejected, match="another stream"):
        feed_position(cursor, new_id())
    with pytest.raises(Rejected, match="not a cursor"):
        feed_position("nonsense", feed_id)
