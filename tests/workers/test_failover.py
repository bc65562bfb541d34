"""Several channels of one model: which is taken, and what happens when it dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from adapters.factory import provider_for
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from domain.channels.health import BreakerRules, HealthState
from domain.events import EventType
from domain.generation.provider import ProviderLimits, TextProvider
from persistence.channels.board import Board
from tests.fakes.behaviour import Behaviour, expected_text
from tests.fakes.openai_server import FakeOpenAI
from tests.pace import slowness
from tests.workers.desk import Desk, Outcome

MODEL = "novelist"
RULES = BreakerRules(open_s=0.3, open_max_s=0.3)
"""Back soon enough to wait for."""


@pytest.fixture
async def spare() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as one:
        yield one


@pytest.fixture
def board(desk: Desk, redis: Any) -> Board:
    board = Board(redis)
    board.health.rules = RULES
    desk.worker = replace(desk.worker, board=board)
    return board


async def offer(desk: Desk, name: str, fake: FakeOpenAI, **more: Any) -> Channel:
    channel = Channel.offering(
        name, ProviderKind.OPENAI_COMPATIBLE, ChannelModel(MODEL, "upstream"), tenant_id=desk.tenant_id,
        base_url=fake.base_url, **more,
    )  # fmt: skip
    async with desk.units(desk.tenant_id) as uow:
        await uow.channels.add(channel)
    return channel


@pytest.fixture
async def first(desk: Desk, board: Board) -> Channel:
    return await offer(desk, "first", desk.fake, priority=1)


@pytest.fixture
async def second(desk: Desk, board: Board, spare: FakeOpenAI) -> Channel:
    return await offer(desk, "second", spare)


def said(outcome: Outcome, type_: EventType) -> list[tuple[int, str]]:
    """(attempt, channel) of the events of a kind."""
    return [(one.data["attempt"], one.data["channel"]) for one in outcome.events if one.type is type_]


def calls(attempt: Any) -> list[tuple[str, str]]:
    return [(one["channel"], one["outcome"]) for one in attempt.decision["calls"]]


@pytest.mark.usefixtures("first", "second")
@pytest.mark.parametrize("fault", ["reset", "status:status=401", "status:status=429,retry_after=9", "html", "hang"])
async def test_a_channel_that_never_begins_is_left_for_another_without_a_pause(desk: Desk, fault: str) -> None:
    desk.fake.behaviour = Behaviour().for_model(fault)
    one = await desk.write(MODEL)
    assert (one.generation.state, one.version, one.outcomes) == ("COMPLETED", expected_text(20), ["COMPLETED"])
    assert (one.generation.channel, one.attempts[0].channel, one.attempts[0].model) == ("second", "second", MODEL)
    assert said(one, EventType.STARTED) == [(1, "first")]
    assert said(one, EventType.SWITCHED) == [(1, "second")]
    assert [channel for channel, _ in calls(one.attempts[0])] == ["first", "second"]
    assert sum("next try in 0.0 s" in line for line in one.attempts[0].trace) == 1


@pytest.mark.usefixtures("first", "second")
async def test_a_cut_in_the_middle_starts_a_new_attempt_elsewhere_and_is_billed_once(desk: Desk) -> None:
    desk.fake.behaviour = Behaviour().for_model("cut:after=5")
    one = await desk.write(MODEL)
    assert (one.generation.state, one.version, one.outcomes) == ("COMPLETED", expected_text(20), ["CUT", "COMPLETED"])
    assert [attempt.channel for attempt in one.attempts] == ["first", "second"]
    assert said(one, EventType.SWITCHED) == [(2, "second")]
    assert [billed for _, billed, _ in one.usage] == [False, True]
    assert len(desk.fake.exchanges) == 1


@pytest.mark.usefixtures("first", "second")
async def test_what_the_request_is_to_blame_for_goes_to_no_other_channel(desk: Desk, spare: FakeOpenAI) -> None:
    desk.fake.behaviour = Behaviour().for_model("status:status=400,code=context_length_exceeded")
    one = await desk.write(MODEL)
    assert (one.generation.state, one.generation.error_code) == ("FAILED", "CONTEXT_TOO_LONG")
    assert spare.exchanges == []


@pytest.mark.usefixtures("second")
async def test_a_channel_that_was_chosen_by_name_is_the_only_one(desk: Desk, first: Channel, spare: FakeOpenAI) -> None:
    desk.fake.behaviour = Behaviour().for_model("status:status=401")
    one = await desk.write(MODEL, channel_id=first.id)
    assert (one.generation.state, one.generation.error_code, one.generation.channel) == (
        "FAILED", "AUTHENTICATION", "first")  # fmt: skip
    assert spare.exchanges == []


async def test_the_attempt_explains_its_channel(desk: Desk, first: Channel, second: Channel) -> None:
    third = await offer(desk, "third", desk.fake)
    async with desk.units(desk.tenant_id) as uow:
        await uow.channels.set_policy({"strategy": "WEIGHTED", "excluded": [str(third.id)]})
    decision = (await desk.write(MODEL)).attempts[0].decision
    assert [(one["channel"], one["priority"], one["reason"]) for one in decision["choices"]] == [
        ("first", 1, "STRATEGY"), ("second", 0, "STRATEGY")]  # fmt: skip
    assert {(one["channel"], one["reason"]) for one in decision["rejections"]} == {("third", "EXCLUDED")}
    assert decision["calls"] == [{"channel": "first", "model": MODEL, "outcome": "OK"}]


async def test_a_full_channel_leaves_to_the_other_what_it_cannot_take(
    desk: Desk, board: Board, second: Channel
) -> None:
    await offer(desk, "narrow", desk.fake, priority=1, concurrency=2)
    desk.fake.behaviour = Behaviour(tokens=20, delay_ms=30)
    jobs = [await desk.start(MODEL) for _ in range(5)]
    await asyncio.gather(*(desk.run(one) for one in jobs))
    ended = [await desk.outcome(one) for one in jobs]
    assert sorted(one.generation.channel for one in ended) == ["narrow"] * 2 + ["second"] * 3


async def test_the_prompts_cache_keeps_a_channel_that_weights_would_leave(
    desk: Desk, board: Board, spare: FakeOpenAI
) -> None:
    light = await offer(desk, "light", desk.fake, weight=1)
    heavy = await offer(desk, "heavy", spare, weight=0)
    assert (await desk.write(MODEL)).generation.channel == "light"
    async with desk.units(desk.tenant_id) as uow:
        for channel, weight in ((light, 0), (heavy, 1_000)):
            (await uow.channels.channel(channel.id)).weight = weight  # type: ignore[union-attr]
    kept = await desk.write(MODEL)
    assert (kept.generation.channel, kept.attempts[0].decision["sticky"]) == ("light", True)
    async with desk.units(desk.tenant_id) as uow:
        await uow.channels.set_policy({"strategy": "WEIGHTED", "sticky": False})
    assert (await desk.write(MODEL)).generation.channel == "heavy"


async def test_fifty_streams_survive_the_death_of_their_channel_and_it_comes_back(
    desk: Desk, board: Board, first: Channel, second: Channel, spare: FakeOpenAI
) -> None:
    """Those that it was writing start again elsewhere; no more than its threshold find it dead, and then nobody."""
    board.health.rules = BreakerRules(open_s=12.0 * slowness())
    desk.worker = replace(desk.worker, provider_for=patient)
    desk.fake.behaviour = spare.behaviour = Behaviour(tokens=40, delay_ms=20)
    jobs = [await desk.start(MODEL) for _ in range(50)]
    running = [asyncio.create_task(desk.run(one)) for one in jobs[:30]]
    await asyncio.wait([asyncio.ensure_future(desk.fake.exchange(30)), *running], return_when="FIRST_COMPLETED")
    desk.fake.behaviour = Behaviour().for_model("reset")
    cut_all(desk.fake)
    for job_id in jobs[30:35]:
        await desk.run(job_id)
    key = first.id, "upstream"
    assert (await board.health.read([key]))[key].state_of(board.health.now()) is HealthState.OPEN
    await asyncio.sleep(0.5 * slowness())  # who had chosen it before it was found dead has called it by now
    assert len(desk.fake.exchanges) - 30 <= BreakerRules().failures_max
    calls_before = len(desk.fake.exchanges)
    await asyncio.gather(*running, *(desk.run(one) for one in jobs[35:]))
    assert len(desk.fake.exchanges) == calls_before
    ended = [await desk.outcome(one) for one in jobs]
    for one in ended:
        one.check()
    assert {(one.generation.state, one.version) for one in ended} == {("COMPLETED", expected_text(40))}

    desk.fake.behaviour = Behaviour(tokens=5)
    patience = time.monotonic() + 60 * slowness()
    while (await desk.write(MODEL)).generation.channel != "first":
        assert time.monotonic() < patience, "it never came back"
        await asyncio.sleep(0.05)
    assert (await board.health.read([key]))[key].state_of(board.health.now()) is HealthState.HEALTHY


def patient(channel: Channel) -> TextProvider:
    """Fifty streams on a busy machine take their time."""
    limits = ProviderLimits(connect_s=10.0, first_token_s=20.0, idle_s=20.0, total_s=60.0)
    return provider_for(channel.provider, base_url=channel.base_url, api_key="sk-fake", limits=limits, demo_delay_s=0)  # type: ignore[arg-type]


def cut_all(fake: FakeOpenAI) -> None:
    """Every connection of the server, as when its machine goes."""
    assert fake._runner is not None and fake._runner.server is not None
    for connection in list(fake._runner.server.connections):
        if connection.transport is not None:
            connection.transport.abort()
