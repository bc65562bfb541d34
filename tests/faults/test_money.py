"""The books after a bad quarter of an hour: a worker is killed, connections are cut, authors change their minds."""

from __future__ import annotations

import asyncio
from typing import Any

from domain.text import estimated_tokens
from schema.ids import decode_id
from tests.fakes.behaviour import Exchange
from tests.faults.author import Author, Started
from tests.faults.books import imbalances
from tests.faults.figures import measured
from tests.faults.product import Product, eventually
from tests.faults.provider import Provider
from tests.pace import slowness

TOKENS, DELAY_MS = 200, 40
RATE_S = 1000 / DELAY_MS
NOTICED_S = 0.2
WRITTEN = 20
"""Tokens that a provider has sent by when a text is surely there to be kept, and so to be paid."""
FATES = {
    "whole": "ok",
    "cut": "cut:after=80,times=2",  # the first may be the one that the worker's end stops before it is cut
    "refused": "status:status=503,times=1",
    "cancelled": "ok",
    "uncounted": "no_usage",
}
EACH = 2

_RECORDS = """
select a.number, a.text, u.kind, u.billed, u.source, u.output_tokens, u.cost_micros
from app.usage_records u
join app.generations g on g.tenant_id = u.tenant_id and g.job_id = u.job_id
join app.attempts a on a.tenant_id = g.tenant_id and a.generation_id = g.id and a.number = u.attempt
where u.job_id = $1 order by u.attempt, u.kind
"""
_SPENT = """
select coalesce(sum(p.micros), 0) from app.ledger_postings p
join app.ledger_entries e on e.tenant_id = p.tenant_id and e.id = p.entry_id
where e.job_id = $1 and p.account = 'SPENT'
"""
_ENDS = "select count(*) from app.ledger_entries where job_id = $1 and kind in ('SETTLE', 'RELEASE')"


def model_of(fate: str, number: int) -> str:
    """Its own for each, so that what the provider sent can be told apart."""
    return f"{FATES[fate]}{',' if ':' in FATES[fate] else ':'}tokens={TOKENS + number},delay_ms={DELAY_MS}"


async def test_every_token_is_billed_once_whatever_broke(product: Product, provider: Provider, author: Author) -> None:
    chapter = await author.new_chapter()
    started: dict[str, tuple[str, Started]] = {}
    for number, fate in enumerate([fate for fate in FATES for _ in range(EACH)]):
        model = model_of(fate, number)
        started[model] = fate, await author.start(chapter, model=model)

    async def under_way() -> bool:
        writing = [one for one in provider.exchanges if one.tokens_sent >= WRITTEN and one.ended_at is None]
        return len(writing) >= EACH

    await eventually(under_way, "generations under way", 30)
    product.strike("worker")
    await product.recovered()
    cancelled = {model: one for model, (fate, one) in started.items() if fate == "cancelled"}

    async def writing() -> bool:
        """All of them, behind the burst of work with which a worker takes up what another has left."""
        last = [exchanges[-1] for model in cancelled if (exchanges := provider.exchanges_of(model))]
        return all(one.tokens_sent >= WRITTEN and one.ended_at is None for one in last)

    await eventually(writing, "the generations to be cancelled are written again", 30)
    behind = [await cancel(author, provider, model, one) for model, one in cancelled.items()]
    measured("tokens that the provider sent behind the answer to a cancel, at most", max(behind))
    assert max(behind) <= RATE_S * NOTICED_S * slowness() + 2
    for fate, one in started.values():
        await author.job_state(one, "CANCELLED" if fate == "cancelled" else "SUCCEEDED")
    cuts = [
        [one.ending for one in provider.exchanges_of(model)] for model, (fate, _) in started.items() if fate == "cut"
    ]
    assert all("fault" in endings for endings in cuts), cuts
    for model, (_, one) in started.items():
        await check(author, one, provider.exchanges_of(model))
    assert await imbalances(author) == []


async def cancel(author: Author, provider: Provider, model: str, one: Started) -> int:
    """How many tokens the provider sent after the answer to the cancel."""
    await author.cancel(one)
    last = provider.exchanges_of(model)[-1]
    before = last.tokens_sent
    async with asyncio.timeout(10):
        await last.ended.wait()
    return last.tokens_sent - before


async def check(author: Author, one: Started, exchanges: list[Exchange]) -> None:
    job_id = decode_id("Job", one.job_id)
    async with author.database() as connection:
        records: list[Any] = await connection.fetch(_RECORDS, job_id)
        spent, ends = await connection.fetchval(_SPENT, job_id), await connection.fetchval(_ENDS, job_id)
    assert ends == 1
    assert [record["number"] for record in records] == [*range(1, len(records) + 1)]
    assert {record["kind"] for record in records} == {"LLM"}
    [billed] = [record for record in records if record["billed"]]
    assert billed is records[-1]
    assert spent == billed["cost_micros"]
    received = len(billed["text"].split())
    if billed["source"] == "PROVIDER_FINAL":
        assert billed["output_tokens"] == received == exchanges[-1].tokens_sent
    else:
        assert billed["output_tokens"] == estimated_tokens(billed["text"])
        assert received <= exchanges[-1].tokens_sent
