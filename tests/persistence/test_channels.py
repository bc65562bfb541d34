"""What two processes know together of channels, in one Valkey; and what is left of it while there is none."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from app.embedded.process import pick_port
from domain.channels.health import BreakerRules, BreakerState, HealthState, Outcome
from domain.generation.provider import ProviderErrorCode
from domain.ids import ChannelId, TenantId, new_id
from persistence.channels.affinity import Affinities
from persistence.channels.board import Board, View
from persistence.channels.health import TRANSITIONS, Breakers, Transition
from persistence.channels.load import ChannelLoad, Lease, Limits, Load
from persistence.channels.shared import AWAY_S, TAG, Shared
from persistence.streams import connect
from tests.conftest import Servers

MODEL = "writer-1"
OK = Outcome(ttft_s=0.5, latency_s=5.0)
CUT = Outcome(ProviderErrorCode.CUT)
PATIENT = BreakerRules(failures_max=200, calls_min=200, window_calls=200)
"""Under these a breaker does not open within a test."""
AT_ONCE = BreakerRules(failures_max=1, open_s=0.0)
"""A failure opens it, and it is half-open in the same moment."""


@contextlib.asynccontextmanager
async def process(url: str) -> AsyncIterator[Shared]:
    """A process's own line to what is shared."""
    redis = connect(url)
    yield Shared(redis)
    await redis.aclose()


@pytest.fixture
async def one(servers: Servers) -> AsyncIterator[Shared]:
    async with process(servers.valkey.url()) as shared:
        yield shared


@pytest.fixture
async def other(servers: Servers) -> AsyncIterator[Shared]:
    async with process(servers.valkey.url()) as shared:
        yield shared


@pytest.fixture
async def nowhere() -> AsyncIterator[Shared]:
    """A Redis that is away."""
    async with process(f"redis://127.0.0.1:{pick_port()}/0") as shared:
        yield shared


@pytest.fixture
def channel_id() -> ChannelId:
    return ChannelId(new_id())


async def until(check: Callable[[], Awaitable[Any]], timeout_s: float = 5.0) -> Any:
    """What `check` returns, as soon as that is true."""
    async with asyncio.timeout(timeout_s):
        while True:
            if found := await check():
                return found
            await asyncio.sleep(0.005)


async def load_of(shared: Shared, channel_id: ChannelId) -> Load:
    return (await Board(shared.redis).look([], [channel_id])).loads[channel_id]


# Health.


