"""pgvector behind the port, by the suite and in its own ways; and the cache of what was embedded."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.ids import TenantId, new_id
from domain.knowledge.indexing import Spent
from domain.knowledge.vectors import IndexKey, SearchMode, StoreQuery
from persistence.database import Database
from persistence.knowledge import vectors
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.knowledge.vectors import PgVectorStore
from persistence.unit_of_work import Units
from tests.persistence.vector_store_suite import INDEX, PASSAGES, Shelf, VectorStoreSuite

VECTOR = tuple(n / 100 for n in range(384))


class TestOneByOne(VectorStoreSuite):
    """Few vectors: each is compared."""

    @pytest.fixture
    async def shelf(self, units: Units, database: Database) -> Shelf:
        return await Shelf(units, PgVectorStore(database.engine)).open()


class TestByIndex(VectorStoreSuite):
    """Many vectors, or what counts as many here: they are looked up."""

    @pytest.fixture
    async def shelf(self, units: Units, database: Database) -> Shelf:
        return await Shelf(units, PgVectorStore(database.engine, exact_max=0)).open()


@pytest.fixture
async def shelf(units: Units, database: Database) -> Shelf:
    return await Shelf(units, PgVectorStore(database.engine)).open()


async def test_a_word_of_too_many_passages_tells_nothing_unless_there_is_no_other(
    units: Units, database: Database
) -> None:
    shelf = await Shelf(units, PgVectorStore(database.engine, common=3)).open()
    base = await shelf.base()
    chunks = await shelf.document(base, "harbour one", "harbour two", "harbour three", "harbour lamp")
    await shelf.put(chunks)
    assert await shelf.texts("harbour lamp", base, mode=SearchMode.KEYWORD) == ["harbour lamp"]
    assert len(await shelf.texts("harbour", base, mode=SearchMode.KEYWORD)) == 4


async def test_one_document_of_a_large_base_is_compared_chunk_by_chunk(units: Units, database: Database) -> None:
    shelf = await Shelf(units, PgVectorStore(database.engine, exact_max=1)).open()
    base, chunks = await shelf.filled()
    [single] = await shelf.document(base, "A second document has a lantern.")
    await shelf.put([single])
    assert await compared(database, await shelf.query("lantern", base), shelf.tenant_id) == (0, len(chunks) + 1)
    only = await shelf.query("lantern", base, document_ids=(single.document_id,))
    assert await compared(database, only, shelf.tenant_id) == (1, 0)
    assert [one.chunk_id for one in await shelf.store.search(shelf.tenant_id, only)] == [single.id]


async def compared(database: Database, query: StoreQuery, tenant_id: TenantId) -> tuple[int, int]:
    """How many vectors were compared one by one, and how many were looked up, where one is few."""
    values = vectors._asked(tenant_id, query) | {"depth": 50, "common": 1_000, "exact_max": 1, "first": 10}
    explained = text("explain (analyze, format json) " + vectors._statement(384).text)
    async with database.engine.connect() as connection:
        await connection.execute(vectors._SCOPE, {"tenant": str(tenant_id), "ef_search": "100"})
        [plan] = (await connection.execute(explained, values)).scalar_one()
    rows = {one.get("Subplan Name"): int(one["Actual Rows"]) for one in plan["Plan"]["Plans"]}
    return rows["CTE one_by_one"], rows["CTE by_index"]


async def test_vectors_go_with_their_chunks(shelf: Shelf) -> None:
    base, chunks = await shelf.filled()
    async with shelf.units(shelf.tenant_id) as uow:
        await uow.accounts._session.execute(
            text("delete from app.knowledge_chunks where id = :id"), {"id": chunks[0].id}
        )
    assert len(await shelf.search("lantern", base, mode=SearchMode.VECTOR)) == len(PASSAGES) - 1


async def test_a_vector_of_another_length_than_its_index_is_refused(shelf: Shelf) -> None:
    base = await shelf.base()
    chunks = await shelf.document(base, "one")
    with pytest.raises(DBAPIError, match="chunk_vectors_vector_check"):
        await shelf.put(chunks, IndexKey("hash", 512))


async def test_a_length_without_an_index_is_not_searched(shelf: Shelf) -> None:
    base = await shelf.base()
    with pytest.raises(ValueError, match="no index is made for vectors of 385 dimensions"):
        await shelf.search("x", base, index=IndexKey("hash", 385))


# -- the cache -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(database: Database) -> SqlEmbeddings:
    return SqlEmbeddings(database.engine)


async def test_a_text_is_claimed_once_kept_and_known_from_then_on(shelf: Shelf, cache: SqlEmbeddings) -> None:
    mine, yours, key = new_id(), new_id(), b"a" * 32
    assert (await cache.claim(shelf.tenant_id, INDEX, [key], mine, 60)).mine == {key}
    waiting = await cache.claim(shelf.tenant_id, INDEX, [key], yours, 60)
    assert (waiting.mine, waiting.known) == (frozenset(), {})
    await cache.keep(shelf.tenant_id, INDEX, {key: VECTOR}, new_id(), Spent(7))
    known = await cache.claim(shelf.tenant_id, INDEX, [key], yours, 60)
    assert known.mine == frozenset()
    assert known.known[key] == pytest.approx(VECTOR, abs=2e-3)
    assert (await cache.claim(shelf.tenant_id, IndexKey("hash", 512), [key], yours, 60)).mine == {key}


async def test_a_claim_is_its_owners_again_after_a_crash_and_anybodys_when_it_lapses(
    shelf: Shelf, cache: SqlEmbeddings
) -> None:
    mine, yours, key = new_id(), new_id(), b"b" * 32
    assert (await cache.claim(shelf.tenant_id, INDEX, [key], mine, 60)).mine == {key}
    assert (await cache.claim(shelf.tenant_id, INDEX, [key], mine, 0)).mine == {key}
    await asyncio.sleep(0.01)
    assert (await cache.claim(shelf.tenant_id, INDEX, [key], yours, 60)).mine == {key}


async def test_what_is_given_up_can_be_claimed_and_what_is_kept_cannot_be_given_up(
    shelf: Shelf, cache: SqlEmbeddings
) -> None:
    mine, yours, gone, kept = new_id(), new_id(), b"c" * 32, b"d" * 32
    await cache.claim(shelf.tenant_id, INDEX, [gone, kept], mine, 60)
    await cache.keep(shelf.tenant_id, INDEX, {kept: VECTOR}, mine, Spent(7))
    await cache.release(shelf.tenant_id, INDEX, [gone, kept], yours)
    assert (await cache.claim(shelf.tenant_id, INDEX, [gone], yours, 60)).mine == frozenset()
    await cache.release(shelf.tenant_id, INDEX, [gone, kept], mine)
    again = await cache.claim(shelf.tenant_id, INDEX, [gone, kept], yours, 60)
    assert (set(again.mine), set(again.known)) == ({gone}, {kept})


async def test_a_tenants_embeddings_are_unknown_to_another(units: Units, shelf: Shelf, cache: SqlEmbeddings) -> None:
    other, key = await Shelf(units, shelf.store, tenant_id=TenantId(new_id())).open(), b"e" * 32
    await cache.claim(shelf.tenant_id, INDEX, [key], new_id(), 60)
    await cache.keep(shelf.tenant_id, INDEX, {key: VECTOR}, new_id(), Spent(7))
    assert (await cache.claim(other.tenant_id, INDEX, [key], new_id(), 60)).mine == {key}
