"""Chunks become rows of an index: what is asked of a model is asked once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from adapters.embedder_hashed import HashedEmbedder
from domain.billing import Price
from domain.channels.entities import Channel, ChannelModel, Modality, ProviderKind
from domain.channels.offers import Offer
from domain.generation.provider import Embeddings, ProviderError, ProviderErrorCode
from domain.ids import TenantId
from domain.knowledge.chunk_index import ChunkIndexer
from domain.knowledge.embedding import Embedder
from domain.knowledge.indexing import Indexed, Spent
from domain.knowledge.vectors import IndexKey, SearchMode, VectorRow
from persistence.database import Database
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.knowledge.vectors import PgVectorStore
from persistence.unit_of_work import Units
from tests.persistence.vector_store_suite import INDEX, PASSAGES, Shelf


class Slow(HashedEmbedder):
    """Fails as often as `failures` says, and takes its time."""

    failures = 0
    pause_s = 0.0

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        await asyncio.sleep(self.pause_s)
        if self.failures:
            self.failures -= 1
            raise ProviderError(ProviderErrorCode.OVERLOADED, "No.")
        return await super().embed(texts, query=query)


@dataclass
class Models:
    own: dict[IndexKey, Slow] = field(default_factory=lambda: {INDEX: Slow()})

    async def find(self, tenant_id: TenantId, model: str, dimensions: int) -> Embedder:
        return self.own[IndexKey(model, dimensions)]


class CrashingStore(PgVectorStore):
    """Dies before it writes, as often as `crashes` says."""

    crashes = 0

    async def put(self, tenant_id: TenantId, index: IndexKey, rows: Sequence[VectorRow]) -> None:
        if self.crashes:
            self.crashes -= 1
            raise ConnectionError("killed")
        await super().put(tenant_id, index, rows)


@pytest.fixture
async def shelf(units: Units, database: Database) -> Shelf:
    return await Shelf(units, CrashingStore(database.engine)).open()


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def indexer(units: Units, database: Database, shelf: Shelf, models: Models) -> ChunkIndexer:
    return ChunkIndexer(units, models, SqlEmbeddings(database.engine), shelf.store)


async def test_a_text_is_asked_for_once_and_its_tokens_are_counted(
    shelf: Shelf, models: Models, indexer: ChunkIndexer
) -> None:
    base = await shelf.base()
    chunks = await shelf.document(base, *PASSAGES, PASSAGES[0])
    done = await indexer.index(shelf.tenant_id, base, chunks)
    assert (done.cached, done.cost_micros, models.own[INDEX].asked) == (0, 0, len(PASSAGES))
    assert done.tokens > len(PASSAGES)
    assert (await shelf.texts("brass lantern", base, mode=SearchMode.VECTOR))[0] == PASSAGES[0]
    assert await indexer.index(shelf.tenant_id, base, chunks) == Indexed(0, len(PASSAGES), 0)
    other = await shelf.document(base, "Something new.", PASSAGES[1], title="other")
    assert (await indexer.index(shelf.tenant_id, base, other)).cached == 1
    assert models.own[INDEX].asked == len(PASSAGES) + 1


async def test_a_crash_between_the_answer_and_the_index_costs_nothing_twice(
    shelf: Shelf, models: Models, indexer: ChunkIndexer
) -> None:
    base = await shelf.base()
    chunks = await shelf.document(base, *PASSAGES)
    assert isinstance(shelf.store, CrashingStore)
    shelf.store.crashes = 1
    with pytest.raises(ConnectionError):
        await indexer.index(shelf.tenant_id, base, chunks)
    assert await shelf.search("lantern", base, mode=SearchMode.VECTOR) == []
    assert (await indexer.index(shelf.tenant_id, base, chunks)).cached == len(PASSAGES)
    assert models.own[INDEX].asked == len(PASSAGES)
    assert len(await shelf.search("lantern", base, mode=SearchMode.VECTOR)) == len(chunks)


async def test_two_who_want_the_same_texts_at_once_pay_for_them_once(
    shelf: Shelf, models: Models, indexer: ChunkIndexer
) -> None:
    base = await shelf.base()
    documents = [await shelf.document(base, *PASSAGES, f"own {n}", title=str(n)) for n in range(4)]
    models.own[INDEX].pause_s = 0.2
    done = await asyncio.gather(*(indexer.index(shelf.tenant_id, base, chunks) for chunks in documents))
    assert models.own[INDEX].asked == len(PASSAGES) + 4
    assert sorted(one.cached for one in done) == [0, *[len(PASSAGES)] * 3]


async def test_what_failed_is_given_up_so_that_another_may_ask(
    shelf: Shelf, models: Models, indexer: ChunkIndexer
) -> None:
    base = await shelf.base()
    one, two = await shelf.document(base, *PASSAGES), await shelf.document(base, *PASSAGES, "x", title="two")
    models.own[INDEX].failures = 1
    with pytest.raises(ProviderError):
        await indexer.index(shelf.tenant_id, base, one)
    async with asyncio.timeout(2):
        assert (await indexer.index(shelf.tenant_id, base, two)).cached == 0


async def test_a_job_that_is_cancelled_while_it_asks_leaves_no_claim(
    shelf: Shelf, models: Models, indexer: ChunkIndexer
) -> None:
    base = await shelf.base()
    one, two = await shelf.document(base, *PASSAGES), await shelf.document(base, *PASSAGES, "x", title="two")
    models.own[INDEX].pause_s = 5
    task = asyncio.create_task(indexer.index(shelf.tenant_id, base, one))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    models.own[INDEX].pause_s = 0
    async with asyncio.timeout(2):
        await indexer.index(shelf.tenant_id, base, two)


async def test_a_call_that_takes_longer_than_a_claim_keeps_it(
    shelf: Shelf, models: Models, indexer: ChunkIndexer
) -> None:
    base = await shelf.base()
    one, two = [await shelf.document(base, *texts) for texts in (PASSAGES, PASSAGES[::-1])]
    models.own[INDEX].pause_s = 1.0
    patient = replace(indexer, lease_s=0.3)
    done = await asyncio.gather(*(patient.index(shelf.tenant_id, base, chunks) for chunks in (one, two)))
    assert models.own[INDEX].asked == len(PASSAGES)
    assert sorted(each.cached for each in done) == [0, len(PASSAGES)]


async def test_what_was_spent_is_kept_to_the_last_token_and_given_once(
    shelf: Shelf, models: Models, indexer: ChunkIndexer
) -> None:
    base = await shelf.base()
    chunks = await shelf.document(base, *PASSAGES)
    model = ChannelModel("hash", "hash", modalities=(Modality.EMBEDDING.value,))
    models.own[INDEX].offer = Offer(Channel.offering("far", ProviderKind.OPENAI_COMPATIBLE, model), model)
    done = await indexer.index(shelf.tenant_id, base, chunks)
    async with shelf.units(shelf.tenant_id) as uow:
        spent = await uow.knowledge.take_unbilled(chunks[0].document_id)
    assert (spent.tokens, spent.cost_micros) == (done.tokens, done.cost_micros)
    async with shelf.units(shelf.tenant_id) as uow:
        assert await uow.knowledge.take_unbilled(chunks[0].document_id) == Spent()


async def test_a_channels_model_costs_what_its_price_says(shelf: Shelf, models: Models, indexer: ChunkIndexer) -> None:
    async with shelf.units(shelf.tenant_id) as uow:
        price: Price = await uow.billing.price_of("hash", "embedding channel")
    model = ChannelModel("hash", "hash", modalities=(Modality.EMBEDDING.value,))
    channel = Channel.offering("embedding channel", ProviderKind.OPENAI_COMPATIBLE, model)
    models.own[INDEX].offer = Offer(channel, model)
    base = await shelf.base()
    done = await indexer.index(shelf.tenant_id, base, await shelf.document(base, *PASSAGES))
    assert done.cost_micros == -(-done.tokens * price.input_micros // 1_000_000) > 0
