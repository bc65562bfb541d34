"""Searching knowledge bases through HTTP: what is found, who may look, what is refused, and the evidence of jobs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from adapters.embedder_hashed import HashedEmbedder
from domain.accounts import Role
from domain.ids import KnowledgeBaseId, UserId, new_id
from domain.knowledge.entities import Chunk, KnowledgeBase
from persistence.database import SET_TENANT, Database
from persistence.knowledge.search_tables import knowledge_evidence
from persistence.knowledge.vectors import PgVectorStore
from persistence.unit_of_work import Units
from schema.ids import decode_id, encode_id
from tests.graphql.clients import Person, Site
from tests.graphql.generations import start
from tests.persistence.vector_store_suite import PASSAGES, Shelf

SEARCH = """query ($input: KnowledgeSearchInput!) { knowledgeSearch(input: $input) {
  hits { rank text span { start end } page headingPath document { id title } chunk { id } knowledgeBase { id }
    scores { vectorRank keywordRank vectorScore keywordScore beforeRerank } }
  stages { name ms candidates }
} }"""


@pytest.fixture
async def shelf(alice: Person, units: Units, database: Database) -> Shelf:
    return Shelf(units, PgVectorStore(database.engine), HashedEmbedder(), alice.tenant_id)


@pytest.fixture
async def base(shelf: Shelf) -> KnowledgeBase:
    return (await shelf.filled())[0]


def asked(sought: str, *bases: KnowledgeBase, **more: Any) -> dict[str, Any]:
    return {"knowledgeBaseIds": [encode_id("KnowledgeBase", one.id) for one in bases], "query": sought, **more}


async def search(person: Person, sought: str, *bases: KnowledgeBase, **more: Any) -> Any:
    return await person(SEARCH, input=asked(sought, *bases, **more))


async def refusal(person: Person, sought: str, *bases: KnowledgeBase, **more: Any) -> str:
    return await person.code(SEARCH, input=asked(sought, *bases, **more))


async def document_text(admin: Database, chunk: Chunk) -> str:
    rows = await admin.platform_rows(
        text("select text from app.knowledge_documents where id = :id").bindparams(id=chunk.document_id)
    )
    return str(rows[0][0])


@pytest.mark.parametrize("mode", ["VECTOR", "KEYWORD", "HYBRID"])
async def test_a_hit_opens_the_passage_it_stands_for(
    alice: Person, admin: Database, shelf: Shelf, base: KnowledgeBase, mode: str
) -> None:
    found = await search(alice, "Who keeps the brass lantern?", base, mode=mode)
    hit, chunk = found["hits"][0], shelf.chunks[0]
    assert [one["rank"] for one in found["hits"]] == list(range(1, len(found["hits"]) + 1))
    assert (hit["text"], hit["page"], hit["headingPath"]) == (PASSAGES[0], 3, ["Part one"])
    assert (hit["document"]["title"], hit["chunk"]["id"]) == ("A document", encode_id("Chunk", chunk.id))
    assert hit["knowledgeBase"]["id"] == encode_id("KnowledgeBase", base.id)
    whole = await document_text(admin, chunk)
    for one in found["hits"]:
        assert whole[one["span"]["start"] : one["span"]["end"]] == one["text"]
    assert (hit["scores"], found["stages"]) == (None, [])


async def test_debugging_shows_ranks_scores_and_stages(alice: Person, base: KnowledgeBase) -> None:
    found = await search(alice, "brass lantern", base, debug=True, first=2)
    assert [one["name"] for one in found["stages"]] == [
        "embed", "store", "vector", "keyword", "passages", "rerank: word overlap",
    ]  # fmt: skip
    scores = found["hits"][0]["scores"]
    assert (scores["vectorRank"], scores["keywordRank"], scores["beforeRerank"]) == (1, 1, 1)
    assert 0 < scores["vectorScore"] <= 1 and scores["keywordScore"] > 0
    plain = await search(alice, "brass lantern", base, debug=True, rerank=False, mode="KEYWORD")
    assert [one["name"] for one in plain["stages"]] == ["store", "vector", "keyword", "passages"]
    assert {one["scores"]["vectorRank"] for one in plain["hits"]} == {None}


async def test_a_search_can_be_held_to_documents_and_goes_over_several_bases(
    alice: Person, shelf: Shelf, base: KnowledgeBase
) -> None:
    other = await shelf.base(name="other")
    chunks = await shelf.document(other, "A lantern of another base.", title="Another")
    await shelf.put(chunks)
    both = await search(alice, "lantern", base, other)
    assert {one["knowledgeBase"]["id"] for one in both["hits"]} == {
        encode_id("KnowledgeBase", one.id) for one in (base, other)
    }
    document_id = encode_id("Document", chunks[0].document_id)
    held = await search(alice, "lantern", base, other, documentIds=[document_id])
    assert [one["document"]["id"] for one in held["hits"]] == [document_id]


async def test_what_is_switched_off_deleted_or_of_a_deleted_document_is_not_shown(
    alice: Person, admin: Database, shelf: Shelf, base: KnowledgeBase
) -> None:
    off, gone, _ = chunks = await shelf.document(base, "lantern off", "lantern gone", "lantern stays")
    [dead] = await shelf.document(base, "lantern of a deleted document")
    await shelf.put([*chunks, dead])
    async with admin.engine.begin() as connection:
        await connection.execute(SET_TENANT, {"tenant": str(alice.tenant_id)})  # the feed of the index asks for it
        await connection.execute(text("update app.knowledge_chunks set enabled = false where id = :id"), {"id": off.id})
        await connection.execute(text("delete from app.knowledge_chunks where id = :id"), {"id": gone.id})
        await connection.execute(
            text("update app.knowledge_documents set deleted_at = now() where id = :id"), {"id": dead.document_id}
        )
    texts = {one["text"] for one in (await search(alice, "lantern", base, first=50))["hits"]}
    assert {one for one in texts if one not in PASSAGES} == {"lantern stays"}


async def test_limits_hold_at_their_edges(alice: Person, base: KnowledgeBase) -> None:
    assert (await search(alice, "x" * 1_000, base))["hits"]
    assert await refusal(alice, "x" * 1_001, base) == "TOO_LONG"
    assert await refusal(alice, " \n ", base) == "EMPTY"
    assert len((await search(alice, "lantern", base, first=1))["hits"]) == 1
    assert (await search(alice, "lantern", base, first=50))["hits"]
    for first in (0, 51):
        assert await refusal(alice, "lantern", base, first=first) == "BAD_USER_INPUT"
    assert await refusal(alice, "lantern") == "BAD_USER_INPUT"
    assert (await search(alice, "lantern", *[base] * 21))["hits"]  # named again and again it is one
    strangers = [replace(base, id=KnowledgeBaseId(new_id())) for _ in range(20)]
    assert await refusal(alice, "lantern", *strangers) == "NOT_FOUND"
    assert await refusal(alice, "lantern", base, *strangers) == "BAD_USER_INPUT"
    documents = [encode_id("Document", new_id()) for _ in range(101)]
    assert (await search(alice, "lantern", base, documentIds=documents[:100]))["hits"] == []
    assert await refusal(alice, "lantern", base, documentIds=documents) == "BAD_USER_INPUT"
    assert await refusal(alice, "lantern", base, documentIds=[encode_id("KnowledgeBase", base.id)]) == "BAD_USER_INPUT"


async def test_a_base_is_missing_for_strangers_and_one_of_a_user_for_everybody_else(
    site: Site, alice: Person, bob: Person, admin: Database, shelf: Shelf, base: KnowledgeBase
) -> None:
    assert await refusal(bob, "lantern", base) == "NOT_FOUND"
    viewer = await site.member(alice, Role.VIEWER)
    assert (await search(viewer, "lantern", base))["hits"]
    me = UserId(decode_id("User", (await alice("{ me { user { id } } }"))["user"]["id"]))
    own = await shelf.base(name="own", scope="USER")
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.knowledge_bases set owner_id = :me where id = :id"), {"me": me, "id": own.id}
        )
    assert (await search(alice, "lantern", own))["hits"] == []
    assert await refusal(viewer, "lantern", own) == "NOT_FOUND"
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.knowledge_bases set deleted_at = now() where id = :id"), {"id": base.id}
        )
    assert await refusal(alice, "lantern", base) == "NOT_FOUND"


async def test_a_model_that_nobody_offers_is_a_refusal(alice: Person, shelf: Shelf, admin: Database) -> None:
    base = await shelf.base()
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.knowledge_bases set embedding_model = 'nobodys' where id = :id"), {"id": base.id}
        )
    assert await refusal(alice, "lantern", base) == "NO_CHANNEL"
    assert (await search(alice, "lantern", base, mode="KEYWORD"))["hits"] == []


async def test_a_search_costs_more_than_a_list_and_says_so(alice: Person, base: KnowledgeBase) -> None:
    answer = await alice.ask(SEARCH, input=asked("lantern", base))
    assert 50 <= answer["extensions"]["cost"]["requested"] <= 200


async def test_a_jobs_evidence_is_read_by_its_aliases(
    alice: Person, bob: Person, admin: Database, shelf: Shelf, base: KnowledgeBase
) -> None:
    job = (await start(alice)).job_gid
    rows = [
        {
            "tenant_id": alice.tenant_id, "job_id": decode_id("Job", job), "alias": f"E{place}", "place": place,
            "chunk_id": one.id, "document_id": one.document_id, "quote": one.text, "start_char": one.start_char,
            "end_char": one.end_char, "used": place == 2,
        }
        for place, one in enumerate(shelf.chunks[:3], 1)
    ]  # fmt: skip
    async with admin.engine.begin() as connection:
        await connection.execute(knowledge_evidence.insert(), rows[::-1])
    query = """query ($id: ID!, $aliases: [String!]) { node(id: $id) { ... on Job {
      evidence(aliases: $aliases) { alias quote used span { start end } chunkId document { title } }
      generation { evidence { alias } } } } }"""
    found = await alice(query, id=job)
    assert [(one["alias"], one["quote"], one["used"]) for one in found["evidence"]] == [
        (row["alias"], row["quote"], row["used"]) for row in rows
    ]
    assert found["evidence"][1]["span"] == {"start": rows[1]["start_char"], "end": rows[1]["end_char"]}
    assert found["evidence"][0]["document"]["title"] == "A document"
    assert [one["alias"] for one in found["generation"]["evidence"]] == ["E1", "E2", "E3"]
    only = (await alice(query, id=job, aliases=["E2", "E9"]))["evidence"]
    assert [one["alias"] for one in only] == ["E2"]
    assert await bob(query, id=job) is None
