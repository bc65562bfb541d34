"""A base's change of its model: the old index answers meanwhile, nothing is paid twice, and what stops it leaves the old."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import GRANTS, Actor, Role
from domain.billing import QuotaExhausted, top_up_entry
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from domain.channels.offers import Offer
from domain.errors import ErrorCode, LeaseLost, Rejected
from domain.events import EventType
from domain.ids import TenantId, UserId, new_id
from domain.job_kinds import KINDS
from domain.jobs import JobKind, JobState
from domain.knowledge import documents, reembedding, service
from domain.knowledge.chunk_index import ChunkIndexer
from domain.knowledge.entities import Chunk, DocumentErrorCode
from domain.knowledge.indexing import Indexed
from domain.knowledge.paying import JobTill
from domain.knowledge.policies import ChunkPolicy
from domain.knowledge.retrieval import KnowledgeRetriever
from domain.knowledge.vectors import IndexKey
from domain.unit_of_work import UnitOfWork
from persistence.channels.sync import sync_channels
from persistence.database import Database
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.knowledge.passages import SqlPassages
from persistence.knowledge.vectors import PgVectorStore
from persistence.streams import StreamLog
from persistence.unit_of_work import Units
from tests.workers.library import CREDIT_MICROS, MICROS_PER_TOKEN, Counting
from tests.workers.shelves import NEW, OLD, Model, Models, Shelves
from workers import ingestion
from workers import reembedding as worker
from workers.relay import Relay
from workers.runtime import Runtime


class Killed(BaseException):
    """What a killed process leaves behind is what had been committed."""


@pytest.fixture
async def shelves(
    units: Units, admin: Database, database: Database, log: StreamLog, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shelves]:
    monkeypatch.setattr(worker, "BATCH", 8)
    monkeypatch.setattr(ingestion, "BATCH", 8)
    monkeypatch.setattr(worker, "CLEARED_AT_ONCE", 20)
    tenant_id = TenantId(new_id())
    actor = Actor(tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("insert into app.tenants (tenant_id, slug, name) values (:id, :slug, 'x')"),
            {"id": tenant_id, "slug": str(tenant_id)},
        )
    offered = ChannelModel(NEW.model, NEW.model, modalities=("EMBEDDING",))
    address = "http://127.0.0.1:9"
    await sync_channels(
        admin.engine, [Channel.offering("vectors", ProviderKind.OPENAI_COMPATIBLE, offered, base_url=address)]
    )
    async with units(tenant_id) as uow:
        await uow.billing.open_wallet()
        await uow.billing.post(top_up_entry("starting-credit", CREDIT_MICROS))
        offering = await uow.channels.offered()
        base = await service.create_base(
            uow,
            actor,
            service.BaseDraft("Papers", embedding_model="hash", chunk_policy=ChunkPolicy(size=120, overlap=0)),
        )
    [channel] = [one for one in offering if one.model_named(NEW.model) is not None]
    models = Models({OLD: Model(OLD), NEW: Model(NEW, Offer(channel, offered))})
    store = PgVectorStore(database.engine)
    yield Shelves(
        units, admin, log, replace(runtime, lease_s=2.0), actor, base,
        Counting(MICROS_PER_TOKEN, SqlEmbeddings(database.engine)), models,
        ChunkIndexer(units, models, SqlEmbeddings(database.engine), store),
        KnowledgeRetriever(SqlPassages(database), models, store, JobTill(units)),
    )  # fmt: skip


async def test_the_old_index_answers_until_the_new_one_is_whole_and_is_gone_then(shelves: Shelves) -> None:
    await shelves.filled()
    before = await shelves.found()
    job_id = await shelves.change()
    assert (await shelves.books())["held"] > 0
    searched = 0

    async def search() -> None:
        nonlocal searched
        assert await shelves.served() == OLD
        assert await shelves.found() == before
        searched += 1

    shelves.newer.before = search
    await shelves.run(job_id)
    assert searched > 1
    shelves.newer.before = lambda: None
    kept, chunks = await shelves.kept(), await shelves.texts_by_id()
    assert (await shelves.served(), kept.next_model, kept.next_dimensions) == (NEW, None, None)
    assert await shelves.vectors() == {NEW: chunks}
    assert len(await shelves.found()) == len(before) == 3
    job = await shelves.job(job_id)
    assert (job.state, job.progress) == ("SUCCEEDED", 100)
    events = await shelves.events(job_id)
    told = [one.data["progress"] for one in events[:-1]]
    assert told == sorted(told) and len(set(told)) > 2 and events[-1].type is EventType.JOB_SUCCEEDED
    books = await shelves.books()
    assert books["held"] == 0 and books["records"] == 3, "of the document, the change, and the question behind it"
    assert books["spent"] == books["billed"] > kept.embedded_micros > 0


async def test_five_kills_cost_nothing_twice_and_leave_the_same_index(shelves: Shelves) -> None:
    await shelves.filled()
    job_id = await shelves.change()
    for killed in range(5):
        calls = 0

        def before(after: int = killed % 2) -> None:
            nonlocal calls
            calls += 1
            if calls > after:
                raise Killed

        shelves.newer.before = before
        with pytest.raises(Killed):
            await shelves.run(job_id, lease_s=0.5)
        assert await shelves.served() == OLD
        await asyncio.sleep(0.6)
        assert await shelves.recover(job_id) is JobState.QUEUED
    shelves.newer.before = lambda: None
    await shelves.run(job_id)
    job = await shelves.job(job_id)
    assert (job.state, job.attempt, job.crashes) == ("SUCCEEDED", 6, 5)
    assert await shelves.vectors() == {NEW: await shelves.texts_by_id()}
    assert len(shelves.newer.texts) == len(set(shelves.newer.texts))
    assert (await shelves.books())["records"] == 2


@pytest.mark.parametrize("crashed", [False, True])
async def test_who_dies_or_is_stopped_after_the_change_leaves_it_done(
    shelves: Shelves, crashed: bool, relay: Relay
) -> None:
    await shelves.filled()
    job_id = await shelves.change()
    async with shelves.units(shelves.tenant_id) as uow:
        lease = await uow.jobs.claim(job_id, "doomed", 60.0)
        assert lease is not None
        change = await reembedding.begin(uow, lease)
    chunks = await all_chunks(shelves)
    await shelves.indexer.index(shelves.tenant_id, change.base, chunks)
    async with shelves.units(shelves.tenant_id) as uow:
        assert await reembedding.serve(uow, lease, -1.0, change)
    if not crashed:
        await shelves.cancel(job_id)
    await relay.sweep()
    if crashed:
        assert len(await shelves.vectors()) == 2
        await shelves.run(job_id)
        assert await shelves.vectors() == {NEW: await shelves.texts_by_id()}
    assert (await shelves.served(), (await shelves.job(job_id)).state) == (NEW, "SUCCEEDED")
    assert (await shelves.events(job_id))[-1].type is EventType.JOB_SUCCEEDED


async def all_chunks(shelves: Shelves) -> list[Chunk]:
    async with shelves.units(shelves.tenant_id) as uow:
        return list(await uow.indexes.missing(shelves.base.id, IndexKey("none", 1), 1_000))


async def test_what_is_taken_in_edited_switched_or_deleted_meanwhile_is_as_it_is_in_the_new_index(
    shelves: Shelves,
) -> None:
    document_id = await shelves.filled()
    gone = await shelves.filled("雾散了。\n\n第1章 海\n\n谁也没有来。")
    job_id = await shelves.change()
    chunks = await shelves.chunks(document_id)
    calls = 0

    async def meanwhile() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            await shelves.filled("第1章 灯塔\n\n守夜人只在退潮时擦铜镜。")
            async with shelves.units(shelves.tenant_id) as uow:
                await documents.delete_document(uow, shelves.actor, gone)
            async with shelves.units(shelves.tenant_id) as uow:
                edited = await documents.update_chunk(
                    uow, shelves.actor, chunks[0].id, text="另一句话。", enabled=None, concurrency_max=100
                )
                await documents.update_chunk(
                    uow, shelves.actor, chunks[1].id, text=None, enabled=False, concurrency_max=100
                )
            assert edited is not None
            await shelves.run(edited.job_id)

    shelves.newer.before = meanwhile
    await shelves.run(job_id)
    assert (await shelves.job(job_id)).state == "SUCCEEDED"
    assert await shelves.vectors() == {NEW: await shelves.texts_by_id()}
    off = await shelves.rows("select chunk_id from app.chunk_vectors where tenant_id = :tenant and not enabled")
    assert [row.chunk_id for row in off] == [chunks[1].id]
    assert (await shelves.found("守夜人擦铜镜"))[0].endswith("守夜人只在退潮时擦铜镜。")
    assert (await shelves.found("另一句话"))[0] == "另一句话。"


async def test_an_ingestion_that_began_under_the_old_model_ends_under_the_new_one(shelves: Shelves) -> None:
    """It sleeps with a batch for the old index in hand while the base changes."""
    await shelves.filled("第1章 海\n\n谁也没有来。")
    document_id, ingesting = await shelves.take_in()
    asleep, woken = asyncio.Event(), asyncio.Event()

    async def sleep() -> None:
        if len(shelves.models.own[OLD].texts) > 8:
            asleep.set()
            await woken.wait()

    shelves.models.own[OLD].before = sleep
    slow = asyncio.create_task(shelves.run(ingesting, lease_s=60.0))
    await asleep.wait()
    await shelves.run(await shelves.change())
    assert await shelves.served() == NEW
    woken.set()
    await slow
    assert (await shelves.document(document_id)).state == "READY"
    assert (await shelves.vectors())[NEW] == await shelves.texts_by_id()
    assert all(one.indexed for one in await shelves.chunks(document_id))


async def test_a_second_change_is_refused_while_one_runs_and_the_same_one_is_the_same(shelves: Shelves) -> None:
    await shelves.filled()
    job_id = await shelves.change()
    async with shelves.units(shelves.tenant_id) as uow:
        again = await reembedding.change_model(uow, shelves.actor, shelves.base.id, NEW.model, concurrency_max=100)
    assert again is None
    for model in (OLD.model, "multilingual-e5-small"):
        with pytest.raises(Rejected) as refused:
            await shelves.change(model)
        assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_STATE, ("input", "embeddingModel"))
    assert (await shelves.kept()).job_id == job_id
    await shelves.run(job_id)
    await shelves.run(await shelves.change(OLD.model))
    assert (await shelves.served(), set(await shelves.vectors())) == (OLD, {OLD})


async def test_a_cancel_in_the_middle_leaves_the_old_and_settles_what_was_embedded(shelves: Shelves) -> None:
    await shelves.filled()
    before = await shelves.found()
    job_id = await shelves.change()
    second = asyncio.Event()

    async def wait() -> None:
        if shelves.newer.texts:
            second.set()
            await asyncio.sleep(60)

    shelves.newer.before = wait
    running = asyncio.create_task(shelves.run(job_id))
    await second.wait()
    await shelves.cancel(job_id)
    await asyncio.wait_for(running, 5)
    assert (await shelves.served(), (await shelves.job(job_id)).state) == (OLD, "CANCELLED")
    assert await shelves.found() == before
    assert (await shelves.events(job_id))[-1].type is EventType.JOB_CANCELLED
    books = await shelves.books()
    assert (books["held"], books["records"]) == (0, 2) and books["spent"] == books["billed"] > 0
    # And what is tried again goes on behind it.
    shelves.newer.before = lambda: None
    async with shelves.units(shelves.tenant_id) as uow:
        again = await KINDS[JobKind.BASE_REEMBED].retry(uow, shelves.actor, job_id, "again", 100)
    await shelves.run(again.job_id)
    assert await shelves.vectors() == {NEW: await shelves.texts_by_id()}
    assert len(shelves.newer.texts) == len(set(shelves.newer.texts))
    with pytest.raises(Rejected, match="without success"):
        async with shelves.units(shelves.tenant_id) as uow:
            await KINDS[JobKind.BASE_REEMBED].retry(uow, shelves.actor, again.job_id, "once more", 100)


async def test_a_cancel_before_any_worker_ends_it_at_once(shelves: Shelves) -> None:
    await shelves.filled()
    job_id = await shelves.change()
    await shelves.cancel(job_id)
    assert (await shelves.job(job_id)).state == "CANCELLED"
    assert ((await shelves.books())["held"], await shelves.served()) == (0, OLD)


async def test_a_model_that_never_answers_leaves_the_old(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
    await shelves.filled()
    job_id = await shelves.change()

    class Broken:
        async def index(self, *asked: Any, **more: Any) -> Indexed:
            raise Rejected(ErrorCode.NO_CHANNEL, "No channel.")

    await shelves.run(job_id, Broken())
    job = await shelves.job(job_id)
    assert (job.state, job.error_code, await shelves.served()) == ("FAILED", "EMBEDDING_FAILED", OLD)
    assert ((await shelves.books())["held"], (await shelves.books())["records"]) == (0, 1)


async def test_too_little_credit_refuses_the_change_and_keeps_nothing(shelves: Shelves) -> None:
    await shelves.filled()
    async with shelves.admin.engine.begin() as connection:
        await connection.execute(
            text("update app.knowledge_chunks set tokens = 2000000000 where tenant_id = :t"), {"t": shelves.tenant_id}
        )
    with pytest.raises(QuotaExhausted):
        await shelves.change()
    assert ((await shelves.kept()).next_model, (await shelves.kept()).job_id) == (None, None)


async def test_every_write_is_fenced(shelves: Shelves) -> None:
    await shelves.filled()
    job_id = await shelves.change()
    stale = await shelves.die(job_id)
    assert await shelves.recover(job_id) is JobState.QUEUED
    async with shelves.units(shelves.tenant_id) as uow:
        fresh = await uow.jobs.claim(job_id, "fresh", 60.0)
        assert fresh is not None
        change = await reembedding.begin(uow, fresh)
        left = await reembedding.look(uow, fresh, 60.0, change)
    assert left.missing == left.chunks > 0 and left.tokens > 0
    steps: list[Callable[[UnitOfWork], Awaitable[object]]] = [
        lambda uow: reembedding.begin(uow, stale),
        lambda uow: reembedding.look(uow, stale, 2.0, change),
        lambda uow: reembedding.keep(uow, stale, 2.0, left),
        lambda uow: reembedding.serve(uow, stale, 2.0, change),
        lambda uow: reembedding.clear(uow, stale, 2.0, shelves.base.id, 1),
        lambda uow: reembedding.finish(uow, stale),
        lambda uow: reembedding.fail(uow, stale, DocumentErrorCode.INTERNAL),
        lambda uow: reembedding.hand_back(uow, stale),
    ]
    for step in steps:
        with pytest.raises(LeaseLost):
            async with shelves.units(shelves.tenant_id) as uow:
                await step(uow)
    async with shelves.units(shelves.tenant_id) as uow:
        assert not await reembedding.serve(uow, fresh, 60.0, change)
    assert await shelves.served() == OLD
