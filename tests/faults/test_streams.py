"""The stream's reader and writer by themselves, against the product's Valkey, at the moments that are hard to meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from domain.events import START, EventType, Position
from domain.ids import JobId, new_id
from persistence.streams import Hub, StreamLog, Watch, connect
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
            numbers += [event.position.n for event in await watch.take(1.0)]
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
