"""A base of one model with what may change it to another, and a worker in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.embedder_hashed import HashedEmbedder
from domain.channels.offers import Offer
from domain.generation.provider import Embeddings
from domain.ids import ChunkId, JobId, SourceDocumentId, TenantId
from domain.job_kinds import KINDS
from domain.jobs import JobKind, JobState
from domain.knowledge import reembedding
from domain.knowledge.chunk_index import ChunkIndexer
from domain.knowledge.embedding import Embedder
from domain.knowledge.entities import KnowledgeBase
from domain.knowledge.retrieval import KnowledgeRetriever
from domain.knowledge.search import SearchQuery
from domain.knowledge.vectors import IndexKey, SearchMode
from tests.workers.library import TEXT, Library
from workers import reembedding as worker

OLD, NEW = IndexKey("hash", 384), IndexKey("text-embedding-v4", 1_024)


class Model(HashedEmbedder):
    """`before` runs before each call; `texts` is what was asked for."""

    def __init__(self, index: IndexKey, offer: Offer | None = None) -> None:
        super().__init__(index.dimensions, name=index.model, offer=offer)
        self.before: Callable[[], Any] = lambda: None
        self.texts: list[str] = []

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        if (waiting := self.before()) is not None:
            await waiting
        if not query:
            self.texts += texts
        return await super().embed(texts, query=query)


@dataclass
class Models:
    own: dict[IndexKey, Model]

    async def find(self, tenant_id: TenantId, model: str, dimensions: int) -> Embedder:
        return self.own[IndexKey(model, dimensions)]


@dataclass
class Shelves(Library):
    """A base of the model OLD in which a document is READY, and what may change it to NEW."""

    models: Models
    indexer: ChunkIndexer
    retriever: KnowledgeRetriever

    @property
    def newer(self) -> Model:
        return self.models.own[NEW]

    async def filled(self, said: str = TEXT) -> SourceDocumentId:
        document_id, job_id = await self.take_in(said)
        await self.run(job_id)
        assert (await self.document(document_id)).state == "READY"
        return document_id

    async def change(self, model: str = NEW.model) -> JobId:
        async with self.units(self.tenant_id) as uow:
            waiting = await reembedding.change_model(uow, self.actor, self.base.id, model, concurrency_max=100)
        assert waiting is not None
        return waiting.job_id

    async def run(self, job_id: JobId, indexer: Any = None, **more: Any) -> None:
        runtime = replace(self.runtime, indexer=indexer or self.indexer, **more)
        await worker.run_job(runtime, self.tenant_id, job_id)

    async def kept(self) -> KnowledgeBase:
        async with self.units(self.tenant_id) as uow:
            base = await uow.knowledge.base(self.base.id)
        assert base is not None
        return base

    async def served(self) -> IndexKey:
        base = await self.kept()
        return IndexKey(base.embedding_model, base.dimensions)

    async def vectors(self) -> dict[IndexKey, dict[ChunkId, bytes | None]]:
        found: dict[IndexKey, dict[ChunkId, bytes | None]] = {}
        for row in await self.rows("select * from app.chunk_vectors where tenant_id = :tenant"):
            found.setdefault(IndexKey(row.model, row.dimensions), {})[row.chunk_id] = row.text_hash
        return found

    async def texts_by_id(self) -> dict[ChunkId, bytes]:
        asked = """
            select c.id, c.text_hash from app.knowledge_chunks c join app.knowledge_documents d using (tenant_id)
            where tenant_id = :tenant and d.id = c.document_id and d.deleted_at is null
        """
        return {row.id: row.text_hash for row in await self.rows(asked)}

    async def found(self, sought: str = "第3章 渡口") -> list[str]:
        query = SearchQuery((self.base.id,), sought, SearchMode.VECTOR, 3)
        return [hit.text for hit in (await self.retriever.search(self.tenant_id, self.actor.user_id, query)).hits]

    async def cancel(self, job_id: JobId) -> None:
        async with self.units(self.tenant_id) as uow:
            stopped = await KINDS[JobKind.BASE_REEMBED].cancel(uow, self.actor, job_id)
        if stopped.tell_worker:
            await self.runtime.cancels._flags.raise_for(job_id)

    async def recover(self, job_id: JobId) -> JobState | None:
        async with self.units(self.tenant_id) as uow:
            return await KINDS[JobKind.BASE_REEMBED].recover(uow, job_id)
