"""What searches and messages ask of a provider: recorded, charged once, and not asked where it cannot be paid."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from adapters.embedder_hashed import HashedEmbedder
from domain.billing import take_hold
from domain.channels.entities import PLATFORM_TENANT, Channel, ChannelModel, Modality, ProviderKind
from domain.ids import JobId, new_id
from domain.job_kinds import KINDS
from domain.jobs import QUEUES, Job, JobKind, JobState
from domain.knowledge.entities import KnowledgeBase
from domain.knowledge.search import SearchQuery
from domain.knowledge.vectors import IndexKey
from persistence.database import Database
from persistence.knowledge.vectors import PgVectorStore
from persistence.unit_of_work import Units
from schema.ids import encode_id
from tests.fakes.behaviour import Behaviour
from tests.fakes.openai_server import FakeOpenAI
from tests.graphql.clients import CREDIT_MICROS, Person, Site
from tests.graphql.talks import begin, send
from tests.graphql.test_knowledge_search import SEARCH
from tests.persistence.vector_store_suite import PASSAGES, Shelf

DIMENSIONS = 384
INPUT_MICROS, CALL_MICROS = 2_000_000, 50
RECORDS = """{ usageRecords(first: 50) { edges { node {
  kind model channel inputTokens cost { amount } jobId } } } jobs(first: 50) { edges { node { kind } } } }"""


class Server(FakeOpenAI):
    """Its vectors are as long as a store is ready for."""

    def embedded(self, body: dict[str, Any]) -> tuple[list[str], int | None]:
        return body["input"], DIMENSIONS


@dataclass
class Far:
    """A model behind a channel of the platform, for everybody, at a price of its own."""

    fake: FakeOpenAI
    channel: Channel
    price_id: Any
    units: Units
    database: Database
    admin: Database

    async def base(self, person: Person) -> KnowledgeBase:
        index = IndexKey(self.channel.models[0].name, DIMENSIONS)
        embedder = HashedEmbedder(DIMENSIONS)
        shelf = Shelf(self.units, PgVectorStore(self.database.engine), embedder, person.tenant_id)
        base = await shelf.base(model=index)
        await shelf.put(await shelf.document(base, *PASSAGES), index)
        return base

    async def rows(self, person: Person, statement: str) -> list[Any]:
        return list(await self.admin.platform_rows(text(statement).bindparams(tenant=person.tenant_id)))

    async def records(self, person: Person) -> list[Any]:
        return await self.rows(person, "select * from app.usage_records where tenant_id = :tenant order by booked_at")

    async def books(self, person: Person) -> dict[str, int]:
        """The wallet's accounts; no hold of it may be open, and its grants come to its credit."""
        [grants] = await self.rows(
            person, "select coalesce(sum(left_micros), 0) as left from app.grants where tenant_id = :tenant"
        )
        found = await self.rows(person, "select kind, balance from app.ledger_accounts where tenant_id = :tenant")
        books = {row.kind: int(row.balance) for row in found}
        assert books["HELD"] == 0 and books["AVAILABLE"] == grants.left
        assert sum(books.values()) == 0
        return books


@pytest.fixture
async def alice(site: Site) -> Person:
    return await site.tenant()


@pytest.fixture
async def far(units: Units, database: Database, admin: Database) -> AsyncIterator[Far]:
    name = f"far-{secrets.token_hex(4)}"
    async with Server() as fake:
        model = ChannelModel(name, "fake-embed", modalities=(Modality.EMBEDDING.value,))
        channel = Channel.offering(name, ProviderKind.OPENAI_COMPATIBLE, model, base_url=fake.base_url)
        async with admin.engine.begin() as connection:
            price_id = await connection.scalar(
                text(
                    "insert into app.prices (id, model, channel, input_micros, cached_input_micros, output_micros, "
                    "per_call_micros, valid_from) values (gen_random_uuid(), :name, :name, :input, 0, 0, :call, "
                    "now() - interval '1 day') returning id"
                ),
                {"name": name, "input": INPUT_MICROS, "call": CALL_MICROS},
            )
        async with units(PLATFORM_TENANT) as uow:
            await uow.channels.add(channel)
        yield Far(fake, channel, price_id, units, database, admin)
        async with units(PLATFORM_TENANT) as uow:
            kept = await uow.channels.channel(channel.id)
            assert kept is not None
            kept.enabled = False


async def found(person: Person, base: KnowledgeBase, words: str, **more: Any) -> Any:
    given = {"knowledgeBaseIds": [encode_id("KnowledgeBase", base.id)], "query": words, **more}
    return await person(SEARCH, input=given)


async def refused(person: Person, base: KnowledgeBase, words: str, **more: Any) -> str:
    given = {"knowledgeBaseIds": [encode_id("KnowledgeBase", base.id)], "query": words, **more}
    return await person.code(SEARCH, input=given)


def due(tokens: int) -> int:
    return tokens * INPUT_MICROS // 1_000_000 + CALL_MICROS


