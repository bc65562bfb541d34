"""The indexes of a unit of work: what a change of a base's model needs of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import ChunkId, JobId, KnowledgeBaseId, TenantId
from domain.knowledge.entities import Chunk, KnowledgeBase
from domain.knowledge.indexes import Remaining
from domain.knowledge.vectors import IndexKey
from persistence.knowledge.search_tables import chunk_vectors
from persistence.knowledge.tables import knowledge_bases, knowledge_chunks

_COLUMNS = [column for column in knowledge_chunks.columns if column.name != "tsv"]
_SERVED = """
    exists (
        select from app.chunk_vectors o where o.tenant_id = c.tenant_id and o.chunk_id = c.id
            and o.model = b.embedding_model and o.dimensions = b.dimensions)
"""
_MISSING = """
    not exists (
        select from app.chunk_vectors n where n.tenant_id = c.tenant_id and n.chunk_id = c.id and n.model = :model
            and n.dimensions = :dimensions and n.text_hash = c.text_hash and n.enabled = c.enabled)
"""
_CHUNKS = """
    from app.knowledge_bases b join app.knowledge_chunks c on c.tenant_id = b.tenant_id and c.base_id = b.id
        join app.knowledge_documents d on d.tenant_id = c.tenant_id and d.id = c.document_id and d.deleted_at is null
"""
_PAGE = text(f"""
    select {", ".join(f"c.{column.name}" for column in _COLUMNS)} {_CHUNKS}
    where b.tenant_id = :tenant and b.id = :base and (cast(:after as uuid) is null or c.id > cast(:after as uuid))
        and {_SERVED} and {_MISSING}
    order by c.id limit :limit
""").columns(*_COLUMNS)
_ANY = text(
    f"select exists (select {_CHUNKS} where b.tenant_id = :tenant and b.id = :base and {_SERVED} and {_MISSING})"
)
_REMAINING = text(f"""
    select count(*) as chunks, count(*) filter (where missing) as missing,
        coalesce(sum(tokens) filter (where missing and not exists (
            select from app.knowledge_embeddings e where e.tenant_id = :tenant and e.text_hash = served.text_hash
                and e.model = :model and e.dimensions = :dimensions and e.vector is not null)), 0) as tokens
    from (
        select c.tokens, c.text_hash, {_MISSING} as missing {_CHUNKS}
        where b.tenant_id = :tenant and b.id = :base and {_SERVED}) as served
""")
_REMOVE = text("""
    delete from app.chunk_vectors where tenant_id = :tenant and (chunk_id, model, dimensions) in (
        select v.chunk_id, v.model, v.dimensions
        from app.knowledge_bases b join app.chunk_vectors v on v.tenant_id = b.tenant_id and v.base_id = b.id
        where b.tenant_id = :tenant and b.id = :base and (v.model, v.dimensions) <> (b.embedding_model, b.dimensions)
        order by v.chunk_id limit :limit for update of v skip locked)
""")


class SqlIndexes:
    """Implements `domain.knowledge.indexes.IndexStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def of_job(self, job_id: JobId, *, lock: bool = False) -> KnowledgeBase | None:
        mine = knowledge_bases.c.tenant_id == self._tenant_id, knowledge_bases.c.job_id == job_id
        statement = select(KnowledgeBase).where(*mine)
        if lock:
            statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
        found: KnowledgeBase | None = await self._session.scalar(statement)
        return found

    async def alone(self, base_id: KnowledgeBaseId) -> KnowledgeBase | None:
        """Locked as for a deletion, so that what holds on to the base as a foreign key does has to wait."""
        key = (self._tenant_id, base_id)
        return await self._session.get(KnowledgeBase, key, with_for_update=True, populate_existing=True)

    async def remaining(self, base_id: KnowledgeBaseId, index: IndexKey) -> Remaining:
        row = (await self._session.execute(_REMAINING, self._of(base_id, index))).one()
        return Remaining(row.chunks, row.missing, int(row.tokens))

    async def missing(
        self, base_id: KnowledgeBaseId, index: IndexKey, limit: int, after: ChunkId | None = None
    ) -> Sequence[Chunk]:
        asked = self._of(base_id, index) | {"limit": limit, "after": after}
        return [Chunk(**row) for row in (await self._session.execute(_PAGE, asked)).mappings()]

    async def whole(self, base_id: KnowledgeBaseId, index: IndexKey) -> bool:
        return not (await self._session.execute(_ANY, self._of(base_id, index))).scalar_one()

    async def remove_others(self, base_id: KnowledgeBaseId, limit: int) -> int:
        asked = {"tenant": self._tenant_id, "base": base_id, "limit": limit}
        return (await self._session.execute(_REMOVE, asked)).rowcount  # type: ignore[attr-defined,no-any-return]

    async def enable(self, chunk_id: ChunkId, *, enabled: bool) -> None:
        mine = chunk_vectors.c.tenant_id == self._tenant_id, chunk_vectors.c.chunk_id == chunk_id
        await self._session.execute(update(chunk_vectors).where(*mine).values(enabled=enabled))

    def _of(self, base_id: KnowledgeBaseId, index: IndexKey) -> dict[str, Any]:
        return {"tenant": self._tenant_id, "base": base_id, "model": index.model, "dimensions": index.dimensions}
