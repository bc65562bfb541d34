"""How chunks become findable and are found: the tenant's embedding models, what they were asked before, the store."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.rerank import ProviderReranker
from app.embedders import TenantEmbedders, embedding_providers
from app.settings import Settings
from domain.knowledge.chunk_index import ChunkIndexer
from domain.knowledge.retrieval import KnowledgeRetriever
from domain.unit_of_work import OpenUnitOfWork
from persistence.database import Database
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.knowledge.passages import SqlPassages
from persistence.knowledge.vectors import PgVectorStore


def indexer_of(settings: Settings, units: OpenUnitOfWork, engine: AsyncEngine) -> ChunkIndexer:
    return ChunkIndexer(units, embedders_of(settings, units), SqlEmbeddings(engine), PgVectorStore(engine))


def retriever_of(settings: Settings, units: OpenUnitOfWork, database: Database) -> KnowledgeRetriever:
    store = PgVectorStore(database.engine)
    return KnowledgeRetriever(SqlPassages(database), embedders_of(settings, units), store, reranker_of(settings))


def reranker_of(settings: Settings) -> ProviderReranker | None:
    """The configured one; None where there is none."""
    asked = settings.rerank
    key = asked.api_key.get_secret_value() if asked.api_key is not None else None
    return ProviderReranker(asked.kind, asked.url, asked.model, key) if asked.url else None


def embedders_of(settings: Settings, units: OpenUnitOfWork) -> TenantEmbedders:
    return TenantEmbedders(units, embedding_providers(settings))
