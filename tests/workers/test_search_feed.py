"""What PostgreSQL notes comes to Weaviate: whoever is killed, however often it is sent, in whatever order it changed."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from sqlalchemy import text

from app.settings import Settings, environment_with
from domain.ids import ChunkId, new_id
from domain.knowledge.entities import Chunk, KnowledgeBase
from domain.knowledge.vectors import SearchMode, VectorRow
from persistence.database import Database
from persistence.knowledge.vectors import PgVectorStore
from persistence.weaviate.comparing import Fault
from persistence.weaviate.failures import IndexAway
from persistence.weaviate.feed import ClaimLost, SearchFeed
from persistence.weaviate.link import Link, Server
from persistence.weaviate.routed import AWAY, BEHIND, MISSING, RoutedStore, fallbacks
from persistence.weaviate.store import WeaviateStore
from tests.app.processes import TREE
from tests.graphql.clients import eventually
from tests.persistence.vector_store_suite import INDEX, PASSAGES, Shelf
from tests.workers.search_bench import Bench
from workers import search_feed


async def filled(bench: Bench) -> tuple[KnowledgeBase, list[Chunk]]:
    """A tenant that is fed, all of it sent."""
    base, chunks = await bench.shelf.filled()
    await bench.feed.open(bench.shelf.tenant_id)
    assert await bench.send() >= len(PASSAGES)
    return base, chunks


async def test_what_was_there_before_and_what_comes_later_is_sent(bench: Bench) -> None:
    base, chunks = await bench.shelf.filled()
    assert await bench.waiting() == 0, "a tenant that is not fed notes nothing"
    await bench.feeder.look()
    await bench.feeder.round()
    [later] = await bench.shelf.document(base, "A lamp of later.")
    await bench.shelf.put([later])
    assert await bench.waiting() >= 1
    await bench.send()
    assert set(bench.fake.stored(bench.shelf.tenant_id)) == {str(one.id) for one in [*chunks, later]}
    assert await bench.wrong() == [] and await bench.waiting() == 0


async def test_what_goes_in_postgresql_goes_in_the_index_also_by_a_cascade(bench: Bench) -> None:
    base, chunks = await filled(bench)
    async with bench.shelf.units(bench.shelf.tenant_id) as uow:
        await uow.knowledge.delete_chunks(base_id=base.id)
    assert await bench.waiting() == len(chunks)
    assert await bench.send() == len(chunks)
    assert bench.fake.stored(bench.shelf.tenant_id) == {}


async def test_a_change_that_is_rolled_back_is_not_noted(bench: Bench) -> None:
    _, chunks = await filled(bench)
    async with bench.admin.engine.connect() as connection:
        await connection.execute(text("delete from app.chunk_vectors where chunk_id = :id"), {"id": chunks[0].id})
        await connection.rollback()
    assert await bench.waiting() == 0


async def test_a_feeder_killed_before_it_forgets_leaves_all_to_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, chunks = await bench.shelf.filled()
    await bench.feed.open(bench.shelf.tenant_id)

    async def killed(*_: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(SearchFeed, "done", killed)
        with pytest.raises(asyncio.CancelledError):
            await bench.feeder.send_all(await bench.claim())
    assert len(bench.fake.stored(bench.shelf.tenant_id)) == len(chunks)
    assert await bench.waiting() == len(chunks)
    assert await bench.feed.claim(bench.shelf.tenant_id, now=True) is None, "until its claim lapses"
    await bench.lapse()
    await bench.send()
    assert await bench.waiting() == 0
    assert len(bench.fake.stored(bench.shelf.tenant_id)) == len(chunks)
    assert await bench.wrong() == []


async def test_a_feeder_killed_before_it_writes_loses_nothing(bench: Bench) -> None:
    _, chunks = await bench.shelf.filled()
    await bench.feed.open(bench.shelf.tenant_id)
    bench.fake.held["BatchObjects"] = asyncio.Event()
    sending = asyncio.create_task(bench.feeder.send_all(await bench.claim()))
    await bench.fake.seen["BatchObjects"].wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    del bench.fake.held["BatchObjects"]
    await bench.lapse()
    await bench.send()
    assert len(bench.fake.stored(bench.shelf.tenant_id)) == len(chunks)
    assert await bench.wrong() == []


async def test_a_relay_killed_while_it_writes_leaves_all_to_the_next(bench: Bench, settings: Settings) -> None:
    _, chunks = await bench.shelf.filled()
    named = {"WEAVIATE_URL": bench.fake.url, "WEAVIATE_GRPC_URL": bench.fake.grpc_url}
    relays: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        command = [sys.executable, "-m", "app", "relay"]
        relays.append(subprocess.Popen(command, cwd=TREE, env=environment_with(settings.as_variables() | named)))

    async def sent() -> bool:
        return not await bench.feed.waiting(bench.shelf.tenant_id)

    bench.fake.held["BatchObjects"] = asyncio.Event()
    try:
        start()
        async with asyncio.timeout(120):
            await bench.fake.seen["BatchObjects"].wait()
        relays[0].kill()
        relays[0].wait()
        assert await bench.waiting() == len(chunks)
        bench.fake.held.pop("BatchObjects").set()
        await bench.lapse()
        start()
        await eventually(sent, "all of it arrives", 120)
        relays[1].terminate()
        assert await asyncio.to_thread(relays[1].wait, 10) == 0
    finally:
        for one in relays:
            one.kill()
            one.wait()
    assert await bench.wrong() == []
    assert len(bench.fake.stored(bench.shelf.tenant_id)) == len(chunks)


async def test_an_error_that_nobody_thought_of_stops_no_other_tenant(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.shelf.filled()
    await bench.feed.open(bench.shelf.tenant_id)

    async def breaks(*_: object) -> None:
        raise ValueError("nobody thought of this")

    with monkeypatch.context() as patch:
        patch.setattr(WeaviateStore, "write", breaks)
        assert await bench.feeder._in_turn(bench.shelf.tenant_id) == 0
    assert "nobody thought of this" in caplog.text
    await bench.send()
    assert await bench.wrong() == []


async def test_an_entry_sent_twice_changes_nothing(bench: Bench) -> None:
    await filled(bench)
    before = dict(bench.fake.stored(bench.shelf.tenant_id))
    await bench.feed.open(bench.shelf.tenant_id)
    await bench.send()
    assert bench.fake.stored(bench.shelf.tenant_id) == before


async def test_a_change_while_its_predecessor_is_sent_is_not_forgotten_with_it(bench: Bench) -> None:
    _, chunks = await filled(bench)
    await bench.shelf.switch(chunks[0], enabled=False)
    claim = await bench.claim()
    entries = await bench.feed.page(claim, 10)
    await bench.shelf.switch(chunks[0], enabled=True)
    await bench.feed.done(claim, entries)
    assert await bench.waiting() == 1
    await bench.feed.release(claim)
    await bench.send()
    assert bench.enabled[str(chunks[0].id)] is True


async def test_one_who_was_overtaken_cannot_leave_the_older_state_behind(bench: Bench) -> None:
    """The first read a row, slept past its claim, and writes after its successor has written a newer one."""
    _, chunks = await filled(bench)
    tenant_id, one = bench.shelf.tenant_id, chunks[0].id
    await bench.shelf.switch(chunks[0], enabled=False)
    slow = await bench.claim()
    old = await bench.feed.page(slow, 10)
    await bench.lapse()
    await bench.shelf.switch(chunks[0], enabled=True)
    await bench.send()
    await bench.store.write(tenant_id, INDEX, [entry.row for entry in old if entry.row is not None])
    assert bench.enabled[str(one)] is False, "the order is swapped"
    with pytest.raises(ClaimLost):
        await bench.feed.done(slow, old)
    await bench.send()
    assert bench.enabled[str(one)] is True


async def test_nobody_feeds_a_tenant_that_somebody_feeds(bench: Bench) -> None:
    await filled(bench)
    claims = await asyncio.gather(*(bench.feed.claim(bench.shelf.tenant_id, now=True) for _ in range(8)))
    assert sum(one is not None for one in claims) == 1


async def test_a_writer_that_did_not_see_the_feed_open_is_waited_for(bench: Bench) -> None:
    base, _ = await bench.shelf.filled()
    [chunk] = await bench.shelf.document(base, "A lamp between two times.")
    row = (await bench.shelf.embedder.embed([chunk.text], query=False)).vectors[0]
    async with bench.feed._in(bench.shelf.tenant_id) as connection:
        await connection.execute(
            text(
                "insert into app.chunk_vectors (tenant_id, chunk_id, model, dimensions, base_id, document_id, enabled,"
                " vector) values (:tenant, :chunk, 'hash', 384, :base, :document, true, cast(:vector as halfvec))"
            ),
            {
                "tenant": bench.shelf.tenant_id, "chunk": chunk.id, "base": base.id, "document": chunk.document_id,
                "vector": str(list(row)),
            },
        )  # fmt: skip
        opening = asyncio.create_task(bench.feed.open(bench.shelf.tenant_id))
        await asyncio.sleep(0.2)
        assert not opening.done()
    await opening
    assert (INDEX, chunk.id) in await bench.feed.waiting(bench.shelf.tenant_id)


async def test_a_server_that_is_away_is_tried_again_after_pauses(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    _, chunks = await bench.shelf.filled()
    await bench.feed.open(bench.shelf.tenant_id)
    monkeypatch.setattr(search_feed, "PAUSE_S", 3_600.0)
    monkeypatch.setattr(search_feed, "PAUSE_MAX_S", 3_600.0)
    await bench.fake.stop()
    assert await bench.feeder._in_turn(bench.shelf.tenant_id) == 0
    assert await bench.feed.claim(bench.shelf.tenant_id) is None
    await bench.feeder.look()
    assert bench.feeder.lag.entries >= len(chunks)
    await bench.fake.start()
    await bench.send()
    assert len(bench.fake.stored(bench.shelf.tenant_id)) == len(chunks)


async def test_each_pause_is_twice_as_long_until_a_page_has_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.shelf.filled()
    await bench.feed.open(bench.shelf.tenant_id)
    monkeypatch.setattr(search_feed, "PAUSE_S", 100.0)
    monkeypatch.setattr(search_feed, "PAUSE_MAX_S", 350.0)
    await bench.fake.stop()
    told = []
    for _ in range(4):
        await bench.sql("update app.search_feeds set next_try_at = now()")
        assert await bench.feeder._in_turn(bench.shelf.tenant_id) == 0
        told.append(await bench.pause())
    assert [(tries, round(pause_s, -1)) for tries, pause_s, _ in told] == [(1, 100), (2, 200), (3, 350), (4, 350)]
    assert all(error for _, _, error in told)
    await bench.fake.start()
    await bench.send()
    tries, pause_s, error = await bench.pause()
    assert (tries, error) == (0, None) and pause_s < 5


async def test_an_object_that_is_refused_keeps_its_page(bench: Bench) -> None:
    _, chunks = await bench.shelf.filled()
    await bench.feed.open(bench.shelf.tenant_id)
    bench.fake.refused.add(str(chunks[2].id))
    assert await bench.feeder._in_turn(bench.shelf.tenant_id) == 0
    assert await bench.waiting() == len(chunks)
    bench.fake.refused.clear()
    await bench.send()
    assert await bench.wrong() == []


async def test_a_server_that_lost_everything_gets_everything_with_the_next_change(bench: Bench) -> None:
    _, chunks = await filled(bench)
    for kept in (bench.fake.index.classes, bench.fake.index.tenants, bench.fake.index.objects):
        kept.clear()
    await bench.shelf.switch(chunks[0], enabled=False)
    await bench.send()
    assert len(bench.fake.stored(bench.shelf.tenant_id)) == len(chunks)
    assert await bench.wrong() == []


# -- comparing -------------------------------------------------------------------------------------------------------


async def test_what_is_missing_extra_or_different_is_named(bench: Bench) -> None:
    base, chunks = await filled(bench)
    await bench.sql("update app.chunk_vectors set enabled = false where chunk_id = :id", id=chunks[0].id)
    await bench.sql("delete from app.search_entries")  # an entry is lost
    await bench.store.remove(bench.shelf.tenant_id, INDEX, [chunks[1].id])
    stray = VectorRow(ChunkId(new_id()), base.id, chunks[0].document_id, True, "stray", [1.0] + [0.0] * 383)
    await bench.store.write(bench.shelf.tenant_id, INDEX, [stray])
    assert {(one.chunk_id, one.fault) for one in await bench.wrong()} == {
        (chunks[0].id, Fault.DIFFERENT), (chunks[1].id, Fault.MISSING), (stray.chunk_id, Fault.EXTRA)
    }  # fmt: skip


async def test_another_vector_is_a_difference_and_what_waits_is_none(bench: Bench) -> None:
    base, chunks = await filled(bench)
    moved = VectorRow(chunks[0].id, base.id, chunks[0].document_id, True, chunks[0].text, [1.0] + [0.0] * 383)
    await bench.shelf.store.put(bench.shelf.tenant_id, INDEX, [moved])
    assert await bench.wrong() == []
    await bench.sql("delete from app.search_entries")
    assert [one.fault for one in await bench.wrong()] == [Fault.DIFFERENT]


# -- searching -------------------------------------------------------------------------------------------------------


@pytest.fixture
def routed(bench: Bench, database: Database) -> Shelf:
    """The same shelf, searched as the product searches."""
    fallbacks.clear()
    store = RoutedStore(database.engine, PgVectorStore(database.engine), bench.store, away_s=0.0)
    bench.shelf.store = store
    return bench.shelf


async def test_weaviate_answers_while_it_is_whole(bench: Bench, routed: Shelf) -> None:
    base, chunks = await filled(bench)
    bench.fake.calls.clear()
    assert (await routed.texts("brass lantern", base))[0] == PASSAGES[0]
    assert bench.fake.calls == ["Search", "Search"] and not fallbacks
    await routed.switch(chunks[0], enabled=False)
    assert PASSAGES[0] not in await routed.texts("brass lantern", base, mode=SearchMode.VECTOR)
    assert fallbacks == {BEHIND: 1}
    await bench.send()
    assert PASSAGES[0] not in await routed.texts("brass lantern", base, mode=SearchMode.VECTOR)
    assert fallbacks == {BEHIND: 1}


async def test_a_base_waits_for_its_own_changes_alone(bench: Bench, routed: Shelf) -> None:
    base, _ = await filled(bench)
    other = await routed.base(name="other")
    await routed.put(await routed.document(other, "Something else."))
    await routed.search("lantern", base)
    assert not fallbacks
    await routed.search("lantern", base, other)
    assert fallbacks == {BEHIND: 1}


async def test_postgresql_answers_while_weaviate_is_away_or_has_lost_the_tenant(bench: Bench, routed: Shelf) -> None:
    base, _ = await filled(bench)
    await bench.fake.stop()
    assert (await routed.texts("brass lantern", base))[0] == PASSAGES[0]
    assert fallbacks == {AWAY: 1}
    await bench.fake.start()
    for kept in (bench.fake.index.classes, bench.fake.index.tenants, bench.fake.index.objects):
        kept.clear()
    assert (await routed.texts("brass lantern", base))[0] == PASSAGES[0]
    assert fallbacks == {AWAY: 1, MISSING: 1}


async def test_a_server_that_did_not_answer_is_left_alone_for_a_while(bench: Bench, database: Database) -> None:
    base, _ = await filled(bench)
    fallbacks.clear()
    bench.shelf.store = RoutedStore(database.engine, PgVectorStore(database.engine), bench.store, away_s=60.0)
    bench.fake.held["Search"] = asyncio.Event()
    bench.fake.calls.clear()
    for _ in range(3):
        assert (await bench.shelf.texts("brass lantern", base))[0] == PASSAGES[0]
    assert fallbacks == {AWAY: 3}
    assert bench.fake.calls == ["Search", "Search"]
    bench.fake.held["Search"].set()


async def test_a_server_that_never_was_there_says_so(database: Database) -> None:
    link = Link(Server("http://127.0.0.1:9", "http://127.0.0.1:10"))
    with pytest.raises(IndexAway):
        await link.ping()
