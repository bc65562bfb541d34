"""What a generation may cost, held to while it is written."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from domain.billing import Price, Usage, cost
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from domain.events import EventType
from domain.ids import new_id
from domain.text import estimated_tokens
from tests.workers.desk import CREDIT_MICROS, Desk, Outcome
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
    async with desk.admin.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into app.prices (id, model, channel, input_micros, cached_input_micros, output_micros) "
                "values (:id, 'pair', 'dear', 5000000, 1250000, 20000000)"
            ),
            {"id": new_id()},
        )
    for name, upstream, priority in (("cheap", "reset", 1), ("dear", "ok:tokens=300,delay_ms=8", 0)):
        model = ChannelModel("pair", upstream)
        channel = Channel.offering(
            name, ProviderKind.OPENAI_COMPATIBLE, model, tenant_id=desk.tenant_id, base_url=desk.fake.base_url,
            priority=priority,
        )  # fmt: skip
        async with desk.units(desk.tenant_id) as uow:
            await uow.channels.add(channel)
    one = await desk.write("pair")
    assert (one.generation.state, one.generation.channel, one.books.overrun) == ("COMPLETED", "dear", 0)
    kinds = [row.kind for row in await desk._rows("select kind from app.ledger_entries where tenant_id = :t")]
    assert kinds.count("EXTEND") == 1
    assert one.books.available + one.books.spent == CREDIT_MICROS
