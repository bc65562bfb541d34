"""Valkey and PostgreSQL die, or forget everything, while twenty chapters are being written."""

from __future__ import annotations

import signal
import time

import pytest
from redis.asyncio import Redis

from tests.faults.author import Author
from tests.faults.figures import measured, measured_seconds
from tests.faults.fleet import fleet
from tests.faults.product import Product
from tests.faults.provider import Provider

RECOVERY_S = 10.0


async def test_a_killed_valkey_costs_no_chapter_a_word_or_a_reset(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        killed = product.strike("valkey")
        back = await product.recovered()
        flying.join_late()
    measured("Valkey killed -9: until it is back", f"{back - killed:.3f} s")
    measured_seconds("Valkey killed -9: longest silence of a stream", [w.pause_after(killed) for w in flying.watchers])
    assert await flying.deviations() == []
    assert {(watcher.resets, watcher.connects) for watcher in flying.watchers} == {(0, 1)}


async def test_a_valkey_that_forgets_everything_costs_no_chapter_a_word_or_a_reset(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        async with Redis.from_url(product.ready["redisUrl"]) as valkey:
            await valkey.flushall()
        wiped = time.monotonic()
        flying.join_late()
    measured_seconds("Valkey wiped: longest silence of a stream", [w.pause_after(wiped) for w in flying.watchers])
    assert await flying.deviations() == []
    assert {(watcher.resets, watcher.snapshots, watcher.connects) for watcher in flying.watchers} == {(0, 1, 1)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
async def test_a_postgresql_that_stops_costs_no_chapter_a_word_or_a_reset(
    product: Product, provider: Provider, author: Author, neighbour: Author, number: signal.Signals
) -> None:
    async with fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        old = product.pid("postgres")
        struck = product.strike("postgres", number)
        back = await product.replaced("postgres", old)
        flying.join_late()
    measured(f"PostgreSQL stopped by {number.name}: until it is back", f"{back - struck:.3f} s")
    waits = [watcher.pause_after(struck) for watcher in flying.watchers]
    measured_seconds(f"PostgreSQL stopped by {number.name}: longest silence of a stream", waits)
    assert await flying.deviations() == []
    assert {(watcher.resets, watcher.connects) for watcher in flying.watchers} == {(0, 1)}


async def test_generations_started_and_ended_while_postgresql_is_away_are_whole(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with fleet(provider, [author, neighbour], tokens=40, delay_ms=20) as flying:
        await flying.under_way(0.7)
        product.strike("postgres")
    assert await flying.deviations() == []
    assert max(watcher.resets for watcher in flying.watchers) <= 1
