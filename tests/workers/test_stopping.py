"""A run that is stopped, by its author, its worker or its lease: the socket closes at once, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from domain.events import EventType, Position
from domain.jobs import CRASHES_MAX
from tests.fakes.behaviour import Exchange, expected_text
from tests.workers.desk import Desk, Doorbells
from workers.relay import Relay
from workers.runtime import Runtime

LONG = "ok:tokens=500,delay_ms=10"


async def some_tokens(desk: Desk, number: int = 1, tokens: int = 5) -> Exchange:
    """The provider's side of a call that is under way."""
    exchange = await desk.fake.exchange(number)
    async with asyncio.timeout(5):
        while exchange.tokens_sent < tokens:  # noqa: ASYNC110 - the fake only counts
            await asyncio.sleep(0.005)
    return exchange


@pytest.mark.parametrize(
    ("tell", "within_s"), [(True, 0.5), (False, 1.0)], ids=["told by a flag", "told by a heartbeat"]
)
async def test_a_cancel_closes_the_providers_socket_and_keeps_the_text(desk: Desk, tell: bool, within_s: float) -> None:
    job_id = await desk.start(LONG)
    running = asyncio.create_task(desk.run(job_id))
    exchange = await some_tokens(desk)
    asked = time.monotonic()
    await desk.cancel(job_id, tell=tell)
    await asyncio.wait_for(exchange.ended.wait(), 5)
    assert exchange.ended_at is not None
    assert (exchange.ending, exchange.ended_at - asked < within_s) == ("disconnected", True)
    await running
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.job.state, one.outcomes) == ("CANCELLED", "CANCELLED", ["CANCELLED"])
    assert one.version is not None and len(one.version) >= len(expected_text(5))
    assert expected_text(500).startswith(one.version)
    [version] = await desk._rows("select state, origin from app.text_versions where tenant_id = :t")
    assert (version.state, version.origin) == ("CANDIDATE", "AI")
    assert one.attempts[0].usage_source == "ESTIMATE"
    assert one.books.spent > 0


async def test_a_cancel_before_the_first_token_leaves_no_version_and_costs_nothing(desk: Desk) -> None:
    job_id = await desk.start("hang")
    running = asyncio.create_task(desk.run(job_id))
    exchange = await desk.fake.exchange(1)
    await desk.cancel(job_id)
    await running
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.version, one.books.spent) == ("CANCELLED", None, 0)
    assert exchange.ending == "disconnected"


async def test_a_cancel_between_two_tries_ends_the_waiting(desk: Desk) -> None:
    job_id = await desk.start("status:status=503,retry_after=15")
    running = asyncio.create_task(desk.run(job_id))
    await desk.fake.exchange(1)
    await desk.cancel(job_id)
    await asyncio.wait_for(running, 2)
    one = await desk.outcome(job_id)
    one.check()
    assert one.generation.state == "CANCELLED"
    assert len(desk.fake.exchanges) == 1


async def test_cancelling_twice_or_too_late_changes_nothing(desk: Desk) -> None:
    one = await desk.write()
    await desk.cancel(one.job.id)
    again = await desk.outcome(one.job.id)
    assert (again.job, again.generation) == (one.job, one.generation)


async def test_a_job_that_ran_is_not_run_again(desk: Desk) -> None:
    for model in (None, "length", "empty"):
        one = await desk.write(model)
        asked = len(desk.fake.exchanges)
        await desk.run(one.job.id)
        again = await desk.outcome(one.job.id)
        assert (again.job, again.generation, again.attempts, again.events) == (
            one.job, one.generation, one.attempts, one.events)  # fmt: skip
        assert len(desk.fake.exchanges) == asked


async def test_of_ten_workers_that_hear_the_bell_one_works(desk: Desk) -> None:
    job_id = await desk.start("ok:delay_ms=5")
    workers = [replace(desk.worker, worker_id=f"w{number}") for number in range(10)]
    await asyncio.gather(*(desk.run(job_id, worker) for worker in workers))
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.outcomes, len(desk.fake.exchanges)) == ("COMPLETED", ["COMPLETED"], 1)


async def test_a_worker_that_is_told_to_stop_hands_its_job_back_at_once(desk: Desk) -> None:
    job_id = await desk.start(LONG.replace("500", "60"))
    leaving = replace(desk.worker, worker_id="leaving", stopping=asyncio.Event())
    running = asyncio.create_task(desk.run(job_id, leaving))
    exchange = await some_tokens(desk)
    leaving.stopping.set()
    await asyncio.wait_for(running, 2)
    assert exchange.ending == "disconnected"
    waiting = await desk.outcome(job_id)
    assert (waiting.job.state, waiting.job.lease_token, waiting.generation.state) == ("QUEUED", None, "QUEUED")
    assert waiting.outcomes == ["CRASHED"]
    assert len(await desk._rows("select 1 from app.outbox where job_id = :j", j=job_id)) == 1
    await desk.run(job_id, leaving)
    assert (await desk.outcome(job_id)).job.attempt == 1
    await desk.run(job_id)
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.version) == ("COMPLETED", expected_text(60))
    assert one.outcomes == ["CRASHED", "COMPLETED"]
    assert [billed for _, billed, _ in one.usage] == [False, True]


