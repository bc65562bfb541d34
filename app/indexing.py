"""How chunks become findable: the tenant's embedding models, what they were asked before, and the store."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from app.embedders import TenantEmbedders, embedding_providers
from app.settings import Settings
from domain.knowledge.chunk_index import ChunkIndexer
from domain.unit_of_work import OpenUnitOfWork
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.knowledge.vectors import PgVectorStore


def indexer_of(settings: Settings, units: OpenUnitOfWork, engine: AsyncEngine) -> ChunkIndexer:
    embedders = TenantEmbedders(units, embedding_providers(settings))
    return ChunkIndexer(units, embedders, SqlEmbeddings(engine), PgVectorStore(engine))
