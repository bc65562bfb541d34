"""The stream's reader and writer by themselves, against the product's Valkey, at the moments that are hard to meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from domain.events import START, EventType, Position
from domain.ids import JobId, new_id
from persistence.streams import OUTAGES, Hub, StreamLog, StreamWriter, Watch, connect
from persistence.streams.hub import MAILBOX_MAX
from persistence.streams.log import log_key
from tests.faults.line import Line
from tests.faults.product import Product


@pytest.fixture
async def hub(product: Product) -> AsyncIterator[Hub]:
    made = Hub(product.ready["redisUrl"])
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def valkey(product: Product) -> AsyncIterator[Any]:
    client = connect(product.ready["redisUrl"])
    yield client
    await client.aclose()


async def write(log: StreamLog, job_id: JobId, n: int) -> None:
    await log.append(job_id, Position(1, n), EventType.DELTA, {"text": f"{n} "}, top="*", ttl_s=60)


async def read(watch: Watch, last: int) -> list[int]:
    """The numbers of the events, up to the last one."""
    numbers: list[int] = []
    async with asyncio.timeout(10):
        while not numbers or numbers[-1] < last:
            numbers += [event.position.n for event in (await watch.take()).events()]
    return numbers


async def test_a_reader_who_takes_over_from_another_begins_where_he_asked(hub: Hub, valkey: Any) -> None:
    """The hub is just waiting for what follows the first reader's last event when the second one asks for all."""
    log, expected = StreamLog(valkey), list(range(1, 11))
    wrong = []
    for _ in range(50):
        job_id = JobId(new_id())
        for n in range(1, 10):
            await write(log, job_id, n)
        first = await hub.watch(job_id, START)
        await read(first, last=9)
        await asyncio.sleep(0.02)  # the hub reads on from there
        first.close()
        _, second = await asyncio.gather(write(log, job_id, 10), hub.watch(job_id, START))
        if (numbers := await read(second, last=10)) != expected:
            wrong.append(numbers)
        second.close()
    assert wrong == []


async def test_a_reader_who_falls_behind_gets_the_rest_from_the_log(hub: Hub, valkey: Any) -> None:
    job_id, log = JobId(new_id()), StreamLog(valkey)
    watch = await hub.watch(job_id, START)
    for n in range(1, 3 * MAILBOX_MAX):
        await write(log, job_id, n)
    assert await read(watch, last=3 * MAILBOX_MAX - 1) == list(range(1, 3 * MAILBOX_MAX))
    watch.close()


async def test_a_reader_whose_process_has_a_dead_line_to_valkey_gets_the_rest_over_a_new_one(
    product: Product, valkey: Any
) -> None:
    job_id, log = JobId(new_id()), StreamLog(valkey)
    async with line_to_valkey(product) as (line, url):
        hub = Hub(url)
        await hub.start()
        watch = await hub.watch(job_id, START)
        await write(log, job_id, 1)
        assert await read(watch, last=1) == [1]
        line.go_dead()
        await write(log, job_id, 2)
        assert await read(watch, last=2) == [2]
        await hub.stop()


async def test_a_write_whose_answer_was_lost_is_in_the_stream_once(product: Product, valkey: Any) -> None:
    job_id = JobId(new_id())
    async with line_to_valkey(product) as (line, url):
        client = connect(url)
        writer = StreamWriter(StreamLog(client), job_id, attempt=1)
        await writer.write(EventType.DELTA, {"text": "one "}, text="one ")
        async with line.swallowing_answers():
            with pytest.raises(OUTAGES):
                await asyncio.wait_for(writer.write(EventType.DELTA, {"text": "two "}, text="two "), 5)
        await writer.write(EventType.DELTA, {"text": "two "}, text="two ")
        await writer.write(EventType.DELTA, {"text": "three"}, text="three")
        await client.aclose()
    events = await StreamLog(valkey).read(job_id, START)
    assert [event.data["text"] for event in events] == ["one ", "two ", "three"]
    assert writer.snapshots == 0


async def test_a_log_that_lost_a_write_nobody_had_confirmed_shows_the_same_text_to_who_had_read_it(
    product: Product, valkey: Any
) -> None:
    job_id, log = JobId(new_id()), StreamLog(valkey)
    async with line_to_valkey(product) as (line, url):
        client = connect(url)
        writer = StreamWriter(StreamLog(client), job_id, attempt=1)
        await writer.write(EventType.DELTA, {"text": "one "}, text="one ")
        async with line.swallowing_answers():
            with pytest.raises(OUTAGES):
                await asyncio.wait_for(writer.write(EventType.DELTA, {"text": "two "}, text="two "), 5)
        seen = await log.read(job_id, START)
        await valkey.delete(log_key(job_id))
        await writer.write(EventType.DELTA, {"text": "two "}, text="two ")
        await client.aclose()
    rest = await log.read(job_id, seen[-1].position)
    assert [event.data["text"] for event in seen] == ["one ", "two "]
    assert [(event.type, event.data["text"]) for event in rest] == [
        (EventType.SNAPSHOT, "one "),
        (EventType.DELTA, "two "),
    ]


@asynccontextmanager
async def line_to_valkey(product: Product) -> AsyncIterator[tuple[Line, str]]:
    """A line, and the URL that leads through it."""
    parts = urlsplit(product.ready["redisUrl"])
    assert parts.port is not None
    async with Line(parts.port) as line:
        yield line, urlunsplit(parts._replace(netloc=f":{parts.password}@127.0.0.1:{line.port}"))
