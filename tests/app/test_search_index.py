"""`reindex` and `check-index`: the index as PostgreSQL would have it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from app import check_index, reindex
from app.cli import main, parser
from app.settings import Settings
from domain.knowledge.entities import Chunk
from persistence.database import Database
from persistence.knowledge.vectors import PgVectorStore
from persistence.unit_of_work import Units
from tests.fakes.weaviate_server import FakeWeaviate
from tests.persistence.vector_store_suite import PASSAGES, Shelf


@pytest.fixture
async def index() -> AsyncIterator[FakeWeaviate]:
    async with FakeWeaviate(api_key="a-key") as one:
        yield one


@pytest.fixture
def told(settings: Settings, index: FakeWeaviate) -> Settings:
    named = {"weaviate_url": index.url, "weaviate_grpc_url": index.grpc_url, "weaviate_api_key": "a-key"}
    return settings.model_copy(update=named | {"weaviate_api_key": type(settings.secret)("a-key")})


@pytest.fixture
async def shelf(units: Units, database: Database, admin: Database) -> Shelf:
    """The only tenant with a base."""
    async with admin.engine.begin() as connection:
        for table in ("search_entries", "chunk_vectors", "knowledge_chunks", "knowledge_documents", "knowledge_bases"):
            await connection.execute(text(f"delete from app.{table}"))
    return await Shelf(units, PgVectorStore(database.engine)).open()


async def rebuilt(settings: Settings, *more: str) -> int:
    return await asyncio.to_thread(reindex.main, settings, parser().parse_args(["reindex", *more]))


async def compared(settings: Settings, *more: str) -> int:
    return await asyncio.to_thread(check_index.main, settings, parser().parse_args(["check-index", *more]))


async def filled(shelf: Shelf, told: Settings) -> list[Chunk]:
    _, chunks = await shelf.filled()
    assert await rebuilt(told) == 0
    return chunks


async def test_the_index_is_rebuilt_and_then_it_is_the_same(
    shelf: Shelf, told: Settings, index: FakeWeaviate, capsys: pytest.CaptureFixture[str]
) -> None:
    chunks = await filled(shelf, told)
    count = len(PASSAGES)
    assert capsys.readouterr().out == f"tenant {shelf.tenant_id}: {count} chunks\n{count} chunks of 1 tenants\n"
    assert await compared(told) == 0
    assert capsys.readouterr().out == "1 tenants: no difference; 0 changes wait to be sent\n"
    index.stored(shelf.tenant_id)[str(chunks[0].id)].properties["enabled"] = False
    strays = next(iter(index.index.objects.values()))
    strays["00000000-0000-4000-8000-000000000001"] = strays.pop(str(chunks[1].id))
    assert await compared(told, "--tenant", str(shelf.tenant_id)) == 1
    where = f"of tenant {shelf.tenant_id}, hash/384"
    assert capsys.readouterr().out == (
        f"different: chunk {chunks[0].id} {where}\n"
        f"extra: chunk 00000000-0000-4000-8000-000000000001 {where}\n"
        f"missing: chunk {chunks[1].id} {where}\n"
        "1 tenants: 1 different, 1 extra, 1 missing; 0 changes wait to be sent\n"
    )
    assert await rebuilt(told, "--tenant", str(shelf.tenant_id)) == 0
    assert await compared(told) == 0
    assert set(index.stored(shelf.tenant_id)) == {str(one.id) for one in chunks}


async def test_an_entry_that_was_lost_is_found(
    shelf: Shelf, told: Settings, admin: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    chunks = await filled(shelf, told)
    async with admin.engine.begin() as connection:
        await connection.execute(text("delete from app.chunk_vectors"))
    assert await compared(told) == 0, "what waits is on its way"
    assert f"{len(chunks)} changes wait" in capsys.readouterr().out
    async with admin.engine.begin() as connection:
        await connection.execute(text("delete from app.search_entries"))
    assert await compared(told) == 1
    assert f"1 tenants: {len(chunks)} extra; 0 changes wait" in capsys.readouterr().out


async def test_a_rebuild_that_is_cut_leaves_the_rest_to_the_relay(
    shelf: Shelf, told: Settings, index: FakeWeaviate, admin: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    _, chunks = await shelf.filled()
    index.refused.add(str(chunks[0].id))
    assert await rebuilt(told) == 1
    assert "IndexRefused" in capsys.readouterr().err
    assert await compared(told) == 0
    assert f"{len(chunks)} changes wait" in capsys.readouterr().out


async def test_a_server_that_is_away_or_knows_no_such_key_is_named(
    shelf: Shelf, told: Settings, index: FakeWeaviate, capsys: pytest.CaptureFixture[str]
) -> None:
    await filled(shelf, told)
    stranger = told.model_copy(update={"weaviate_api_key": type(told.secret)("another")})
    assert await compared(stranger) == 1
    assert "anonymous access not enabled" in capsys.readouterr().err
    await index.stop()
    assert await compared(told) == 1
    assert "IndexAway" in capsys.readouterr().err
    await index.start()


def test_without_a_server_there_is_nothing_to_rebuild(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("WEAVIATE_URL", raising=False)
    assert main(["reindex"]) == 2
    assert "WEAVIATE_URL" in capsys.readouterr().err
