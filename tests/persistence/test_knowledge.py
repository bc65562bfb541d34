"""Bases, documents and chunks in PostgreSQL: what the store promises, and what the database refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from domain.accounts import GRANTS, Actor, Role
from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId, UserId, new_id
from domain.knowledge.documents import delete_base, forget_deleted
from domain.knowledge.entities import Chunk, Document, DocumentErrorCode, DocumentState, KnowledgeBase
from domain.knowledge.pieces import text_hash
from domain.knowledge.policies import ChunkPolicy, RetrievalPolicy
from persistence.database import Database
from persistence.knowledge.store import WRITTEN_AT_ONCE
from persistence.unit_of_work import Units


@pytest.fixture
async def tenant(admin: Database) -> TenantId:
    tenant_id = TenantId(new_id())
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("insert into app.tenants (tenant_id, slug, name) values (:id, :slug, 'x')"),
            {"id": tenant_id, "slug": str(tenant_id)},
        )
    return tenant_id


async def base_of(units: Units, tenant: TenantId) -> KnowledgeBase:
    base = KnowledgeBase(
        tenant, KnowledgeBaseId(new_id()), "Papers", UserId(new_id()), "hash", 384, ChunkPolicy().to_json(),
        RetrievalPolicy().to_json(),
    )  # fmt: skip
    async with units(tenant) as uow:
        await uow.knowledge.add(base)
    return base


def document_of(base: KnowledgeBase, content: bytes = b"content", **values: Any) -> Document:
    return Document(base.tenant_id, SourceDocumentId(new_id()), base.id, "T", "text/plain", content, **values)


def chunks_of(document: Document, *texts: str) -> list[Chunk]:
    return [
        Chunk(
            document.tenant_id, ChunkId(new_id()), document.base_id, document.id, n, said, n, n + 1, len(said),
            text_hash(said), ["One", "Two"],
        )
        for n, said in enumerate(texts)
    ]  # fmt: skip


async def test_chunks_are_replaced_whole_and_read_back_as_they_were(units: Units, tenant: TenantId) -> None:
    document = document_of(await base_of(units, tenant), text="whole text")
    async with units(tenant) as uow:
        await uow.knowledge.add(document)
        await uow.knowledge.replace_chunks(document, chunks_of(document, "old"))
    new = chunks_of(document, "雨下了一夜", "灯还亮着", "more")
    async with units(tenant) as uow:
        await uow.knowledge.replace_chunks(document, new)
    async with units(tenant) as uow:
        assert await uow.knowledge.text(document.id) == "whole text"
        found = await uow.knowledge.unindexed(document.id, 2)
        assert [(one.id, one.text, one.heading_path) for one in found] == [
            (one.id, one.text, ["One", "Two"]) for one in new[:2]
        ]
        assert await uow.knowledge.unindexed_tokens(document.id) == (3, sum(one.tokens for one in new))


async def test_others_have_their_turn_while_many_chunks_are_written(units: Units, tenant: TenantId) -> None:
    document = document_of(await base_of(units, tenant))
    taken, seen = 0, set()

    def coming() -> Iterator[Chunk]:
        nonlocal taken
        for one in chunks_of(document, *map(str, range(4 * WRITTEN_AT_ONCE))):
            taken += 1
            yield one

    async def watch() -> None:
        while True:
            seen.add(taken)
            await asyncio.sleep(0)

    async with units(tenant) as uow:
        await uow.knowledge.add(document)
        watching = asyncio.create_task(watch())
        await uow.knowledge.replace_chunks(document, coming())
        watching.cancel()
    assert {n * WRITTEN_AT_ONCE for n in range(1, 5)} <= seen


async def test_a_chunk_that_was_changed_meanwhile_is_not_taken_for_indexed(units: Units, tenant: TenantId) -> None:
    base = await base_of(units, tenant)
    document = document_of(base)
    async with units(tenant) as uow:
        await uow.knowledge.add(document)
        await uow.knowledge.replace_chunks(document, chunks_of(document, "one", "two", "three"))
    async with units(tenant) as uow:
        read = await uow.knowledge.unindexed(document.id, 10)
    async with units(tenant) as uow:
        edited, switched = [await uow.knowledge.chunk(one.id, lock=True) for one in read[:2]]
        assert edited is not None and switched is not None
        edited.text, edited.text_hash, switched.enabled = "other", text_hash("other"), False
    async with units(tenant) as uow:
        await uow.knowledge.mark_indexed(read, base)
    async with units(tenant) as uow:
        left = await uow.knowledge.unindexed(document.id, 10)
    assert [(one.text, one.enabled) for one in left] == [("other", True), ("two", False)]


async def test_a_novels_text_is_not_fetched_with_every_look_at_its_state(units: Units, tenant: TenantId) -> None:
    document = document_of(await base_of(units, tenant), text="x" * 1_000)
    async with units(tenant) as uow:
        await uow.knowledge.add(document)
    async with units(tenant) as uow:
        found = await uow.knowledge.document(document.id, lock=True)
        assert found is not None
        with pytest.raises(Exception, match="raiseload"):
            _ = found.text
        found.text = "new"  # which writes it all the same
    async with units(tenant) as uow:
        assert await uow.knowledge.text(document.id) == "new"


async def test_a_base_has_one_living_document_of_a_content(units: Units, tenant: TenantId) -> None:
    base, other = await base_of(units, tenant), await base_of(units, tenant)
    first = document_of(base)
    async with units(tenant) as uow:
        await uow.knowledge.add(first)
        await uow.knowledge.add(document_of(other))
        assert await uow.knowledge.has_content(base.id, b"content")
    with pytest.raises(IntegrityError, match="knowledge_documents_one_live_idx"):
        async with units(tenant) as uow:
            await uow.knowledge.add(document_of(base))
    async with units(tenant) as uow:
        found = await uow.knowledge.document(first.id, lock=True)
        assert found is not None
        found.deleted_at = uow.now
    async with units(tenant) as uow:
        assert not await uow.knowledge.has_content(base.id, b"content")
        assert await uow.knowledge.document(first.id) is None
        await uow.knowledge.add(document_of(base))
        assert await uow.knowledge.count_documents(base.id) == 1


@pytest.mark.parametrize(
    ("values", "constraint"),
    [
        ({"state": DocumentState.FAILED}, "error"),
        ({"error_code": DocumentErrorCode.EMPTY}, "error"),
        ({"progress": 101}, "progress"),
        ({"state": "LOST"}, "state"),
        ({"chunk_count": -1}, "counts"),
    ],
)
async def test_the_database_refuses_what_no_document_is(
    units: Units, tenant: TenantId, values: dict[str, Any], constraint: str
) -> None:
    base = await base_of(units, tenant)
    with pytest.raises(DBAPIError, match=f"knowledge_documents_{constraint}_check"):
        async with units(tenant) as uow:
            await uow.knowledge.add(document_of(base, **values))


async def test_two_chunks_have_no_place_in_common(units: Units, tenant: TenantId) -> None:
    document = document_of(await base_of(units, tenant))
    async with units(tenant) as uow:
        await uow.knowledge.add(document)
    twice = [*chunks_of(document, "one"), *chunks_of(document, "two")]
    with pytest.raises(IntegrityError, match="document_id_position_key"):
        async with units(tenant) as uow:
            await uow.knowledge.replace_chunks(document, twice)


async def test_chunks_and_texts_of_a_deleted_base_are_forgotten_by_and_by_and_those_of_others_stay(
    units: Units, tenant: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.knowledge.documents.FORGOTTEN_AT_ONCE", 2)
    base, other = await base_of(units, tenant), await base_of(units, tenant)
    documents = [document_of(one, b"1", text="text", characters=4, pages=[0]) for one in (base, other)]
    at_work, settled = document_of(base, b"2"), document_of(base, b"3", state=DocumentState.READY)
    async with units(tenant) as uow:
        for one in (*documents, at_work, settled):
            await uow.knowledge.add(one)
        for one in documents:
            await uow.knowledge.replace_chunks(one, chunks_of(one, "a", "b", "c"))
    async with units(tenant) as uow:
        assert {one.id for one in await uow.knowledge.delete_documents(base.id)} == {documents[0].id, at_work.id}
        assert [await uow.knowledge.document(one.id) for one in (documents[0], at_work, settled)] == [None] * 3

    async def forgotten() -> tuple[int, int, str]:
        async with units(tenant) as uow:
            done = await forget_deleted(uow)
        async with units(tenant) as uow:
            left, _ = await uow.knowledge.unindexed_tokens(documents[0].id)
            return done, left, await uow.knowledge.text(documents[0].id)

    assert [await forgotten() for _ in range(3)] == [(2, 1, "text"), (1, 0, ""), (0, 0, "")]
    async with units(tenant) as uow:
        assert await uow.knowledge.text(documents[1].id) == "text"
        assert (await uow.knowledge.unindexed_tokens(documents[1].id))[0] == 3


async def test_who_writes_chunks_keeps_nobody_waiting_and_a_delete_of_the_base_waits_for_them(
    units: Units, admin: Database, tenant: TenantId
) -> None:
    base = await base_of(units, tenant)
    document = document_of(base)
    owner = Actor(tenant, base.owner_id, Role.OWNER, GRANTS[Role.OWNER])
    async with units(tenant) as uow:
        await uow.knowledge.add(document)

    async def delete() -> None:
        async with units(tenant) as uow:
            await delete_base(uow, owner, base.id)

    async with asyncio.timeout(10):
        async with units(tenant) as writing:
            held = await writing.knowledge.document(document.id, lock=True)
            assert held is not None
            await writing.knowledge.replace_chunks(held, chunks_of(document, "one"))
            async with units(tenant) as uow:
                assert await uow.knowledge.base(base.id, lock=True) is not None  # as documentCreate does
                await uow.knowledge.add(document_of(base, b"other", state=DocumentState.READY))
            async with admin.engine.begin() as connection:  # as a passage that is kept as evidence does
                referred = text("select 1 from app.knowledge_documents where id = :id for key share")
                await connection.execute(referred, {"id": document.id})
            deleting = asyncio.create_task(delete())
            await asyncio.sleep(0.2)
            assert not deleting.done()
            await writing.knowledge.replace_chunks(held, chunks_of(document, "one", "two"))
        await deleting
    async with units(tenant) as uow:
        assert await uow.knowledge.base(base.id) is None
        assert await uow.knowledge.document(document.id) is None


async def test_another_tenant_finds_nothing(units: Units, tenant: TenantId) -> None:
    base = await base_of(units, tenant)
    document = document_of(base)
    async with units(tenant) as uow:
        await uow.knowledge.add(document)
    async with units(TenantId(new_id())) as uow:
        assert await uow.knowledge.base(base.id) is None
        assert await uow.knowledge.document(document.id) is None
        assert await uow.knowledge.text(document.id) == ""


async def test_bases_are_counted_one_after_the_other(units: Units, tenant: TenantId) -> None:
    counted: list[int] = []

    async def add() -> None:
        async with units(tenant) as uow:
            counted.append(await uow.knowledge.count_bases())
            await asyncio.sleep(0.02)
            await uow.knowledge.add(
                KnowledgeBase(tenant, KnowledgeBaseId(new_id()), "x", UserId(new_id()), "hash", 384, {}, {})
            )

    await asyncio.gather(*(add() for _ in range(4)))
    assert sorted(counted) == [0, 1, 2, 3]
