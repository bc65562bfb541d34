"""From a text that is taken in to the words that an answer cites, with the retriever that searches for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from domain.knowledge.retrieval import KnowledgeRetriever, Recent
from persistence.database import Database
from schema.ids import decode_id, encode_id
from tests.graphql.clients import Person, Site
from tests.graphql.generations import start
from tests.graphql.library import HARBOUR, TEA
from tests.graphql.talks import begin, path_of, said, send, written
from tests.graphql.test_knowledge import CHUNKS, DOCUMENT, ingested, job_of, new_base, read
from workers.ingestion import run_job
from workers.runtime import Runtime

SPAN = (
    "query($id: ID!, $start: Int!, $end: Int!) { node(id: $id) { ... on Document { text(start: $start, end: $end) } } }"
)
EVIDENCE = """query($id: ID!) { node(id: $id) { ... on Message { generation {
  id evidence { alias quote used document { id } } job { id evidence { quote used } } } } } }"""
OF_JOB = "query($id: ID!) { node(id: $id) { ... on Job { id evidence { quote } } } }"


@pytest.fixture(scope="module", autouse=True)
def searched(site: Site) -> None:
    assert isinstance(site.api.services.retriever, KnowledgeRetriever)


async def library(person: Person, runtime: Runtime, **more: Any) -> tuple[str, dict[str, str]]:
    """A base with two documents: (its id, their ids by title)."""
    base = await new_base(person, chunkPolicy={"size": 100, "overlap": 0}, **more)
    kept = {}
    for title, words in (("Harbour", HARBOUR), ("茶山", TEA)):
        document = await ingested(person, runtime, base, words, title=title)
        assert document["state"] == "READY" and document["chunkCount"] > 1
        kept[title] = document["id"]
    return base, kept


async def answered(person: Person, runtime: Runtime, base: str, question: str) -> Any:
    """The answer, each of whose citations stands in its document where it says."""
    talk = await begin(person, knowledgeBaseIds=[base])
    await said(person, runtime, talk, question)
    answer = (await path_of(person, talk))[-1]
    assert answer["citations"], answer["text"]
    for one in answer["citations"]:
        found = await person(SPAN, id=one["document"]["id"], **one["span"])
        assert found["text"] == one["quote"] != ""
        assert answer["text"][one["place"]["start"] : one["place"]["end"]] == f"[{one['marker']}]"
    return answer


@pytest.mark.parametrize(
    ("question", "quote", "title"),
    [
        ("Who is the keeper of the lighthouse on the rock?", "Mira Vale", "Harbour"),
        ("How often does the horn sound in fog?", "twice a minute", "Harbour"),
        ("茶园由谁照看？", "林岚一家", "茶山"),
        ("秋天的茶会请几位客人？", "九位客人", "茶山"),
    ],
)
async def test_what_is_asked_is_answered_from_the_documents_own_words(
    alice: Person, runtime: Runtime, question: str, quote: str, title: str
) -> None:
    base, documents = await library(alice, runtime)
    answer = await answered(alice, runtime, base, question)
    first = answer["citations"][0]
    assert (first["document"]["id"], first["document"]["title"]) == (documents[title], title)
    assert quote in first["quote"]
    evidence = (await alice(EVIDENCE, id=answer["id"]))["generation"]["evidence"]
    assert {one["alias"] for one in evidence if one["used"]} == {f"E{one['marker']}" for one in answer["citations"]}


async def test_an_edited_chunk_is_found_by_its_new_words_and_quoted_by_the_documents(
    alice: Person, runtime: Runtime
) -> None:
    base, documents = await library(alice, runtime)
    found = await alice(CHUNKS, id=documents["Harbour"], first=50)
    chunk = next(edge["node"] for edge in found["chunks"]["edges"] if "horn" in edge["node"]["text"])
    edited = await alice.mutate(
        "chunkUpdate", f"chunk {{ id document {{ {DOCUMENT} }} }}", id=chunk["id"],
        text="In fog the klaxon sounds ten times.",
    )  # fmt: skip
    await run_job(runtime, alice.tenant_id, job_of(edited["chunk"]["document"]))
    assert (await read(alice, documents["Harbour"]))["state"] == "READY"
    answer = await answered(alice, runtime, base, "How often does the klaxon sound in fog?")
    assert "ten times" in answer["text"]
    assert all("klaxon" not in one["quote"] for one in answer["citations"])
    first = answer["citations"][0]
    span = chunk["span"]
    assert span["start"] <= first["span"]["start"] < first["span"]["end"] <= span["end"]


# -- for whose eyes --------------------------------------------------------------------------------------------------


async def test_evidence_of_a_conversation_is_its_authors_alone(
    site: Site, alice: Person, bob: Person, runtime: Runtime
) -> None:
    base, _ = await library(alice, runtime)
    answer = await answered(alice, runtime, base, "Who is the keeper of the lighthouse?")
    job = (await alice(EVIDENCE, id=answer["id"]))["generation"]["job"]
    assert job["evidence"]
    colleague = await site.member(alice, Role.ADMIN)
    seen = await colleague(OF_JOB, id=job["id"])
    assert seen is None or seen["evidence"] == []
    assert await bob(OF_JOB, id=job["id"]) is None
    assert (await alice(OF_JOB, id=job["id"]))["evidence"] == [{"quote": one["quote"]} for one in job["evidence"]]


async def test_evidence_of_a_base_for_one_user_is_for_his_eyes(
    site: Site, alice: Person, runtime: Runtime, admin: Database
) -> None:
    base, documents = await library(alice, runtime, scope="USER")
    job = (await start(alice)).job_gid
    document = documents["Harbour"]
    async with admin.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into app.knowledge_evidence (tenant_id, job_id, alias, place, chunk_id, document_id, quote, "
                "start_char, end_char) values (:t, :j, 'E1', 1, :d, :d, 'Her own notes.', 0, 14)"
            ),
            {"t": alice.tenant_id, "j": decode_id("Job", job), "d": decode_id("Document", document)},
        )
    colleague = await site.member(alice, Role.ADMIN)
    assert (await alice(OF_JOB, id=job))["evidence"] == [{"quote": "Her own notes."}]
    assert (await colleague(OF_JOB, id=job))["evidence"] == []
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.knowledge_bases set scope = 'TENANT' where id = :id"),
            {"id": decode_id("KnowledgeBase", base)},
        )
    assert (await colleague(OF_JOB, id=job))["evidence"] == [{"quote": "Her own notes."}]


# -- what is not looked up ---------------------------------------------------------------------------------------------


class Hangs:
    """An embedding model that never answers."""

    offer = None

    def __init__(self) -> None:
        self.asked = 0

    async def find(self, *_: object) -> Hangs:
        return self

    async def embed(self, *_: object, **__: object) -> None:
        self.asked += 1
        await asyncio.Event().wait()


@pytest.fixture
def hangs(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hangs]:
    monkeypatch.setattr("domain.conversations.retrieving.LOOK_UP_S", 0.3)
    one, services = Hangs(), site.api.services
    before = services.retriever
    object.__setattr__(services, "retriever", replace(before, embedders=one, asked=Recent()))  # type: ignore[type-var]
    yield one
    object.__setattr__(services, "retriever", before)


async def test_an_embedder_that_never_answers_keeps_no_message(alice: Person, runtime: Runtime, hangs: Hangs) -> None:
    talk = await begin(alice, knowledgeBaseIds=[await new_base(alice)])
    accepted = await said(alice, runtime, talk, "Who is the keeper of the lighthouse?")
    assert hangs.asked == 1
    query = "query($id: ID!) { node(id: $id) { ... on Generation { receipt { items { slot decision reason } } } } }"
    items = (await alice(query, id=accepted["generation"]["id"]))["receipt"]["items"]
    assert {"slot": "PASSAGE", "decision": "UNAVAILABLE", "reason": "they could not be looked up"} in items
    assert (await path_of(alice, talk))[-1]["state"] == "COMPLETE"


async def test_nothing_is_looked_up_for_what_was_sent_before_or_may_not_be_sent(
    alice: Person, runtime: Runtime, admin: Database, hangs: Hangs
) -> None:
    talk = await begin(alice, knowledgeBaseIds=[await new_base(alice)])
    question = "Who is the keeper of the lighthouse?"
    first = await send(alice, talk, question, idempotencyKey="one")
    assert hangs.asked == 1
    again = await send(alice, talk, question, idempotencyKey="one")
    assert again["replayed"] and again["generation"]["id"] == first["generation"]["id"]
    assert (await send(alice, talk, f"{question} " * 10_000))["code"] == "TOO_LONG"
    assert (await send(alice, talk, "No, who?", idempotencyKey="one"))["code"] == "IDEMPOTENCY_CONFLICT"
    assert (await send(alice, encode_id("Conversation", alice.tenant_id), question))["code"] == "NOT_FOUND"
    await written(alice, runtime, first)
    async with admin.engine.begin() as connection:
        broke = text("update app.ledger_accounts set balance = 0 where tenant_id = :t and kind = 'AVAILABLE'")
        await connection.execute(broke, {"t": alice.tenant_id})
    assert (await send(alice, talk, question))["__typename"] == "QuotaExhausted"
    assert hangs.asked == 1
