"""What a generation may cost, held to while it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain.billing import Price, Usage, cost
from domain.events import EventType
from domain.generation.provider import (
    CompletionRequest,
    Finished,
    FinishReason,
    ProviderEvent,
    ReasoningChunk,
    TextChunk,
)
from domain.text import estimated_tokens
from tests.workers.desk import CREDIT_MICROS, Desk, Outcome, offer, price
from workers.generation import GenerationRun
from workers.meter import Meter, payable_tokens

PRICE = Price("m", input_micros=500_000, cached_input_micros=125_000, output_micros=2_000_000)


@pytest.mark.parametrize("micros", [0, 50, 51, 52, 53, 54, 1_000, 10**9])
def test_so_many_tokens_are_paid_for_and_not_one_more(micros: int) -> None:
    tokens = payable_tokens(PRICE, 100, micros)
    assert cost(PRICE, Usage(100, tokens)) <= max(micros, cost(PRICE, Usage(100, 0)))
    assert cost(PRICE, Usage(100, tokens + 1)) > micros


def test_a_hold_that_covers_the_longest_answer_is_never_exhausted() -> None:
    meter = Meter(cost(PRICE, Usage(100, 50)), None)
    meter.serve(PRICE, 100, 50)
    meter.add("word " * 500)
    assert (meter.lacking, meter.exhausted) == (0, False)


def test_a_dearer_channel_lacks_the_difference_and_a_refusal_ends_the_text() -> None:
    meter = Meter(cost(PRICE, Usage(100, 50)), None)
    dear = replace(PRICE, ratio=Decimal(2))
    meter.serve(dear, 100, 50)
    assert meter.lacking == cost(dear, Usage(100, 50)) - meter.held
    meter.add("word " * 60)
    assert not meter.exhausted
    meter.extended(None)
    assert (meter.lacking, meter.exhausted) == (0, True)


async def write(desk: Desk, **limits: Any) -> Outcome:
    job_id = await desk.start("ok:tokens=400,delay_ms=4", target_words=300, **limits)
    await desk.run(job_id)
    return await desk.outcome(job_id)


async def test_a_text_ends_at_the_limit_of_its_cost_and_is_kept(desk: Desk) -> None:
    whole = await write(desk)
    whole.check()
    limit = whole.books.spent // 2
    one = await write(desk, max_cost_micros=limit)
    assert (one.generation.state, one.generation.truncation_reason) == ("TRUNCATED", "BUDGET")
    assert one.version and whole.version and whole.version.startswith(one.version[:100])
    assert one.books.spent - whole.books.spent <= limit
    assert one.books.spent - whole.books.spent >= limit * 0.8
    assert (one.books.held, one.books.open_holds, one.books.crooked_entries) == (0, 0, 0)


async def test_what_was_sent_behind_the_limit_is_little(desk: Desk) -> None:
    """At most what comes in a fifth of a second, and two tokens."""
    whole = await write(desk)
    one = await write(desk, max_cost_micros=whole.books.spent // 2)
    assert one.version is not None
    sent = desk.fake.exchanges[-1].tokens_sent
    shown = len(one.version.split())
    assert sent - shown <= 0.2 * 250 + 2
    assert estimated_tokens(one.version) > 0


async def test_the_meter_ticks_while_it_is_written(desk: Desk) -> None:
    one = await desk.write("ok:tokens=300,delay_ms=8")
    ticks = [event.data for event in one.events if event.type is EventType.METER]
    assert len(ticks) >= 1
    assert [tick["accrued"] for tick in ticks] == sorted(tick["accrued"] for tick in ticks)
    assert all(tick["held"] - tick["accrued"] == tick["left"] >= 0 for tick in ticks)


async def test_a_dearer_channel_extends_the_hold(desk: Desk) -> None:
    """The expected channel dies; the one that stands in costs ten times as much."""
    await price(desk, "pair", channel="dear", input_micros=5_000_000, output_micros=20_000_000)
    await offer(desk, "cheap", "reset", "pair", priority=1)
    await offer(desk, "dear", "ok:tokens=300,delay_ms=8", "pair", platform=True)
    one = await desk.write("pair")
    assert (one.generation.state, one.generation.channel, one.books.overrun) == ("COMPLETED", "dear", 0)
    kinds = [row.kind for row in await desk._rows("select kind from app.ledger_entries where tenant_id = :t")]
    assert kinds.count("EXTEND") == 1
    assert one.books.available + one.books.spent == CREDIT_MICROS


async def test_a_text_ends_where_the_wallet_does(desk: Desk) -> None:
    """The one that stands in costs more than the tenant has."""
    await price(desk, "trio", channel="dearest", output_micros=40_000_000_000)
    await offer(desk, "cheap", "reset", "trio", priority=1)
    await offer(desk, "dearest", "ok:tokens=800,delay_ms=8", "trio", platform=True)
    one = await desk.write("trio")
    assert (one.generation.state, one.generation.truncation_reason) == ("TRUNCATED", "BUDGET")
    assert one.version
    assert CREDIT_MICROS * 0.9 < one.books.spent <= CREDIT_MICROS
    assert [event.data["cost"] for event in one.events if event.type is EventType.TRUNCATED] == [one.books.spent]


async def test_a_stand_in_whose_prompt_alone_costs_more_than_the_author_allows_is_not_asked(desk: Desk) -> None:
    await price(desk, "duo", channel="greedy", input_micros=10**12)
    await offer(desk, "cheap", "reset", "duo", priority=1)
    await offer(desk, "greedy", "ok", "duo", platform=True)
    job = await desk.start("duo", max_cost_micros=500_000)
    await desk.run(job)
    one = await desk.outcome(job)
    assert {call["channel"] for call in one.attempts[0].decision["calls"]} == {"cheap"}


async def test_an_extension_whose_answer_is_lost_is_not_made_twice(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await price(desk, "quint", channel="costly", output_micros=20_000_000)
    await offer(desk, "cheap", "reset", "quint", priority=1)
    await offer(desk, "costly", "ok:tokens=200,delay_ms=8", "quint", platform=True)
    right = GenerationRun._hold
    lost: list[int | None] = []

    async def hold(run: GenerationRun, micros: int) -> int | None:
        held = await right(run, micros)
        if not lost:
            lost.append(held)
            raise ConnectionResetError("the answer is lost")
        return held

    monkeypatch.setattr(GenerationRun, "_hold", hold)
    one = await desk.write("quint", max_cost_micros=4_000)
    kinds = [row.kind for row in await desk._rows("select kind from app.ledger_entries where tenant_id = :t")]
    assert (len(lost), kinds.count("EXTEND")) == (1, 1)
    assert one.books.spent <= 4_000


class Thinker:
    """Thinks for long before it writes, and is not asked how much that was."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        for _ in range(2_000):
            yield ReasoningChunk("thought ")
            await asyncio.sleep(0)
        yield TextChunk("So.")
        yield Finished(FinishReason.STOP)

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_what_a_model_thinks_counts_against_the_limit_like_what_it_writes(desk: Desk) -> None:
    await offer(desk, "thinker", "deep", "sage")
    worker = replace(desk.worker, provider_for=lambda _: Thinker())
    job = await desk.start("sage", max_cost_micros=1_000)
    await desk.run(job, worker)
    one = await desk.outcome(job)
    assert (one.generation.state, one.generation.truncation_reason) == ("TRUNCATED", "BUDGET")
    [(_, _, cost_micros)] = one.usage
    assert 900 <= cost_micros <= 1_010
