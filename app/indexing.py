"""How chunks become findable and are found: the tenant's embedding models, what they were asked before, the store."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

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
    return KnowledgeRetriever(SqlPassages(database), embedders_of(settings, units), PgVectorStore(database.engine))


def embedders_of(settings: Settings, units: OpenUnitOfWork) -> TenantEmbedders:
    return TenantEmbedders(units, embedding_providers(settings))
