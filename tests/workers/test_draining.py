"""A provider that counts to its end whoever listens: the author is free at once, and what it counted is booked."""

from __future__ import annotations

import asyncio

import pytest

from tests.workers.desk import Desk, Outcome, offer, until

MODEL = "counter"
TOKENS, DELAY_MS = 120, 10


async def left_in_the_middle(desk: Desk, upstream: str, policy: str) -> tuple[Outcome, bool]:
    """A generation that is cancelled while it streams; and whether its provider was still writing at its end."""
    await offer(desk, f"{policy}-{upstream[:8]}", upstream, MODEL, cancel_policy=policy, concurrency=1)
    job = await desk.start(MODEL)
    running = asyncio.create_task(desk.run(job))
    await until(lambda: bool(desk.fake.exchanges) and desk.fake.exchanges[-1].tokens_sent >= 20)
    await desk.cancel(job)
    await running
    writing = desk.fake.exchanges[-1].ending is None
    await desk.worker.drains.until_idle()
    return await desk.outcome(job), writing


async def records(desk: Desk, one: Outcome) -> list[tuple[str, bool, str, int]]:
    rows = await desk._rows(
        "select kind, billed, source, output_tokens from app.usage_records where job_id = :j order by kind desc",
        j=one.job.id,
    )
    return [tuple(row) for row in rows]


async def test_an_author_who_cancels_is_free_at_once_and_the_rest_is_the_operators(desk: Desk) -> None:
    one, writing = await left_in_the_middle(desk, f"ok:tokens={TOKENS},delay_ms={DELAY_MS}", "DRAIN")
    assert (one.generation.state, writing) == ("CANCELLED", True)
    assert desk.fake.exchanges[-1].ending == "complete"
    mine, rest = await records(desk, one)
    assert (mine[0], mine[1], mine[2]) == ("LLM", True, "ESTIMATE")
    assert (rest[0], rest[1], rest[2]) == ("DRAIN", False, "PROVIDER_FINAL")
    assert mine[3] + rest[3] == TOKENS
    assert 0 < mine[3] < TOKENS
    assert (one.books.held, one.books.crooked_entries, one.books.spent) == (0, 0, one.books.billed)


async def test_a_place_on_the_channel_is_free_only_when_its_provider_has_ended(desk: Desk) -> None:
    await left_in_the_middle(desk, f"ok:tokens={TOKENS},delay_ms={DELAY_MS}", "DRAIN")
    [channel] = await desk._rows("select id from app.channels where tenant_id = :t")
    assert (await desk.worker.board.look([], [channel.id])).loads[channel.id].in_flight == 0


async def test_what_a_provider_does_not_count_is_estimated(desk: Desk) -> None:
    one, _ = await left_in_the_middle(desk, f"no_usage:tokens={TOKENS},delay_ms={DELAY_MS}", "DRAIN")
    rest = (await records(desk, one))[-1]
    assert (rest[0], rest[2], rest[3] > 0) == ("DRAIN", "ESTIMATE", True)


async def test_a_shutdown_hangs_up_and_books_what_is_known(desk: Desk) -> None:
    await offer(desk, "endless", "endless:delay_ms=10", MODEL, cancel_policy="DRAIN")
    job = await desk.start(MODEL)
    running = asyncio.create_task(desk.run(job))
    await until(lambda: bool(desk.fake.exchanges) and desk.fake.exchanges[-1].tokens_sent >= 20)
    await desk.cancel(job)
    await running
    await asyncio.sleep(0.3)
    await desk.worker.drains.end()
    await asyncio.wait_for(desk.fake.exchanges[-1].ended.wait(), 2)
    assert desk.fake.exchanges[-1].ending == "disconnected"
    assert [row[0] for row in await records(desk, await desk.outcome(job))] == ["LLM", "DRAIN"]


@pytest.mark.parametrize("policy", ["CANCEL", "UNKNOWN"])
async def test_a_provider_that_stops_counting_is_hung_up_on(desk: Desk, policy: str) -> None:
    one, _ = await left_in_the_middle(desk, f"ok:tokens={TOKENS},delay_ms={DELAY_MS}", policy)
    assert desk.fake.exchanges[-1].ending == "disconnected"
    assert [row[0] for row in await records(desk, one)] == ["LLM"]
