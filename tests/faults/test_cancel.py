"""An author changes his mind in the middle."""

from __future__ import annotations

import asyncio
import time

from tests.fakes.behaviour import expected_text
from tests.faults.author import Author
from tests.faults.books import accounts, imbalances, released, settled
from tests.faults.figures import measured_seconds
from tests.faults.product import Product
from tests.faults.provider import Provider
from tests.pace import slowness

SOCKET_S = 0.5


async def test_a_cancel_closes_the_providers_socket_and_keeps_the_text_so_far(
    product: Product, provider: Provider, author: Author
) -> None:
    chapter, closings = await author.new_chapter(), []
    for number in range(5):
        model = f"ok:tokens={500 + number},delay_ms=20"
        started = await author.start(chapter, model=model)
        watcher = author.watcher(started, expected=expected_text(500 + number))
        watching = asyncio.create_task(watcher.run())
        await watcher.reached(200)
        await author.cancel(started)
        answered = time.monotonic()
        [exchange] = provider.exchanges_of(model)
        async with asyncio.timeout(10):
            await exchange.ended.wait()
            await watching
        assert exchange.ending == "disconnected"
        assert exchange.ended_at is not None
        closings.append(exchange.ended_at - answered)
        kept, end = await author.generation(started), watcher.end
        assert end is not None
        assert (kept["state"], end["__typename"]) == ("CANCELLED", "GenerationCancelled")
        assert (kept["version"]["text"], end["version"]["text"]) == (watcher.text, watcher.text)
        assert kept["version"]["state"] == "CANDIDATE"
        assert len(watcher.text) >= 200
        assert watcher.anomalies == []
        assert await accounts(author, [started]) == [settled(1, "CANCELLED")]
    measured_seconds("cancel: from its answer to the provider's closed socket", closings)
    assert max(closings) < SOCKET_S * slowness()
    assert await imbalances(author) == []


async def test_a_cancel_that_valkey_does_not_carry_comes_with_the_heartbeat(
    product: Product, provider: Provider, author: Author
) -> None:
    model = "ok:tokens=601,delay_ms=20"
    started = await author.start(await author.new_chapter(), model=model)
    watcher = author.watcher(started, expected=expected_text(601))
    watching = asyncio.create_task(watcher.run())
    await watcher.reached(100)
    product.strike("valkey")
    await author.cancel(started)
    async with asyncio.timeout(15):
        await watching
    kept, end = await author.generation(started), watcher.end
    assert end is not None
    assert (kept["state"], kept["version"]["text"], end["version"]["text"]) == ("CANCELLED", watcher.text, watcher.text)
    assert watcher.anomalies == []


async def test_a_cancel_whose_worker_dies_keeps_what_was_written_down(
    product: Product, provider: Provider, author: Author
) -> None:
    """Readers have seen more than the last checkpoint holds; in the end they show what is kept."""
    text = expected_text(602)
    started = await author.start(await author.new_chapter(), model="ok:tokens=602,delay_ms=20")
    watcher = author.watcher(started, expected=text)
    watching = asyncio.create_task(watcher.run())
    await watcher.reached(500)
    product.strike("worker")
    await author.cancel(started)
    async with asyncio.timeout(20):
        await watching
    kept, end = await author.generation(started), watcher.end
    assert end is not None
    assert (kept["state"], end["__typename"]) == ("CANCELLED", "GenerationCancelled")
    assert (kept["version"]["text"], end["version"]["text"]) == (watcher.text, watcher.text)
    assert watcher.text
    assert watcher.anomalies == []
    assert await accounts(author, [started]) == [settled(1, "CANCELLED")]


async def test_a_cancel_before_any_worker_had_it_ends_at_once_and_costs_nothing(
    product: Product, author: Author
) -> None:
    chapter = await author.new_chapter()
    await author.pause_queue()
    try:
        started = await author.start(chapter)
        watcher = author.watcher(started)
        watching = asyncio.create_task(watcher.run())
        assert (await author.cancel(started))["generation"]["state"] == "CANCELLED"
        async with asyncio.timeout(10):
            await watching
    finally:
        await author.resume_queue()
    assert [event.type for event in watcher.seen] == ["GenerationCancelled"]
    assert await accounts(author, [started]) == [released(1)]
