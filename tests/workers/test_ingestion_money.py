"""What embedding documents costs: held and charged by one price, counted once, and never far beyond what is held."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import text

from adapters.embedder_hashed import HashedEmbedder
from domain.channels.entities import Channel, ChannelModel, Modality, ProviderKind
from domain.channels.offers import Offer
from domain.ids import TenantId
from domain.jobs import JobState
from domain.knowledge import documents, ingestion
from domain.knowledge.chunk_index import ChunkIndexer
from domain.knowledge.embedding import Embedder
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.parsing import Source, in_one
from domain.knowledge.policies import ChunkPolicy
from persistence.database import Database
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.knowledge.vectors import PgVectorStore
from persistence.streams import StreamLog
from persistence.unit_of_work import Units
from tests.workers.library import CREDIT_MICROS, MICROS_PER_TOKEN, TEXT, Library, opened
from tests.workers.test_ingestion import Killed
from workers import ingestion as worker
from workers.runtime import Runtime

MODEL, DIMENSIONS = f"money-{secrets.token_hex(4)}", 1_024
POLICY = ChunkPolicy(size=120, overlap=0)


@dataclass
class One:
    """Implements `Embedders`: the one there is."""

    embedder: Embedder

    async def find(self, tenant_id: TenantId, model: str, dimensions: int) -> Embedder:
        return self.embedder


@pytest.fixture
async def library(units: Units, admin: Database, database: Database, log: StreamLog, runtime: Runtime) -> Library:
    return await opened(units, admin, database, log, runtime)


async def price(admin: Database, model: str, channel: str | None, input_micros: int, per_call_micros: int = 0) -> Any:
    async with admin.engine.begin() as connection:
        return await connection.scalar(
            text(
                "insert into app.prices (id, model, channel, input_micros, cached_input_micros, output_micros, "
                "per_call_micros, valid_from) values (gen_random_uuid(), :model, :channel, :input, 0, 0, :call, "
                "now() - interval '1 day') returning id"
            ),
            {"model": model, "channel": channel, "input": input_micros, "call": per_call_micros},
        )


async def offered(library: Library, name: str, *, own: bool) -> tuple[Offer, Library]:
    """A channel that offers a model nobody else has, and the library with a base of it."""
    model = ChannelModel(MODEL, MODEL, modalities=(Modality.EMBEDDING.value,))
    more: dict[str, Any] = {"tenant_id": library.tenant_id} if own else {}
    channel = Channel.offering(name, ProviderKind.OPENAI_COMPATIBLE, model, base_url="http://127.0.0.1:9", **more)
    async with library.units(channel.tenant_id) as uow:
        await uow.channels.add(channel)
    async with library.units(library.tenant_id) as uow:
        base = await uow.knowledge.base(library.base.id)
        assert base is not None
        base.embedding_model, base.dimensions = MODEL, DIMENSIONS
    return Offer(channel, model), replace(library, base=base)


def indexer(library: Library, database: Database, embedder: Embedder) -> ChunkIndexer:
    return ChunkIndexer(library.units, One(embedder), SqlEmbeddings(database.engine), PgVectorStore(database.engine))


async def record(library: Library) -> Any:
    return await library.one("select * from app.usage_records where tenant_id = :tenant")


async def test_work_through_a_tenants_own_channel_is_held_and_charged_by_the_price_of_own_channels(
    library: Library, admin: Database, database: Database
) -> None:
    """Whatever the tenant calls it: here as a channel of the platform that costs nothing."""
    name = f"cheap-{secrets.token_hex(4)}"
    await price(admin, MODEL, name, 0)
    own = await price(admin, MODEL, "@own", 3_000_000, per_call_micros=1_000)
    offer, mine = await offered(library, name, own=True)
    _, job_id = await mine.take_in()
    held = (await mine.books())["held"]
    embedder = HashedEmbedder(DIMENSIONS, name=MODEL, offer=offer)
    await mine.run(job_id, indexer(mine, database, embedder))
    books, said = await mine.books(), await record(mine)
    calls = -(-embedder.asked // embedder.batch_max)
    assert books["spent"] == books["billed"] == said.input_tokens * 3 + calls * 1_000
    assert held >= books["spent"] and books["held"] == 0
    assert books["free"] + books["spent"] == CREDIT_MICROS
    assert (said.channel, said.channel_id, said.price_id) == (name, offer.channel.id, own)


async def test_a_step_that_is_repeated_after_an_interrupted_commit_counts_once(library: Library) -> None:
    document_id, job_id = await library.take_in()
    async with library.units(library.tenant_id) as uow:
        lease = await uow.jobs.claim(job_id, "one", 60.0)
        assert lease is not None
    await library.run(job_id)
    assert (await library.job(job_id)).state == "RUNNING"
    async with library.units(library.tenant_id) as uow:
        work = await ingestion.begin(uow, lease)
    reading = await library.runtime.reader.read(Source(in_one(TEXT.encode()), "text/plain"), POLICY)
    async with library.units(library.tenant_id) as uow:
        await ingestion.keep_reading(uow, lease, 60.0, reading)
    async with library.units(library.tenant_id) as uow:
        chunks = await ingestion.next_chunks(uow, lease, 60.0, work, 10_000)
    await library.index.index(library.tenant_id, library.base, chunks)
    for _ in range(3):
        async with library.units(library.tenant_id) as uow:
            await ingestion.keep_indexed(uow, lease, 60.0, work, chunks)
    async with library.units(library.tenant_id) as uow:
        assert await ingestion.finish(uow, lease) is not None
    tokens = sum(library.index.known.values())
    assert (await library.document(document_id)).embedded_tokens == tokens
    books = await library.books()
    assert (books["spent"], books["billed"], books["records"]) == (tokens * MICROS_PER_TOKEN,) * 2 + (1,)


async def test_what_was_embedded_and_not_noted_at_a_kill_is_billed_once_by_the_next_run(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 8)
    _, job_id = await library.take_in()
    noting = ingestion.keep_indexed

    async def killed(*args: Any, **more: Any) -> Any:
        raise Killed

    for _ in range(3):
        monkeypatch.setattr(ingestion, "keep_indexed", killed)
        with pytest.raises(Killed):
            await library.run(job_id, lease_s=0.3)
        await expired(library, job_id)
    monkeypatch.setattr(ingestion, "keep_indexed", noting)
    await library.run(job_id)
    assert len(library.index.asked) == len(set(library.index.asked))
    await assert_paid(library)


async def test_what_was_embedded_and_not_noted_at_the_end_is_paid_by_that_end(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 8)
    _, job_id = await library.take_in()

    async def killed(*args: Any, **more: Any) -> Any:
        raise Killed

    monkeypatch.setattr(ingestion, "keep_indexed", killed)
    with pytest.raises(Killed):
        await library.run(job_id, lease_s=0.3)
    async with library.units(library.tenant_id) as uow:
        job = await uow.jobs.lock(job_id)
        assert job is not None
        await uow.jobs.ask_cancel(job)
    await expired(library, job_id, JobState.CANCELLED)
    await assert_paid(library)


async def expired(library: Library, job_id: Any, state: JobState = JobState.QUEUED) -> None:
    async with library.admin.engine.begin() as connection:
        await connection.execute(
            text("update app.jobs set lease_expires_at = now() - interval '1 s' where id = :id"), {"id": job_id}
        )
    assert await library.recover(job_id) is state


async def assert_paid(library: Library) -> None:
    paid = sum(library.index.known.values()) * MICROS_PER_TOKEN
    books = await library.books()
    assert (books["held"], books["spent"], books["billed"], books["records"]) == (0, paid, paid, 1)
    assert books["free"] + books["spent"] == CREDIT_MICROS


async def test_a_hold_grows_with_what_embedding_really_takes(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model counts five tokens where one was expected: all of it is the author's, and nothing the operator's."""
    monkeypatch.setattr(worker, "BATCH", 8)
    library = replace(library, index=library.index.another(tokens_per_token=5))
    document_id, job_id = await library.take_in()
    first = (await library.books())["held"]
    await library.run(job_id)
    paid = 5 * sum(library.index.known.values()) * MICROS_PER_TOKEN
    books = await library.books()
    assert (books["spent"], books["billed"], books["held"]) == (paid, paid, 0) and paid > first
    assert (await library.document(document_id)).state == "READY"
    assert await overrun(library) == 0


