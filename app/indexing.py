"""How chunks become findable and are found: the tenant's embedding models, what they were asked before, the store."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.rerank import ProviderReranker
from app.embedders import TenantEmbedders, embedding_providers
from app.settings import Settings
from domain.knowledge.chunk_index import ChunkIndexer
from domain.knowledge.paying import JobTill
from domain.knowledge.retrieval import KnowledgeRetriever
from domain.knowledge.vectors import VectorStore
from domain.unit_of_work import OpenUnitOfWork
from persistence.database import Database
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.knowledge.passages import SqlPassages
from persistence.knowledge.vectors import PgVectorStore
from persistence.weaviate.link import Link, Server
from persistence.weaviate.routed import RoutedStore
from persistence.weaviate.store import WeaviateStore


def indexer_of(embedders: TenantEmbedders, units: OpenUnitOfWork, engine: AsyncEngine) -> ChunkIndexer:
    return ChunkIndexer(units, embedders, SqlEmbeddings(engine), PgVectorStore(engine))


def retriever_of(
    settings: Settings,
    embedders: TenantEmbedders,
    units: OpenUnitOfWork,
    database: Database,
    index: WeaviateStore | None = None,
) -> KnowledgeRetriever:
    """Searches the index, where there is one outside PostgreSQL."""
    store: VectorStore = PgVectorStore(database.engine)
    if index is not None:
        store = RoutedStore(database.engine, store, index)
    return KnowledgeRetriever(SqlPassages(database), embedders, store, JobTill(units), reranker_of(settings))


def index_of(settings: Settings) -> WeaviateStore | None:
    """The index outside PostgreSQL. Its owner closes its link."""
    if not settings.weaviate_url:
        return None
    key = settings.weaviate_api_key.get_secret_value()
    return WeaviateStore(Link(Server(settings.weaviate_url, settings.weaviate_grpc_url, key)))


def reranker_of(settings: Settings) -> ProviderReranker | None:
    """The configured one; None where there is none."""
    asked = settings.rerank
    key = asked.api_key.get_secret_value() if asked.api_key is not None else None
    return ProviderReranker(asked.kind, asked.url, asked.model, key) if asked.url else None


def embedders_of(settings: Settings, units: OpenUnitOfWork) -> TenantEmbedders:
    """For all of a process, which closes them."""
    return TenantEmbedders(units, embedding_providers(settings))
