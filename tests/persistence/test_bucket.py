"""Buckets of credit that several processes lease from one Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.settings import Settings
from domain.ids import new_id
from persistence.bucket import AWAY_S, Buckets, Budget, retry_after_s
from persistence.streams import connect

LIMIT, PER_S = 10_000, 500
SLICE = LIMIT // 10
STILL = Budget(LIMIT, 0.001)
"""A bucket that is not restored within the time of a test."""


@contextlib.asynccontextmanager
async def process(settings: Settings, budget: Budget = STILL) -> AsyncIterator[Buckets]:
    """What a process has of the buckets; its idle leases are returned when a test says so."""
    buckets = Buckets(connect(settings.redis_url.get_secret_value()), budget)
    try:
        yield buckets
    finally:
        await buckets.stop()


@pytest.fixture
async def buckets(settings: Settings) -> AsyncIterator[Buckets]:
    async with process(settings) as one:
        yield one


@pytest.fixture
def who() -> str:
    return f"user:{new_id()}"


async def spent(buckets: Buckets, who: str, cost: int) -> int:
    """All that is granted until nothing is, in operations of one cost; or far too much."""
    total = 0
    while total < 3 * LIMIT and (await buckets.take(who, cost)).granted:
        total += cost
    return total


async def test_a_bucket_grants_what_it_holds_and_not_one_credit_more(buckets: Buckets, who: str) -> None:
    assert (await buckets.take(who, LIMIT - 1)).granted
    assert not (await buckets.take(who, 2)).granted
    assert (await buckets.take(who, 1)).granted
    refused = await buckets.take(who, 1)
    assert (refused.granted, refused.remaining) == (False, 0)


async def test_one_slice_is_one_round_trip(buckets: Buckets, who: str) -> None:
    for _ in range(100):
        assert (await buckets.take(who, SLICE // 100)).granted
    assert buckets.round_trips == 1
    assert (await buckets.take(who, 1)).remaining == LIMIT - SLICE - 1
    assert buckets.round_trips == 2


async def test_an_operation_dearer_than_a_slice_is_leased_whole(buckets: Buckets, who: str) -> None:
    taken = await buckets.take(who, 5_000)
    assert (taken.granted, taken.remaining) == (True, LIMIT - 5_000)
    assert await spent(buckets, who, 100) == LIMIT - 5_000


async def test_two_processes_never_grant_more_than_the_bucket(settings: Settings, who: str) -> None:
    async with process(settings) as one, process(settings) as other:
        sums = await asyncio.gather(*(spent(each, who, 7) for each in (one, other) for _ in range(10)))
        assert LIMIT - 2 * 7 <= sum(sums) <= LIMIT
        assert one.round_trips + other.round_trips < sum(sums) / 7 / 4


@pytest.mark.parametrize("processes", [2, 5])
@pytest.mark.parametrize("idle_s", [0.09, 0.5])
async def test_leases_that_lay_idle_add_one_slice_at_most(
    settings: Settings, who: str, processes: int, idle_s: float
) -> None:
    budget = Budget(1_000, 1_000)  # a slice lives for a tenth of a second
    async with contextlib.AsyncExitStack() as stack:
        all_ = [await stack.enter_async_context(process(settings, budget)) for _ in range(processes)]
        for each in all_:
            await each.take(who, 1)
        await asyncio.sleep(idle_s)
        began = time.monotonic()
        sums = await asyncio.gather(*(spent(each, who, 10) for each in all_))
        restored = (time.monotonic() - began) * budget.restored_per_s
        assert sum(sums) <= budget.limit + budget.slice + restored


async def test_what_is_spent_is_restored_by_the_second(settings: Settings, who: str) -> None:
    async with process(settings, Budget(1_000, 10_000)) as buckets:
        assert (await buckets.take(who, 1_000)).granted
        refused = await buckets.take(who, 1_000)
        assert not refused.granted
        assert 0 < refused.retry_after_s <= 0.1
        await asyncio.sleep(refused.retry_after_s + 0.01)
        assert (await buckets.take(who, 1_000)).granted


async def test_an_empty_bucket_says_when_there_will_be_enough(settings: Settings, who: str) -> None:
    async with process(settings, Budget(LIMIT, PER_S)) as buckets:
        await buckets.take(who, LIMIT)
        refused = await buckets.take(who, 2_000)
        assert 3.9 < refused.retry_after_s <= 4.0
        assert retry_after_s(refused) == 4


async def test_what_an_operation_did_not_use_is_given_back(buckets: Buckets, who: str) -> None:
    await buckets.take(who, 5_000)
    buckets.give_back(who, 4_990)
    assert await spent(buckets, who, 10) == LIMIT - 10


async def test_what_it_used_beyond_is_taken_as_well(buckets: Buckets, who: str) -> None:
    await buckets.take(who, 5_000)
    buckets.give_back(who, -2_000)
    assert await spent(buckets, who, 10) == LIMIT - 7_000


async def test_an_idle_lease_is_returned_to_all(settings: Settings, who: str) -> None:
    async with process(settings) as one, process(settings) as other:
        await one.take(who, 1)
        assert await spent(other, who, 9_000) == 9_000
        assert not (await other.take(who, 500)).granted
        await one.return_idle(idle_s=0.0)
        assert (await other.take(who, SLICE - 1)).granted
        assert not (await other.take(who, 1)).granted


async def test_the_sweeper_returns_leases_before_they_run_out(settings: Settings, who: str) -> None:
    async with process(settings, Budget(1_000, 500)) as one, process(settings, Budget(1_000, 0.001)) as other:
        await one.start()
        await one.take(who, 1)
        assert not (await other.take(who, 999)).granted
        async with asyncio.timeout(1):
            while not (await other.take(who, 999)).granted:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.02)


async def test_a_lease_that_has_run_out_is_neither_spent_nor_returned(settings: Settings, who: str) -> None:
    async with process(settings, Budget(1_000, 10_000)) as one:
        await one.take(who, 1)
        await asyncio.sleep(0.02)  # a slice of 100 lives for 10 ms
        assert one._leases[who].leftover(time.monotonic()) == 0
        await one.take(who, 1)
        assert one.round_trips == 2


async def test_principals_have_buckets_of_their_own(buckets: Buckets, who: str) -> None:
    assert await spent(buckets, who, 1_000) == LIMIT
    assert (await buckets.take(f"{who}-other", LIMIT)).granted


async def test_a_principal_may_have_a_bucket_of_another_size(buckets: Buckets, who: str) -> None:
    refused = await buckets.take(who, 101, limit=100)
    assert (refused.granted, refused.budget) == (False, Budget(100, STILL.restored_per_s / 100))
    assert (await buckets.take(who, 100, limit=100)).granted
    assert not (await buckets.take(who, 1, limit=100)).granted


async def test_while_redis_is_away_everything_is_let_through_and_it_is_not_asked_again(who: str) -> None:
    buckets = Buckets(connect("redis://127.0.0.1:1/0"), STILL)
    for _ in range(3):
        assert (await buckets.take(who, 2 * LIMIT)).granted
    assert buckets.round_trips == 1
    buckets.give_back(who, 5)
    await buckets.stop()


async def test_once_redis_is_back_it_decides_again(
    settings: Settings, who: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with process(settings) as buckets:
        real: Any = buckets._script

        async def away(**_: Any) -> Any:
            raise ConnectionError

        monkeypatch.setattr(buckets, "_script", away)
        assert (await buckets.take(who, 2 * LIMIT)).granted
        monkeypatch.setattr(buckets, "_script", real)
        buckets._away_until -= AWAY_S
        assert not (await buckets.take(who, 2 * LIMIT)).granted