async def test_what_one_process_records_another_reads_in_one_round_trip(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    here, there = Breakers(one), Breakers(other)
    await here.record(channel_id, MODEL, OK)
    unknown = (ChannelId(new_id()), MODEL)
    known = await there.read([(channel_id, MODEL), unknown, (channel_id, MODEL), (channel_id, "another")])
    assert [*known] == [(channel_id, MODEL)]
    assert (known[channel_id, MODEL].ttft_s, known[channel_id, MODEL].latency_s) == (0.5, 5.0)
    assert await there.read([]) == {}


async def test_no_outcome_is_lost_when_two_processes_record_at_once(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    both = Breakers(one, PATIENT), Breakers(other, PATIENT)
    await asyncio.gather(*(each.record(channel_id, MODEL, CUT) for each in both for _ in range(60)))
    known = (await both[0].read([(channel_id, MODEL)]))[channel_id, MODEL]
    assert known.consecutive_failures(one.now(), PATIENT) == 120


async def test_of_two_processes_that_want_the_probe_one_gets_it(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    both = Breakers(one, AT_ONCE), Breakers(other, AT_ONCE)
    await both[0].record(channel_id, MODEL, CUT)
    for number in (1, 2, 3):
        claims = await asyncio.gather(*(each.claim_probe(channel_id, MODEL) for each in both for _ in range(10)))
        assert sorted(claims, key=str) == [number, *[None] * 19]
        await both[number % 2].record(channel_id, MODEL, Outcome(stopped=True, probe=number))


async def test_a_probe_that_is_not_heard_of_again_is_free_after_its_time(one: Shared, channel_id: ChannelId) -> None:
    health = Breakers(one, BreakerRules(failures_max=1, open_s=0.0, probe_s=0.05))
    await health.record(channel_id, MODEL, CUT)
    assert await health.claim_probe(channel_id, MODEL) == 1
    assert await health.claim_probe(channel_id, MODEL) is None
    assert await until(lambda: health.claim_probe(channel_id, MODEL)) == 2


async def test_no_probe_is_needed_once_the_breaker_is_closed(one: Shared, channel_id: ChannelId) -> None:
    health = Breakers(one, AT_ONCE)
    assert await health.claim_probe(channel_id, MODEL) == 0
    await health.record(channel_id, MODEL, CUT)
    assert await health.claim_probe(channel_id, MODEL) == 1
    await health.record(channel_id, MODEL, Outcome(probe=1))
    assert await health.claim_probe(channel_id, MODEL) == 0


async def test_no_probe_is_to_be_had_of_an_open_breaker(one: Shared, channel_id: ChannelId) -> None:
    health = Breakers(one)
    await health.record(channel_id, MODEL, Outcome(ProviderErrorCode.AUTHENTICATION))
    assert await health.claim_probe(channel_id, MODEL) is None


async def test_a_channel_with_a_new_key_begins_anew(one: Shared, channel_id: ChannelId) -> None:
    health = Breakers(one)
    await health.record(channel_id, MODEL, Outcome(ProviderErrorCode.AUTHENTICATION))
    await health.forget(channel_id, MODEL)
    known = (await health.read([(channel_id, MODEL)]))[channel_id, MODEL]
    assert (known.breaker(one.now()), known.state, known.last_error) == (BreakerState.CLOSED, HealthState.HEALTHY, None)


async def test_every_change_of_state_is_told_once_and_in_order(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    rules = BreakerRules(failures_max=2, open_s=0.05)
    health, heard = Breakers(one, rules), list[Transition]()
    listening = asyncio.create_task(collect(Breakers(other), heard, 4))
    await until(lambda: listeners(one))
    for outcome in (OK, CUT, CUT):
        await health.record(channel_id, MODEL, outcome)
    probe = await until(lambda: health.claim_probe(channel_id, MODEL))
    await health.record(channel_id, MODEL, Outcome(probe=probe))
    await asyncio.wait_for(listening, 5)
    assert [(each.state.value, each.error_code) for each in heard] == [
        ("DEGRADED", "CUT"), ("OPEN", "CUT"), ("HALF_OPEN", "CUT"), ("HEALTHY", "CUT")]  # fmt: skip
    assert {(each.channel_id, each.model) for each in heard} == {(channel_id, MODEL)}
    assert heard[1].until == pytest.approx(heard[1].at + 0.05)


async def collect(health: Breakers, heard: list[Transition], count: int) -> None:
    async with contextlib.aclosing(health.transitions()) as transitions:
        async for transition in transitions:
            if transition is None:
                continue
            heard.append(transition)
            if len(heard) == count:
                return


async def listeners(shared: Shared) -> int:
    return int((await shared.redis.pubsub_numsub(TRANSITIONS))[0][1])


async def test_transitions_are_heard_again_after_the_line_was_lost(
    one: Shared, other: Shared, channel_id: ChannelId, caplog: pytest.LogCaptureFixture
) -> None:
    health, heard = Breakers(one, AT_ONCE), list[Transition]()
    listening = asyncio.create_task(collect(Breakers(other), heard, 1))
    await until(lambda: listeners(one))
    await one.redis.client_kill_filter(_type="pubsub")
    await until(lambda: gone(one))
    await until(lambda: listeners(one))
    await one.redis.publish(TRANSITIONS, b"of another release")
    await health.record(channel_id, MODEL, CUT)
    await asyncio.wait_for(listening, 5)
    assert [each.channel_id for each in heard] == [channel_id]
    assert "a transition of a channel cannot be read" in caplog.messages


async def test_what_there_is_is_to_be_read_once_the_line_stands_and_again_when_it_was_lost(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    mine, anothers = TenantId(new_id()), TenantId(new_id())
    health = Breakers(one, AT_ONCE)
    async with contextlib.aclosing(Breakers(other).transitions(mine)) as transitions, asyncio.timeout(5):
        assert await anext(transitions) is None
        await health.record(channel_id, MODEL, CUT)
        assert await anext(transitions) is not None, "nothing between the two is lost"
        await one.redis.client_kill_filter(_type="pubsub")
        assert await anext(transitions) is None
        await health.tell_of_new(anothers)
        await health.tell_of_new(mine)
        assert await anext(transitions) is None
        await health.record(ChannelId(new_id()), MODEL, CUT)
        assert await anext(transitions) is not None, "of another's news nothing is told"


async def test_what_there_is_is_to_be_read_even_while_there_is_no_line(nowhere: Shared) -> None:
    async with contextlib.aclosing(Breakers(nowhere).transitions()) as transitions, asyncio.timeout(5):
        assert await anext(transitions) is None


async def gone(shared: Shared) -> bool:
    return not await listeners(shared)


async def test_what_another_release_has_written_is_not_known_and_is_replaced(
    one: Shared, channel_id: ChannelId, caplog: pytest.LogCaptureFixture
) -> None:
    health = Breakers(one)
    for document in (b"{", b"[]", b'{"state":"BROKEN"}', b'{"window":7}'):
        await one.redis.set(f"{TAG}:health:{channel_id}:{MODEL}", document)
        assert (await health.read([(channel_id, MODEL)]))[channel_id, MODEL].state is HealthState.HEALTHY
    await health.record(channel_id, MODEL, OK)
    assert (await health.read([(channel_id, MODEL)]))[channel_id, MODEL].ttft_s == 0.5
    assert f"the health of channel {channel_id} cannot be read" in caplog.messages


async def test_a_process_whose_clock_is_wrong_goes_by_that_of_redis(
    one: Shared, channel_id: ChannelId, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 3_600)
    health = Breakers(one)
    await health.record(channel_id, MODEL, CUT)
    known = (await health.read([(channel_id, MODEL)]))[channel_id, MODEL]
    assert [known.changed_at, one.now()] == pytest.approx([right()] * 2, abs=1)


# Load.


async def test_two_processes_together_have_no_more_in_flight_than_the_limit(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    both, limits = (ChannelLoad(one), ChannelLoad(other)), Limits(concurrency=7)
    leases = await asyncio.gather(*(each.acquire(channel_id, limits, 10) for each in both for _ in range(10)))
    held = [lease for lease in leases if lease is not None]
    assert len(held) == 7
    assert await load_of(other, channel_id) == Load(7, 7, 70)
    await both[1].release(held[0])
    assert await both[0].acquire(channel_id, limits, 10) is not None
    assert await both[0].acquire(channel_id, limits, 10) is None


@pytest.mark.parametrize(("limits", "granted"), [(Limits(rpm=3), 3), (Limits(tpm=50), 5), (Limits(tpm=49), 4)])
async def test_requests_and_tokens_of_a_minute_are_limited_even_when_the_calls_have_ended(
    one: Shared, channel_id: ChannelId, limits: Limits, granted: int
) -> None:
    load = ChannelLoad(one)
    for _ in range(granted):
        lease = await load.acquire(channel_id, limits, 10)
        assert lease is not None
        await load.release(lease)
    assert await load.acquire(channel_id, limits, 10) is None
    assert await load_of(one, channel_id) == Load(0, granted, 10 * granted)


async def test_the_minute_before_counts_as_far_as_it_reaches_into_the_last_60_seconds(
    one: Shared, channel_id: ChannelId
) -> None:
    key = f"{TAG}:minute:{channel_id}"
    seconds, _ = await one.redis.time()
    for age, share in ((1, 1 - seconds % 60 / 60), (2, 0.0)):
        await one.redis.hset(key, mapping={"minute": seconds // 60 - age, "requests": 600, "tokens": 60_000})
        found = await load_of(one, channel_id)
        assert found.requests == pytest.approx(600 * share, abs=25)
        assert found.tokens == pytest.approx(60_000 * share, abs=2_500)


async def test_what_a_call_used_in_truth_is_put_right(one: Shared, channel_id: ChannelId) -> None:
    load = ChannelLoad(one)
    for used, total in ((150, 150), (20, 170), (None, 270)):
        lease = await load.acquire(channel_id, Limits(), 100)
        assert lease is not None
        await load.release(lease, used)
        assert (await load_of(one, channel_id)).tokens == total


async def test_what_a_killed_worker_held_is_free_after_its_lease(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    limits = Limits(concurrency=1)
    assert await ChannelLoad(one, lease_s=0.2).acquire(channel_id, limits, 1) is not None
    survivor = ChannelLoad(other)
    assert await survivor.acquire(channel_id, limits, 1) is None
    assert await until(lambda: survivor.acquire(channel_id, limits, 1))


async def test_a_lease_is_kept_while_it_is_renewed_and_not_taken_again_once_it_was_given_back(
    one: Shared, channel_id: ChannelId
) -> None:
    short, long = ChannelLoad(one, lease_s=0.02), ChannelLoad(one, lease_s=60.0)
    kept, back = [await long.acquire(channel_id, Limits(), 1) for _ in range(2)]
    assert kept is not None
    assert back is not None
    await long.release(back)
    await short.renew([kept, back])
    await long.renew([])
    assert (await load_of(one, channel_id)).in_flight <= 1

    async def idle() -> bool:
        return (await load_of(one, channel_id)).in_flight == 0

    await until(idle)
    await long.renew([kept, back])
    assert (await load_of(one, channel_id)).in_flight == 1


async def test_one_request_that_is_larger_than_the_limit_of_a_minute_passes_alone(
    one: Shared, channel_id: ChannelId
) -> None:
    load, limits = ChannelLoad(one), Limits(tpm=50)
    assert await load.acquire(channel_id, limits, 51) is not None
    assert await load.acquire(channel_id, limits, 1) is None


# Affinity.


async def test_the_channel_that_served_a_prefix_last_is_known_until_its_cache_ends(
    one: Shared, other: Shared, channel_id: ChannelId
) -> None:
    here, there, key = Affinities(one, ttl_s=60.0), Board(other.redis), new_id().hex
    assert (await there.look([], prefix=key)).affinity is None
    await here.served(key, ChannelId(new_id()))
    await here.served(key, channel_id)
    found = (await there.look([], prefix=key)).affinity
    assert found is not None
    assert found.channel_id == channel_id
    assert found.until == pytest.approx(one.now() + 60, abs=1)


async def test_an_affinity_lives_from_its_last_use(one: Shared, channel_id: ChannelId) -> None:
    short, long, key = Affinities(one, ttl_s=0.03), Affinities(one, ttl_s=60.0), new_id().hex
    await short.served(key, channel_id)
    await long.served(key, channel_id)
    assert await one.redis.pttl(f"{TAG}:affinity:{key}") > 50_000
    await short.served(key, channel_id)

    async def forgotten() -> bool:
        return (await Board(one.redis).look([], prefix=key)).affinity is None

    await until(forgotten)


# Without Redis.


async def test_while_redis_is_away_nothing_is_known_and_nothing_is_refused(
    nowhere: Shared, channel_id: ChannelId, caplog: pytest.LogCaptureFixture
) -> None:
    health, load, affinities = Breakers(nowhere), ChannelLoad(nowhere), Affinities(nowhere)
    with caplog.at_level(logging.WARNING):
        await asyncio.gather(*(health.record(channel_id, MODEL, CUT) for _ in range(20)))
        assert await health.read([(channel_id, MODEL)]) == {}
        assert await health.claim_probe(channel_id, MODEL) == 0
        lease = await load.acquire(channel_id, Limits(concurrency=0), 1)
        assert isinstance(lease, Lease)
        await load.renew([lease])
        await load.release(lease)
        await affinities.served("prefix", channel_id)
    assert len(caplog.messages) == 1
    assert await Board(nowhere.redis).look([(channel_id, MODEL)], [channel_id], "prefix") == View({}, {})


async def test_redis_is_asked_again_a_second_after_an_outage(
    one: Shared, channel_id: ChannelId, caplog: pytest.LogCaptureFixture
) -> None:
    async def away() -> bool:
        await asyncio.sleep(0)  # so that all of them have asked before the first is answered
        raise ConnectionResetError("gone")

    health = Breakers(one)
    await asyncio.gather(*(one.ask(away, False) for _ in range(5)))
    assert len(caplog.messages) == 1
    await health.record(channel_id, MODEL, OK)
    assert await health.read([(channel_id, MODEL)]) == {}
    one._away_until -= AWAY_S
    await health.record(channel_id, MODEL, OK)
    assert [*await health.read([(channel_id, MODEL)])] == [(channel_id, MODEL)]
