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
    assert {(watcher.resets, watcher.connects) for watcher in flying.watchers} == {(0, 1)}
    # The worker's; and PostgreSQL's, where a reader asked about a stream whose worker was late with the end.
    assert {watcher.snapshots for watcher in flying.watchers} in ({1}, {1, 2})


async def test_a_frozen_valkey_keeps_no_reader_from_the_end(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    """It answers nothing, and breaks no connection either: the readers' silence is what makes them ask PostgreSQL."""
    async with fleet(provider, [author, neighbour], size=8, tokens=60, delay_ms=20) as flying:
        await flying.under_way(0.5)
        with product.asleep("valkey") as frozen:
            await flying.ended()
    ends = [watcher.seen[-1].at - frozen for watcher in flying.watchers]
    measured_seconds("Valkey frozen: to the end of a stream that had 0.6 s to go", ends)
    assert await flying.deviations() == []


async def test_doorbells_that_valkey_forgot_are_rung_again(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    """Rung and not yet heard: no worker is there. The jobs' rows know that nobody has taken them."""
    with product.asleep("worker"):
        async with fleet(provider, [author, neighbour], size=6, tokens=20, delay_ms=10, together=False) as flying:
            async with Redis.from_url(product.ready["redisUrl"]) as valkey:
                await valkey.flushall()
            wiped = product.strike("worker")
    waits = [watcher.first_after(wiped) for watcher in flying.watchers]
    measured_seconds("Valkey wiped with doorbells in it: to a chapter's first event", waits)
    assert await flying.deviations() == []
    assert {watcher.resets for watcher in flying.watchers} == {0}


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


async def test_when_everything_dies_at_once_every_chapter_is_written_all_the_same(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with fleet(provider, [author, neighbour], size=10) as flying:
        await flying.under_way(0.3)
        for part in ("valkey", "postgres", "relay", "worker", "api"):
            struck = product.strike(part)
        back = await product.recovered()
        flying.join_late()
    measured("everything killed -9: until all is back", f"{back - struck:.3f} s")
    measured_seconds("everything killed -9: to a reader's next event", [w.first_after(struck) for w in flying.watchers])
    assert await flying.deviations() == []
    assert {watcher.resets for watcher in flying.watchers} == {1}
