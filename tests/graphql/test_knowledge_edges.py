"""What stands on what in knowledge bases, what goes when it goes, and how much there may be."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from app.relay import knowledge_duties
from app.settings import Settings
from domain.accounts import Role
from domain.conversations.service import GROUPS_MAX
from domain.ids import new_id
from domain.knowledge.documents import DOCUMENTS_MAX
from domain.knowledge.service import BASES_MAX, OWN_BASES_MAX
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from schema.ids import decode_id
from tests.graphql.clients import Person, Site
from tests.graphql.test_knowledge import CHUNKS, DOCUMENT, ingested, job_of, new_base, read, take_in
from tests.graphql.uploading import uploaded
from workers.ingestion import run_job
from workers.runtime import Runtime

HELD = text(
    "select (select count(*) from app.knowledge_chunks where document_id = :d) chunks, "
    "(select count(*) from app.chunk_vectors where document_id = :d) vectors"
)

TEXT = text("select text, pages, characters, chunk_count from app.knowledge_documents where id = :d")


@pytest.fixture
async def due(settings: Settings) -> AsyncIterator[DueTenants]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=0)
    yield DueTenants(engine)
    await engine.dispose()


async def held(admin: Database, document: str) -> tuple[int, int]:
    [row] = await admin.platform_rows(HELD.bindparams(d=decode_id("Document", document)))
    return row.chunks, row.vectors


@pytest.mark.parametrize("ending", ["documentDelete", "knowledgeBaseDelete"])
async def test_a_file_stays_while_a_document_stands_on_it(alice: Person, runtime: Runtime, ending: str) -> None:
    base = await new_base(alice)
    file = await uploaded(alice, "tide.md", f"The tide turns at {ending}. ".encode() * 9)
    made = await take_in(alice, base, text=None, fileId=file["id"])
    await run_job(runtime, alice.tenant_id, job_of(made["document"]))
    document = made["document"]["id"]
    assert await alice.refusal("fileDelete", id=file["id"]) == ("INVALID_STATE", ["input", "id"])
    again = await alice.mutate(
        "documentReingest", f"document {{ {DOCUMENT} }}", id=document, idempotencyKey=secrets.token_hex(8)
    )
    await run_job(runtime, alice.tenant_id, job_of(again["document"]))
    assert (await read(alice, document))["state"] == "READY"
    await alice.mutate(ending, id=document if ending == "documentDelete" else base)
    assert (await alice.mutate("fileDelete", id=file["id"]))["userErrors"] == []


@pytest.mark.parametrize("ending", ["documentDelete", "knowledgeBaseDelete"])
async def test_what_was_found_by_a_deleted_document_is_hidden_at_once_and_freed_by_the_clock(
    alice: Person, runtime: Runtime, admin: Database, due: DueTenants, ending: str
) -> None:
    base = await new_base(alice)
    document = await ingested(alice, runtime, base)
    chunks, vectors = await held(admin, document["id"])
    assert chunks == vectors == document["chunkCount"] > 0
    chunk = (await alice(CHUNKS, id=document["id"]))["chunks"]["edges"][0]["node"]["id"]
    found = "query ($input: KnowledgeSearchInput!) { knowledgeSearch(input: $input) { hits { rank } } }"
    asked = {"knowledgeBaseIds": [base], "query": "灯", "mode": "KEYWORD"}
    assert (await alice(found, input=asked))["hits"] != []
    await alice.mutate(ending, id=document["id"] if ending == "documentDelete" else base)
    assert await held(admin, document["id"]) == (chunks, vectors)
    assert await alice("query ($id: ID!) { node(id: $id) { id } }", id=chunk) is None
    if ending == "documentDelete":
        assert (await alice(found, input=asked))["hits"] == []
    assert await knowledge_duties(due, alice.site.api.services.units)["documents.forget"].run() > 0
    assert await held(admin, document["id"]) == (0, 0)
    [row] = await admin.platform_rows(TEXT.bindparams(d=decode_id("Document", document["id"])))
    assert tuple(row) == ("", [], 0, 0)


# -- how much there may be -------------------------------------------------------------------------------------------


async def filled(admin: Database, statement: str, count: int, **values: Any) -> None:
    """Rows that a statement makes of fresh ids `ids`."""
    async with admin.engine.begin() as connection:
        await connection.execute(text(statement), {"ids": [new_id() for _ in range(count)], **values})


async def test_a_tenant_has_at_most_five_hundred_bases(site: Site, admin: Database) -> None:
    person = await site.tenant()
    await filled(
        admin,
        "insert into app.knowledge_bases (tenant_id, id, name, owner_id, embedding_model, dimensions, chunk_policy, "
        "retrieval_policy) select :t, one, 'Base', :o, 'hash', 384, '{}', '{}' from unnest(cast(:ids as uuid[])) one",
        BASES_MAX - 1, t=person.tenant_id, o=person.user_id,
    )  # fmt: skip
    last = await new_base(person)
    given = {"name": "One more", "embeddingModel": "hash"}
    assert (await person.refusal("knowledgeBaseCreate", **given))[0] == "LIMIT_REACHED"
    await person.mutate("knowledgeBaseDelete", id=last)
    await new_base(person)


async def test_somebodys_own_bases_are_counted_for_themselves(site: Site, admin: Database) -> None:
    person = await site.tenant()
    await filled(
        admin,
        "insert into app.knowledge_bases (tenant_id, id, name, scope, owner_id, embedding_model, dimensions, chunk_policy, "
        "retrieval_policy) select :t, one, 'Base', 'USER', :o, 'hash', 384, '{}', '{}' from unnest(cast(:ids as uuid[])) one",
        OWN_BASES_MAX - 1, t=person.tenant_id, o=person.user_id,
    )  # fmt: skip
    await new_base(person, scope="USER")
    given = {"name": "One more", "embeddingModel": "hash", "scope": "USER"}
    assert (await person.refusal("knowledgeBaseCreate", **given))[0] == "LIMIT_REACHED"
    await new_base(person)
    await new_base(await site.member(person, Role.AUTHOR), scope="USER")


async def test_a_base_has_at_most_five_thousand_documents(site: Site, admin: Database) -> None:
    person = await site.tenant()
    base = await new_base(person)
    await filled(
        admin,
        "insert into app.knowledge_documents (tenant_id, id, base_id, title, mime, content_hash, state) "
        "select :t, one, :b, 'A page', 'text/plain', uuid_send(one), 'READY' from unnest(cast(:ids as uuid[])) one",
        DOCUMENTS_MAX - 1, t=person.tenant_id, b=decode_id("KnowledgeBase", base),
    )  # fmt: skip
    last = await take_in(person, base, "The last page.")
    assert last["userErrors"] == []
    refused = await take_in(person, base, "One page more.")
    assert [one["code"] for one in refused["userErrors"]] == ["LIMIT_REACHED"]
    await person.mutate("documentDelete", id=last["document"]["id"])
    assert (await take_in(person, base, "One page more."))["userErrors"] == []


async def test_somebody_has_at_most_two_hundred_groups(site: Site, admin: Database) -> None:
    person = await site.tenant()
    await filled(
        admin,
        "insert into app.conversation_groups (tenant_id, id, owner_id, name, position) select :t, one, :o, 'Shelf', "
        "'V' || lpad(n::text, 4, '0') from unnest(cast(:ids as uuid[])) with ordinality as made (one, n)",
        GROUPS_MAX - 1, t=person.tenant_id, o=person.user_id,
    )  # fmt: skip
    last = await person.mutate("conversationGroupCreate", "conversationGroup { id }", name="The last")
    assert last["userErrors"] == []
    assert (await person.refusal("conversationGroupCreate", name="One more"))[0] == "LIMIT_REACHED"
    await person.mutate("conversationGroupDelete", id=last["conversationGroup"]["id"])
    assert (await person.mutate("conversationGroupCreate", name="One more"))["userErrors"] == []