async def test_a_dead_workers_job_is_taken_back_and_written_by_another(
    desk: Desk, relay: Relay, doorbells: Doorbells
) -> None:
    job_id = await desk.start()
    await desk.die(job_id, "half a sent")
    assert await relay.sweep() == 1
    assert doorbells.rung == [job_id]
    waiting = await desk.outcome(job_id)
    assert (waiting.job.state, waiting.job.crashes, waiting.outcomes) == ("QUEUED", 1, ["CRASHED"])
    assert await relay.sweep() == 0
    await desk.run(job_id)
    one = await desk.outcome(job_id)
    one.check()
    assert (one.version, one.outcomes) == (expected_text(20), ["CRASHED", "COMPLETED"])
    assert [event.type for event in one.events][:2] == [EventType.RESET, EventType.STARTED]
    assert one.usage[0][1] is False


async def test_a_dead_workers_job_that_was_to_be_cancelled_ends_with_what_was_kept(desk: Desk, relay: Relay) -> None:
    job_id = await desk.start()
    await desk.die(job_id, "half a sentence")
    await desk.cancel(job_id, tell=False)
    await relay.sweep()
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.version) == ("CANCELLED", "half a sentence")
    assert one.events[-1].position.n > one.events[0].position.n


async def test_a_job_that_kills_its_workers_is_given_up(desk: Desk, relay: Relay) -> None:
    job_id = await desk.start()
    for _ in range(CRASHES_MAX):
        await desk.die(job_id)
        await relay.sweep()
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.generation.error_code) == ("FAILED", "WORKER_CRASHED")
    assert (one.outcomes, one.books.spent) == (["CRASHED"] * CRASHES_MAX, 0)


async def test_a_worker_that_lost_its_lease_writes_nothing_more(desk: Desk, relay: Relay) -> None:
    """It was asleep for longer than its lease, and its job went to another."""
    job_id = await desk.start(LONG.replace("500", "80"))
    asleep = replace(desk.worker, worker_id="asleep", lease_s=60.0)
    stale = asyncio.create_task(desk.run(job_id, asleep))
    first = await some_tokens(desk)
    async with desk.admin.engine.begin() as connection:
        await connection.execute(
            text("update app.jobs set lease_expires_at = now() - interval '1 s' where id = :j"), {"j": job_id}
        )
    await relay.sweep()
    await desk.run(job_id)
    await asyncio.wait_for(stale, 5)
    assert first.ending == "disconnected"
    one = await desk.outcome(job_id)
    one.check()
    assert (one.generation.state, one.version) == ("COMPLETED", expected_text(80))
    assert one.outcomes == ["CRASHED", "COMPLETED"]
    written = [event.position.attempt for event in one.events]
    assert written == sorted(written)


async def test_a_deleted_chapter_takes_its_text_along_and_the_money_is_settled(desk: Desk) -> None:
    job_id = await desk.start(LONG.replace("500", "40"))
    running = asyncio.create_task(desk.run(job_id))
    await some_tokens(desk)
    async with desk.admin.engine.begin() as connection:
        await connection.execute(
            text("update app.outline_nodes set deleted_at = now() where id = :c"), {"c": desk.chapter}
        )
    await running
    one = await desk.outcome(job_id)
    one.check()
    assert one.generation.state == "COMPLETED"


async def test_the_text_so_far_is_kept_while_it_is_written(desk: Desk) -> None:
    job_id = await desk.start(LONG)
    running = asyncio.create_task(desk.run(job_id))
    async with asyncio.timeout(5):
        while True:
            [row] = await desk._rows("select g.state, a.text from app.generations g left join app.attempts a "
                                     "on a.generation_id = g.id where g.job_id = :j", j=job_id)  # fmt: skip
            if row.text:
                break
            await asyncio.sleep(0.02)
    assert row.state == "STREAMING"
    assert expected_text(500).startswith(row.text)
    await desk.cancel(job_id)
    await running


async def test_a_text_streams_while_it_is_written_in_a_second_attempt_as_well(desk: Desk) -> None:
    job_id = await desk.start("cut:tokens=100,delay_ms=10,times=1")
    running = asyncio.create_task(desk.run(job_id))
    second = await some_tokens(desk, number=2, tokens=30)
    events = await desk.log.read(job_id, Position(2, 0))
    shown = "".join(event.data["text"] for event in events if event.type is EventType.DELTA)
    assert second.ending is None
    assert len(shown) > len(expected_text(10))
    await running


async def test_a_stop_that_comes_first_leaves_a_job_untouched(desk: Desk, worker: Runtime) -> None:
    stopped = replace(worker, stopping=asyncio.Event())
    stopped.stopping.set()
    job_id = await desk.start()
    await desk.run(job_id, stopped)
    assert (await desk.outcome(job_id)).job.state == "QUEUED"
    await desk.run(job_id)
