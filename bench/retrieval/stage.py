"""The corpus as one base of one tenant, in a PostgreSQL of the bench's own."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert

from app.embedded import PostgresServer
from app.settings import Settings
from bench.retrieval.corpus import Corpus
from bench.retrieval.vectors import DIMENSIONS, Vector
from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId, new_id
from domain.knowledge.embedding import BUILT_IN
from domain.knowledge.vectors import IndexKey, SearchMode, StoreQuery, VectorRow
from persistence.accounts.tables import tenants
from persistence.database import create_engine
from persistence.knowledge.tables import knowledge_bases, knowledge_chunks, knowledge_documents
from persistence.knowledge.vectors import PgVectorStore
from persistence.migrate import migrate

UNSAFE_AND_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
INDEX = IndexKey(BUILT_IN, DIMENSIONS)


@contextlib.asynccontextmanager
async def database() -> AsyncIterator[Settings]:
    """A migrated database on a server that goes away with everything in it."""
    base = _place()
    server = PostgresServer(base / "postgres", options=UNSAFE_AND_FAST)
    try:
        server.start()
        settings = Settings(database_url=server.url(database="fabula"), app_password="app", relay_password="relay")  # type: ignore[arg-type]
        await migrate(settings.database_url.get_secret_value(), app_password="app", relay_password="relay")
        yield settings
    finally:
        server.destroy()
        shutil.rmtree(base, ignore_errors=True)


def _place() -> Path:
    """A directory that the server's own user can enter."""
    base = Path(tempfile.mkdtemp(prefix="fabula-retrieval-"))
    base.chmod(0o711)
    return base


@dataclass(frozen=True)
class Library:
    store: PgVectorStore
    tenant_id: TenantId
    base_id: KnowledgeBaseId
    places: dict[ChunkId, int]
    """The passage of each chunk."""

    async def ranked(self, mode: SearchMode, text: str, vector: Vector, first: int) -> list[tuple[int, float]]:
        """The numbers of the passages, the best first, and which part of the question's words each has."""
        query = StoreQuery(INDEX, mode, (self.base_id,), text, vector, first)
        found = await self.store.search(self.tenant_id, query)
        return [(self.places[one.chunk_id], one.covered or 0.0) for one in found]


async def library(settings: Settings, corpus: Corpus, vectors: list[Vector]) -> Library:
    """Every passage is a chunk; those of a language are a document."""
    tenant_id, base_id = TenantId(new_id()), KnowledgeBaseId(new_id())
    documents = {language: SourceDocumentId(new_id()) for language in ("en", "zh")}
    chunk_ids = [ChunkId(UUID(int=one.number)) for one in corpus.passages]  # of equals, the same one wins in every run
    tenant = {"tenant_id": tenant_id}
    rows = [
        tenant | {
            "id": chunk_ids[one.number], "base_id": base_id, "document_id": documents[one.language],
            "position": one.number, "heading_path": [], "text": one.text, "start_char": 0, "end_char": len(one.text),
            "tokens": 0, "text_hash": sha256(one.text.encode()).digest(),
        }
        for one in corpus.passages
    ]  # fmt: skip
    admin = create_engine(settings.database_url.get_secret_value(), pool_size=0)
    async with admin.begin() as connection:
        await connection.execute(insert(tenants), tenant | {"slug": "bench", "name": "bench"})
        await connection.execute(
            insert(knowledge_bases),
            tenant | {
                "id": base_id, "name": "bench", "owner_id": new_id(), "embedding_model": INDEX.model,
                "dimensions": INDEX.dimensions, "chunk_policy": {}, "retrieval_policy": {},
            },
        )  # fmt: skip
        await connection.execute(
            insert(knowledge_documents),
            [
                tenant | {
                    "id": one, "base_id": base_id, "title": language, "mime": "text/plain", "state": "READY",
                    "content_hash": language.encode(), "chunk_count": len(rows) // 2,
                }
                for language, one in documents.items()
            ],
        )  # fmt: skip
        await connection.execute(insert(knowledge_chunks), rows)
    await admin.dispose()
    store = PgVectorStore(create_engine(settings.database_app_url.get_secret_value()))
    await store.put(
        tenant_id, INDEX,
        [
            VectorRow(chunk_ids[one.number], base_id, documents[one.language], True, one.text, vectors[one.number])
            for one in corpus.passages
        ],
    )  # fmt: skip
    return Library(store, tenant_id, base_id, {one: place for place, one in enumerate(chunk_ids)})
