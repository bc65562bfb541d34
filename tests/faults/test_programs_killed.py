"""Worker and API die, by kill -9 or on request, while twenty chapters are being written."""

from __future__ import annotations

import signal

import pytest

from schema.ids import decode_id
from tests.faults.author import Author
from tests.faults.figures import measured, measured_seconds
from tests.faults.fleet import Fleet, fleet
from tests.faults.product import Product
from tests.faults.provider import Provider
from tests.pace import slowness

LEASE_S = 5.0


async def kill_worker(product: Product, flying: Fleet) -> list[float]:
    """Seconds from the kill to the first event of each generation's next attempt."""
    attempts = [watcher.attempt for watcher in flying.watchers]
    killed = product.strike("worker")
    await product.recovered()
    for watcher, attempt in zip(flying.watchers, attempts, strict=True):
        await watcher.reached_attempt(attempt + 1)
    return [
        watcher.first_after(killed, newer_than=attempt)
        for watcher, attempt in zip(flying.watchers, attempts, strict=True)
    ]


async def test_a_killed_worker_costs_each_chapter_one_reset_and_no_word(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        recovery = await kill_worker(product, flying)
        flying.join_late()
    measured_seconds("worker killed -9: to the first event of the next attempt", recovery)
    assert await flying.deviations() == []
    assert [watcher.resets for watcher in flying.watchers] == [1] * len(flying.runs)
    assert max(recovery) < LEASE_S + 5.0 * slowness()


async def test_a_worker_killed_twice_costs_each_chapter_two_resets_and_no_word(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        async with flying.in_step(len(flying.runs)):
            recovery = await kill_worker(product, flying)
        await flying.under_way(0.3)
        recovery += await kill_worker(product, flying)
    measured_seconds("worker killed -9 twice: to the first event of the next attempt", recovery)
    assert await flying.deviations() == []
    assert [watcher.resets for watcher in flying.watchers] == [2] * len(flying.runs)
    assert max(recovery) < LEASE_S + 5.0 * slowness()


async def test_a_worker_that_is_told_to_stop_hands_its_chapters_on_before_their_leases_end(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        old = product.pid("worker")
        attempts = [watcher.attempt for watcher in flying.watchers]
        asked = product.strike("worker", signal.SIGTERM)
        restarted = await product.replaced("worker", old)
        for watcher, attempt in zip(flying.watchers, attempts, strict=True):
            await watcher.reached_attempt(attempt + 1)
    waits = [watcher.first_after(restarted) for watcher in flying.watchers]
    measured("worker stopped by SIGTERM: until another is there", f"{restarted - asked:.3f} s")
    measured_seconds("worker stopped by SIGTERM: from there to the next event", waits)
    assert await flying.deviations() == []
    assert [watcher.resets for watcher in flying.watchers] == [1] * len(flying.runs)
    ids = [decode_id("Job", run.started.job_id) for run in flying.runs if run.author is author]
    async with author.database() as database:
        assert await database.fetchval("select sum(crashes) from app.jobs where id = any($1)", ids) == 0


async def test_chapters_that_a_stopping_worker_hands_on_are_taken_by_another_at_once(
    product: Product, provider: Provider, author: Author, neighbour: Author
) -> None:
    async with product.second_worker(), fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        asked = product.strike("worker", signal.SIGTERM)
    handed_on = [watcher for watcher in flying.watchers if watcher.resets]
    waits = [watcher.first_after(asked, newer_than=1) for watcher in handed_on]
    measured_seconds("one of two workers stopped by SIGTERM: to the first event from the other", waits)
    assert await flying.deviations() == []
    assert 0 < len(handed_on) < len(flying.runs)
    assert max(watcher.resets for watcher in flying.watchers) == 1
    assert max(waits) < LEASE_S


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
async def test_an_api_that_goes_costs_its_readers_a_moment_and_no_word(
    product: Product, provider: Provider, author: Author, neighbour: Author, number: signal.Signals
) -> None:
    async with fleet(provider, [author, neighbour]) as flying:
        await flying.under_way(0.3)
        old = product.pid("api")
        struck = product.strike("api", number)
        await product.replaced("api", old)
        flying.join_late()
    waits = [watcher.pause_after(struck) for watcher in flying.watchers]
    measured_seconds(f"API stopped by {number.name}: longest silence of a stream", waits)
    assert await flying.deviations() == []
    assert {(watcher.resets, watcher.connects) for watcher in flying.watchers} == {(0, 2)}
