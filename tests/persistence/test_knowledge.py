"""Bases, documents and chunks in PostgreSQL: what the store promises, and what the database refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId, UserId, new_id
from domain.knowledge.entities import Chunk, Document, DocumentErrorCode, DocumentState, KnowledgeBase
from domain.knowledge.pieces import text_hash
from domain.knowledge.policies import ChunkPolicy, RetrievalPolicy
from persistence.database import Database
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


async def test_chunks_of_a_base_go_with_it_and_those_of_others_stay(units: Units, tenant: TenantId) -> None:
    base, other = await base_of(units, tenant), await base_of(units, tenant)
    documents = [document_of(base, b"1"), document_of(base, b"2"), document_of(other, b"1")]
    async with units(tenant) as uow:
        for one in documents:
            await uow.knowledge.add(one)
            await uow.knowledge.replace_chunks(one, chunks_of(one, "text"))
    async with units(tenant) as uow:
        await uow.knowledge.delete_chunks(base_id=base.id, document_id=documents[0].id)
        assert [(await uow.knowledge.unindexed_tokens(one.id))[0] for one in documents] == [0, 1, 1]
        await uow.knowledge.delete_chunks(base_id=base.id)
        assert [(await uow.knowledge.unindexed_tokens(one.id))[0] for one in documents] == [0, 0, 1]


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