async def test_a_wallet_that_does_not_suffice_ends_the_run_within_a_batch(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 8)
    library = replace(library, index=library.index.another(tokens_per_token=5_000))
    document_id, job_id = await library.take_in()
    await library.run(job_id)
    document, books = await library.document(document_id), await library.books()
    assert (document.state, document.error_code) == ("FAILED", DocumentErrorCode.QUOTA_EXHAUSTED)
    assert len(library.index.asked) <= 8
    assert books["held"] == 0 and books["free"] + books["spent"] == CREDIT_MICROS
    assert books["spent"] + await overrun(library) == books["billed"]


async def test_chunks_that_are_edited_in_are_held_for_too(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BATCH", 8)
    document_id, job_id = await library.take_in()
    edits = iter(range(20))

    async def edit() -> None:
        if (number := next(edits, None)) is None:
            return
        chunk = (await library.chunks(document_id))[0]
        async with library.units(library.tenant_id) as uow:
            said = f"{number} " + "灯还亮着。" * 700
            await documents.update_chunk(uow, library.actor, chunk.id, text=said, enabled=None, concurrency_max=100)

    library.index.before = edit
    await library.run(job_id)
    assert (await library.document(document_id)).state == "READY"
    await assert_paid(library)
    assert await overrun(library) == 0


async def overrun(library: Library) -> int:
    row = await library.one("select balance from app.ledger_accounts where tenant_id = :tenant and kind = 'OVERRUN'")
    return int(row.balance)