async def test_a_search_is_recorded_and_charged_once_however_often_it_is_repeated(alice: Person, far: Far) -> None:
    base = await far.base(alice)
    for _ in range(3):
        assert (await found(alice, base, "brass lantern"))["hits"]
    [record] = await far.records(alice)
    assert (record.kind, record.model, record.channel) == ("EMBED", far.channel.name, far.channel.name)
    assert (record.channel_id, record.price_id, record.billed) == (far.channel.id, far.price_id, True)
    assert (record.user_id, record.input_tokens > 0) == (alice.user_id, True)
    assert len(far.fake.exchanges) == 1
    await found(alice, base, "salt")
    records = await far.records(alice)
    books = await far.books(alice)
    assert books["SPENT"] == sum(one.cost_micros for one in records) == sum(due(one.input_tokens) for one in records)
    assert (len(records), books["OVERRUN"], books["AVAILABLE"]) == (2, 0, CREDIT_MICROS - books["SPENT"])
    said = await alice(RECORDS)
    assert [edge["node"]["kind"] for edge in said["usageRecords"]["edges"]] == ["EMBED"] * 2
    assert said["jobs"]["edges"] == [], "searches are no work that one waits for"


async def test_a_message_with_a_base_pays_for_its_search_and_a_replay_does_not(alice: Person, far: Far) -> None:
    base = await far.base(alice)
    talk = await begin(alice, knowledgeBaseIds=[encode_id("KnowledgeBase", base.id)])
    for _ in range(2):
        await send(alice, talk, "Who keeps the brass lantern?", idempotencyKey="one")
    [record] = await far.records(alice)
    assert (record.kind, record.cost_micros) == ("EMBED", due(record.input_tokens))
    assert len(far.fake.exchanges) == 1


async def test_without_credit_nothing_is_asked_and_words_are_looked_for(site: Site, far: Far) -> None:
    poor = await site.tenant(credit_micros=CALL_MICROS)
    base = await far.base(poor)
    answer = await found(poor, base, "brass lantern", debug=True)
    assert answer["hits"] and answer["stages"][0]["name"] == "embed: refused, by words alone"
    assert await refused(poor, base, "brass lantern", mode="VECTOR") == "QUOTA_EXHAUSTED"
    assert (far.fake.exchanges, await far.records(poor)) == ([], [])
    assert (await far.books(poor))["AVAILABLE"] == CALL_MICROS


async def test_many_searches_at_once_cost_no_more_than_there_is(site: Site, far: Far) -> None:
    poor = await site.tenant(credit_micros=3 * CALL_MICROS + 200)
    base = await far.base(poor)
    await asyncio.gather(*(found(poor, base, f"lantern {n}") for n in range(12)))
    records, books = await far.records(poor), await far.books(poor)
    assert 1 <= len(records) < 12 and len(far.fake.exchanges) == len(records)
    assert books["SPENT"] == sum(one.cost_micros for one in records)
    assert books["OVERRUN"] == books["COST"] == 0


async def test_a_budget_holds_for_searches(site: Site, alice: Person, far: Far) -> None:
    base = await far.base(alice)
    set_ = "mutation($input: BudgetSetInput!) { budgetSet(input: $input) { budget { id } userErrors { code } } }"
    given = {"subject": "TENANT", "period": "DAY", "limit": "0.00001"}
    assert (await alice(set_, input=given))["userErrors"] == []
    assert await refused(alice, base, "lantern", mode="VECTOR") == "BUDGET_EXCEEDED"
    assert far.fake.exchanges == []


async def test_a_provider_that_fails_costs_nothing_and_is_a_code_that_says_try_again(alice: Person, far: Far) -> None:
    base = await far.base(alice)
    far.fake.behaviour = Behaviour("status", status=503)
    assert await refused(alice, base, "lantern", mode="VECTOR") == "MODEL_UNAVAILABLE"
    assert (await found(alice, base, "lantern"))["hits"]
    assert len(far.fake.exchanges) == 2, "one try each"
    assert (await far.records(alice), (await far.books(alice))["AVAILABLE"]) == ([], CREDIT_MICROS)


async def test_who_does_not_wait_for_a_search_gets_back_what_was_held_for_it(
    site: Site, alice: Person, far: Far
) -> None:
    base = await far.base(alice)
    far.fake.behaviour = Behaviour("hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await site.api.services.retriever.search(alice.tenant_id, alice.user_id, SearchQuery((base.id,), "lantern"))
    assert len(far.fake.exchanges) == 1
    assert (await far.records(alice), (await far.books(alice))["AVAILABLE"]) == ([], CREDIT_MICROS)


async def test_what_a_dead_process_held_for_a_search_is_given_back(alice: Person, far: Far, units: Units) -> None:
    kind = JobKind.KNOWLEDGE_SEARCH
    job = Job(alice.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=alice.user_id)
    async with units(alice.tenant_id) as uow:
        await uow.jobs.begin(job, 0.0)
        await take_hold(uow.billing, job.id, 500)
    for state in (JobState.FAILED, None):
        async with units(alice.tenant_id) as uow:
            assert await KINDS[kind].recover(uow, job.id) is state
    assert (await far.books(alice))["AVAILABLE"] == CREDIT_MICROS
    for mutation in ("jobCancel", "jobRetry"):
        more = {"idempotencyKey": "k"} if mutation == "jobRetry" else {}
        answer = await alice.mutate(mutation, "userErrors { code }", id=encode_id("Job", job.id), **more)
        assert [one["code"] for one in answer["userErrors"]] == ["INVALID_STATE"]
