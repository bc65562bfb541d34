"""Ingesting documents: told, paid for, stopped, taken over, and never done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import GRANTS, Actor, Role
from domain.billing import QuotaExhausted, top_up_entry
from domain.errors import LeaseLost
from domain.events import EventType
from domain.generation.provider import ProviderError, ProviderErrorCode
from domain.ids import TenantId, UserId, new_id
from domain.job_kinds import KINDS
from domain.jobs import JobKind, JobState
from domain.knowledge import documents, ingestion, service
from domain.knowledge.entities import Chunk, DocumentErrorCode, DocumentState, KnowledgeBase
from domain.knowledge.indexing import Indexed
from domain.knowledge.policies import ChunkPolicy
from domain.unit_of_work import UnitOfWork
from persistence.database import Database
from persistence.streams import StreamLog
from persistence.unit_of_work import Units
from tests.workers.library import CREDIT_MICROS, MICROS_PER_TOKEN, Counting, Library
from workers import ingestion as worker
from workers.relay import Relay
from workers.runtime import Runtime


@pytest.fixture
async def library(units: Units, admin: Database, log: StreamLog, runtime: Runtime) -> AsyncIterator[Library]:
    tenant_id = TenantId(new_id())
    actor = Actor(tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("insert into app.tenants (tenant_id, slug, name) values (:id, :slug, 'x')"),
            {"id": tenant_id, "slug": str(tenant_id)},
        )
        await connection.execute(
            text(
                "insert into app.prices (id, model, input_micros, cached_input_micros, output_micros, valid_from) "
                "select gen_random_uuid(), 'text-embedding-v4', :micros, 0, 0, now() - interval '1 day' "
                "where not exists (select 1 from app.prices where model = 'text-embedding-v4')"
            ),
            {"micros": MICROS_PER_TOKEN * 1_000_000},
        )
    async with units(tenant_id) as uow:
        await uow.billing.open_wallet()
        await uow.billing.post(top_up_entry("starting-credit", CREDIT_MICROS))
        base = await service.create_base(
            uow,
            actor,
            service.BaseDraft("Papers", embedding_model="hash", chunk_policy=ChunkPolicy(size=120, overlap=0)),
        )
        # A model behind a channel, without the channel.
        base.embedding_model, base.dimensions = "text-embedding-v4", 1_024
    yield Library(units, admin, log, replace(runtime, lease_s=2.0), actor, base, Counting(MICROS_PER_TOKEN))


async def test_a_document_is_told_embedded_and_paid_for(library: Library) -> None:
    document_id, job_id = await library.take_in()
    waiting = await library.books()
    assert waiting["held"] > 0 and waiting["spent"] == 0
    await library.run(job_id)
    document, chunks = await library.document(document_id), await library.chunks(document_id)
    assert (document.state, document.progress, document.version) == ("READY", 100, 1)
    assert document.chunk_count == len(chunks) == len(library.index.rows)
    assert all(one.indexed for one in chunks)
    tokens = sum(library.index.known.values())
    books = await library.books()
    assert (books["held"], books["spent"], books["billed"], books["records"]) == (
        0, tokens * MICROS_PER_TOKEN, tokens * MICROS_PER_TOKEN, 1)  # fmt: skip
    assert books["free"] + books["spent"] == CREDIT_MICROS
    assert (await library.job(job_id)).state == "SUCCEEDED"
    events = await library.events(job_id)
    assert [one.type for one in events[:-1]] == [EventType.PROGRESS] * (len(events) - 1)
    assert events[-1].type is EventType.JOB_SUCCEEDED
    told = [one.data["progress"] for one in events[:-1]]
    assert told == sorted(told) and {one.data["note"] for one in events[:-1]} == {"Reading", "Cutting", "Embedding"}


async def test_an_actor_that_is_rung_twice_does_it_once(library: Library) -> None:
    document_id, job_id = await library.take_in()
    await asyncio.gather(library.run(job_id), library.run(job_id))
    await library.run(job_id)
    chunks = await library.chunks(document_id)
    assert [one.position for one in chunks] == list(range(len(chunks)))
    assert len(library.index.asked) == len(set(library.index.asked))
    assert (await library.books())["records"] == 1
    assert (await library.job(job_id)).attempt == 1


class Killed(BaseException):
    """What a killed process leaves behind is what had been committed."""


def killed_after(batches: int, index: Counting) -> None:
    """The next calls go well, so many of them; the one behind them is never answered."""
    calls = 0

    def before() -> None:
        nonlocal calls
        calls += 1
        if calls > batches:
            raise Killed

    index.before = before


async def test_five_kills_leave_the_same_chunks_as_none_and_nothing_is_paid_twice(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 8)
    document_id, job_id = await library.take_in()
    for killed in range(5):
        killed_after(killed % 2, library.index)
        with pytest.raises(Killed):
            await library.run(job_id, lease_s=0.5)
        assert (await library.job(job_id)).state == "RUNNING"
        await asyncio.sleep(0.6)
        assert await library.recover(job_id) is JobState.QUEUED
    library.index.before = lambda: None
    await library.run(job_id)
    undisturbed = Counting(MICROS_PER_TOKEN)
    other = replace(library, index=undisturbed, base=await another_base(library))
    other_id, other_job = await other.take_in()
    await other.run(other_job)

    def shape(chunks: list[Any]) -> list[Any]:
        return [(one.position, one.text, one.start_char, one.end_char, one.indexed) for one in chunks]

    assert shape(await library.chunks(document_id)) == shape(await library.chunks(other_id))
    assert sorted(library.index.rows.values()) == sorted(undisturbed.rows.values())
    assert len(library.index.asked) == len(set(library.index.asked))
    job = await library.job(job_id)
    assert (job.state, job.attempt, job.crashes) == ("SUCCEEDED", 6, 5)
    assert (await library.document(document_id)).version == 1
    tokens = sum(undisturbed.known.values())
    assert (await library.books())["spent"] == 2 * tokens * MICROS_PER_TOKEN


async def another_base(library: Library) -> KnowledgeBase:
    async with library.units(library.tenant_id) as uow:
        base = await service.create_base(
            uow, library.actor,
            service.BaseDraft("More", embedding_model="hash", chunk_policy=ChunkPolicy(size=120, overlap=0)),
        )  # fmt: skip
        base.embedding_model, base.dimensions = "text-embedding-v4", 1_024
    return base


async def test_a_worker_whose_lease_was_lost_writes_nothing_more(library: Library) -> None:
    """It sleeps in the middle of a batch while another one does the work."""
    document_id, job_id = await library.take_in()
    asleep, woken = asyncio.Event(), asyncio.Event()

    async def sleep() -> None:
        asleep.set()
        await woken.wait()

    sleeper = Counting(MICROS_PER_TOKEN, before=sleep)
    first = asyncio.create_task(library.run(job_id, sleeper, lease_s=60.0))
    await asleep.wait()
    async with library.admin.engine.begin() as connection:
        await connection.execute(
            text("update app.jobs set lease_expires_at = now() - interval '1 s' where id = :id"), {"id": job_id}
        )
    assert await library.recover(job_id) is JobState.QUEUED
    await library.run(job_id)
    before = await library.document(document_id), await library.chunks(document_id), await library.books()
    woken.set()
    await first
    assert (await library.document(document_id), await library.chunks(document_id), await library.books()) == before
    assert before[0].state == "READY"
    assert [one.type for one in await library.events(job_id)].count(EventType.JOB_SUCCEEDED) == 1


async def test_every_write_is_fenced(library: Library) -> None:
    document_id, job_id = await library.take_in()
    stale = await library.die(job_id)
    assert await library.recover(job_id) is JobState.QUEUED
    async with library.units(library.tenant_id) as uow:
        fresh = await uow.jobs.claim(job_id, "fresh", 60.0)
        assert fresh is not None
        work = await ingestion.begin(uow, fresh)
    chunk = Chunk(library.tenant_id, new_id(), library.base.id, document_id, 0, "x", 0, 1, 1, b"x")  # type: ignore[arg-type]
    steps: list[Callable[[UnitOfWork], Awaitable[object]]] = [
        lambda uow: ingestion.note(uow, stale, 2.0, DocumentState.PARSING, 1),
        lambda uow: ingestion.hold_enough(uow, stale, 2.0, work),
        lambda uow: ingestion.keep_indexed(uow, stale, 2.0, work, [chunk], Indexed(1, 0, 1)),
        lambda uow: ingestion.finish(uow, stale),
        lambda uow: ingestion.fail(uow, stale, DocumentErrorCode.INTERNAL),
        lambda uow: ingestion.hand_back(uow, stale),
    ]
    for step in steps:
        with pytest.raises(LeaseLost):
            async with library.units(library.tenant_id) as uow:
                await step(uow)
    assert (await library.document(document_id)).state == "PENDING"


async def test_a_cancel_in_the_middle_ends_it_and_settles_what_was_embedded(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 8)
    document_id, job_id = await library.take_in()
    second = asyncio.Event()

    async def wait() -> None:
        if library.index.asked:
            second.set()
            await asyncio.sleep(60)

    library.index.before = wait
    running = asyncio.create_task(library.run(job_id))
    await second.wait()
    await library.cancel(job_id)
    await asyncio.wait_for(running, 5)
    document, books = await library.document(document_id), await library.books()
    assert (document.state, document.error_code) == ("FAILED", "CANCELLED")
    assert (await library.job(job_id)).state == "CANCELLED"
    paid = sum(library.index.known.values()) * MICROS_PER_TOKEN
    assert (books["held"], books["spent"], books["billed"]) == (0, paid, paid) and paid > 0
    assert (await library.events(job_id))[-1].type is EventType.JOB_CANCELLED
    # And what is tried again goes on behind it.
    library.index.before = lambda: None
    async with library.units(library.tenant_id) as uow:
        again = await KINDS[JobKind.DOCUMENT_INGEST].retry(uow, library.actor, job_id, "again", 100)
    await library.run(again.job_id)
    assert (await library.document(document_id)).state == "READY"
    assert (
        len(library.index.asked) == len(set(library.index.asked)) == (await library.document(document_id)).chunk_count
    )
    assert (await library.books())["spent"] == sum(library.index.known.values()) * MICROS_PER_TOKEN


async def test_a_cancel_before_any_worker_ends_it_at_once(library: Library) -> None:
    document_id, job_id = await library.take_in()
    await library.cancel(job_id)
    assert (await library.job(job_id)).state == "CANCELLED"
    assert (await library.document(document_id)).error_code == "CANCELLED"
    assert (await library.books())["held"] == 0


async def test_a_model_that_never_answers_fails_the_document_and_costs_nothing(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PAUSE_S", 0.01)
    calls = 0

    class Broken:
        async def index(self, tenant_id: TenantId, base: KnowledgeBase, chunks: Sequence[Chunk]) -> Indexed:
            nonlocal calls
            calls += 1
            raise ProviderError(ProviderErrorCode.OVERLOADED, "Busy.", detail="busy")

    document_id, job_id = await library.take_in()
    await library.run(job_id, Broken())
    document = await library.document(document_id)
    assert (document.state, document.error_code, calls) == ("FAILED", "EMBEDDING_FAILED", 3)
    assert document.error_message.endswith(".")
    assert (await library.job(job_id)).error_code == "EMBEDDING_FAILED"
    last = (await library.events(job_id))[-1]
    assert (last.type, last.data["code"]) == (EventType.JOB_FAILED, "EMBEDDING_FAILED")
    books = await library.books()
    assert (books["free"], books["held"], books["records"]) == (CREDIT_MICROS, 0, 0)


async def test_a_text_of_blanks_fails_as_empty(library: Library) -> None:
    document_id, job_id = await library.take_in("\u200b\u200b")
    await library.run(job_id)
    assert (await library.document(document_id)).error_code == "EMPTY"


async def test_what_a_dead_workers_job_was_cancelled_for_ends_by_the_sweeper(library: Library, relay: Relay) -> None:
    document_id, job_id = await library.take_in()
    await library.die(job_id)
    async with library.units(library.tenant_id) as uow:
        await KINDS[JobKind.DOCUMENT_INGEST].cancel(uow, library.actor, job_id)
    await relay.sweep()
    assert (await library.document(document_id)).error_code == "CANCELLED"
    assert (await library.job(job_id)).state == "CANCELLED"
    assert [one.type for one in await library.events(job_id)] == [EventType.JOB_CANCELLED]


async def test_a_worker_that_is_told_to_stop_hands_the_job_back(library: Library) -> None:
    _, job_id = await library.take_in()
    stopping = asyncio.Event()
    asleep = asyncio.Event()

    async def sleep() -> None:
        asleep.set()
        await asyncio.sleep(60)

    library.index.before = sleep
    running = asyncio.create_task(library.run(job_id, stopping=stopping))
    await asleep.wait()
    stopping.set()
    await asyncio.wait_for(running, 5)
    job = await library.job(job_id)
    assert (job.state, job.crashes) == ("QUEUED", 0)
    library.index.before = lambda: None
    await library.run(job_id)
    assert (await library.job(job_id)).state == "SUCCEEDED"


async def test_no_more_are_taken_than_there_is_room_for(library: Library) -> None:
    _, job_id = await library.take_in()
    await library.run(job_id, ingestions_max=0)
    assert (await library.job(job_id)).state == "QUEUED"


async def test_an_edited_chunk_alone_is_embedded_again(library: Library) -> None:
    document_id, job_id = await library.take_in()
    await library.run(job_id)
    asked = len(library.index.asked)
    chunk = (await library.chunks(document_id))[3]
    async with library.units(library.tenant_id) as uow:
        waiting = await documents.update_chunk(
            uow, library.actor, chunk.id, text="另一句话。", enabled=None, concurrency_max=100
        )
    assert waiting is not None
    await library.run(waiting.job_id)
    assert library.index.asked[asked:] == ["另一句话。"]
    assert (await library.document(document_id)).state == "READY"
    assert (await library.document(document_id)).version == 1


async def test_too_little_credit_refuses_a_document_and_keeps_nothing(library: Library) -> None:
    before = await library.rows("select 1 from app.knowledge_documents where tenant_id = :tenant")
    with pytest.raises(QuotaExhausted):
        await library.take_in("灯还亮着。" * 90_000)
    assert await library.rows("select 1 from app.knowledge_documents where tenant_id = :tenant") == before
