"""Readers who come late, leave early, or lose their line all the time."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from domain.ids import JobId
from persistence.streams.log import log_key
from schema.ids import decode_id
from tests.fakes.behaviour import expected_text
from tests.faults.author import Author, Started
from tests.faults.figures import measured
from tests.faults.product import Product
from tests.faults.watcher import Watcher

SIZE, TOKENS = 4, 250


async def test_readers_with_a_bad_line_miss_nothing_and_see_nothing_twice(product: Product, author: Author) -> None:
    """Each stream has one reader, so that its process stops and starts reading it all the time."""
    chapter, text = await author.new_chapter(), expected_text(TOKENS)
    watchers: list[Watcher] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for number in range(SIZE):
            started = await author.start(chapter, model=f"ok:tokens={TOKENS},delay_ms=12")
            watchers.append(author.watcher(started, expected=text, leaves_after_s=0.05 + 0.01 * number))
            tasks.create_task(watchers[-1].run())
    measured("readers with a bad line: connections", [watcher.connects for watcher in watchers])
    assert [watcher.anomalies for watcher in watchers] == [[]] * SIZE
    assert [watcher.text == text for watcher in watchers] == [True] * SIZE
    assert min(watcher.connects for watcher in watchers) > 10


async def forget_stream(product: Product, started: Started) -> None:
    async with Redis.from_url(product.ready["redisUrl"]) as valkey:
        assert await valkey.delete(log_key(JobId(decode_id("Job", started.job_id)))) == 1


async def watched(watcher: Watcher) -> Watcher:
    async with asyncio.timeout(20):
        await watcher.run()
    return watcher


async def test_after_the_stream_has_expired_a_late_reader_gets_the_text_and_the_end_from_postgresql(
    product: Product, author: Author
) -> None:
    text = expected_text(60)
    started = await author.start(await author.new_chapter(), model="ok:tokens=60,delay_ms=10")
    live = await watched(author.watcher(started, expected=text))
    await forget_stream(product, started)
    late = await watched(author.watcher(started, expected=text))
    assert (live.text, late.text) == (text, text)
    assert [event.type for event in late.seen] == ["StreamSnapshot", "GenerationCompleted"]
    assert late.end is not None
    assert late.end["version"]["text"] == text
    assert (live.anomalies, late.anomalies) == ([], [])


async def test_after_the_stream_has_expired_an_old_cursor_goes_on_to_the_same_text(
    product: Product, author: Author
) -> None:
    text = expected_text(60)
    started = await author.start(await author.new_chapter(), model="ok:tokens=60,delay_ms=10")
    reader = author.watcher(started, expected=text)
    task = asyncio.create_task(reader.run())
    await reader.reached(len(text) // 2)
    cursor, seq = reader.cursor, reader.seen[-1].seq
    await task
    await forget_stream(product, started)
    back = await watched(author.watcher(started, after=cursor, expected=text))
    assert back.text == text
    assert [event.type for event in back.seen] == ["StreamSnapshot", "GenerationCompleted"]
    assert back.seen[0].seq > seq
    assert back.anomalies == []


async def test_the_cursor_of_the_end_has_nothing_after_it(product: Product, author: Author) -> None:
    started = await author.start(await author.new_chapter(), model="ok:tokens=5,delay_ms=10")
    reader = await watched(author.watcher(started))
    assert await author.events(started, after=reader.cursor) == []
    await forget_stream(product, started)
    rebuilt = await watched(author.watcher(started))
    assert await author.events(started, after=rebuilt.cursor) == []
