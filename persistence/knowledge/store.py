"""The knowledge room of a unit of work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    CursorResult,
    LargeBinary,
    Select,
    Uuid,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    not_,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import ChunkId, FileId, JobId, KnowledgeBaseId, SourceDocumentId, TenantId, UserId
from domain.knowledge.entities import Chunk, Document, DocumentState, KnowledgeBase, KnowledgeScope
from domain.knowledge.indexing import Spent
from persistence.knowledge.tables import knowledge_bases, knowledge_chunks, knowledge_documents

_SETTLED = (DocumentState.READY, DocumentState.FAILED)
_WRITTEN = [column.name for column in knowledge_chunks.columns if column.name not in {"tsv", "created_at"}]
WRITTEN_AT_ONCE = 500
"""Chunks: what is made of them on the event loop takes some ten milliseconds."""
_MARK = (
    update(knowledge_chunks)
    .where(
        knowledge_chunks.c.tenant_id == bindparam("tenant", type_=Uuid),
        knowledge_chunks.c.id == bindparam("chunk", type_=Uuid),
        knowledge_chunks.c.text_hash == bindparam("hash", type_=LargeBinary),
        knowledge_chunks.c.enabled == bindparam("switch", type_=Boolean),
    )
    .values(indexed=True)
)
_LOCK_COUNT = text("select pg_advisory_xact_lock(hashtextextended('fabula.knowledge:' || :tenant, 0))")
_FOR_CHANGE = {"key_share": True}
"""FOR NO KEY UPDATE: other writers wait, and rows that refer to it are written meanwhile."""
_document, _chunk = knowledge_documents.c, knowledge_chunks.c


_TAKE_UNBILLED = text("""
    with mine as (
        select text_hash, model, dimensions, tokens, cost_micros, channel_id, price_id, created_at
        from app.knowledge_embeddings where tenant_id = :tenant and owner = :owner and unbilled
        order by text_hash, model, dimensions for update
    ), taken as (
        update app.knowledge_embeddings one set unbilled = false from mine
        where one.tenant_id = :tenant
          and (one.text_hash, one.model, one.dimensions) = (mine.text_hash, mine.model, mine.dimensions)
    )
    select coalesce(sum(tokens), 0) as tokens, coalesce(sum(cost_micros), 0) as cost_micros,
           (array_agg(channel_id order by created_at desc))[1] as channel_id,
           (array_agg(price_id order by created_at desc))[1] as price_id
    from mine
""")


class SqlKnowledge:
    """Implements `domain.knowledge.store.KnowledgeStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, row: KnowledgeBase | Document) -> None:
        self._session.add(row)
        await self._session.flush()

    async def base(
        self, base_id: KnowledgeBaseId, *, lock: bool = False, deleted: bool = False
    ) -> KnowledgeBase | None:
        key, how = (self._tenant_id, base_id), _FOR_CHANGE if lock else None
        found = await self._session.get(KnowledgeBase, key, with_for_update=how, populate_existing=lock)
        return found if found is not None and (deleted or found.deleted_at is None) else None

    async def count_bases(self, owner_id: UserId | None = None) -> int:
        await self._session.execute(_LOCK_COUNT, {"tenant": str(self._tenant_id)})
        base, own = knowledge_bases.c, knowledge_bases.c.scope == KnowledgeScope.USER
        whose = not_(own) if owner_id is None else and_(own, base.owner_id == owner_id)
        live = base.tenant_id == self._tenant_id, base.deleted_at.is_(None), whose
        return await self._session.scalar(select(func.count()).select_from(knowledge_bases).where(*live)) or 0

    async def count_documents(self, base_id: KnowledgeBaseId) -> int:
        return await self._session.scalar(select(func.count()).select_from(self._live(base_id).subquery())) or 0

    async def document(self, document_id: SourceDocumentId, *, lock: bool = False) -> Document | None:
        key, how = (self._tenant_id, document_id), _FOR_CHANGE if lock else None
        found = await self._session.get(Document, key, with_for_update=how, populate_existing=lock)
        return found if found is not None and found.deleted_at is None else None

    async def text(self, document_id: SourceDocumentId) -> str:
        mine = _document.tenant_id == self._tenant_id, _document.id == document_id
        return await self._session.scalar(select(_document.text).where(*mine)) or ""

    async def of_job(self, job_id: JobId, *, lock: bool = False) -> Document | None:
        statement = select(Document).where(_document.tenant_id == self._tenant_id, _document.job_id == job_id)
        if lock:
            statement = statement.with_for_update(key_share=True).execution_options(populate_existing=True)
        found: Document | None = await self._session.scalar(statement)
        return found

    async def delete_documents(self, base_id: KnowledgeBaseId) -> list[Document]:
        mine = _document.tenant_id == self._tenant_id, _document.base_id == base_id, _document.deleted_at.is_(None)
        marked = update(knowledge_documents).where(*mine).values(deleted_at=func.now(), updated_at=func.now())
        rows = await self._session.execute(marked.returning(_document.id, _document.state))
        at_work = [row.id for row in rows if row.state not in _SETTLED]
        same = select(Document).where(_document.tenant_id == self._tenant_id, _document.id.in_(at_work))
        found = same.order_by(_document.id).execution_options(populate_existing=True)
        return list(await self._session.scalars(found))

    async def deleted_document(self) -> Document | None:
        left = _document.deleted_at.is_not(None), _document.characters > literal_column("0")
        statement = select(Document).where(_document.tenant_id == self._tenant_id, *left).order_by(_document.id)
        locked = statement.limit(1).with_for_update(skip_locked=True, key_share=True)
        found: Document | None = await self._session.scalar(locked)
        return found

    async def has_content(self, base_id: KnowledgeBaseId, content_hash: bytes) -> bool:
        same = self._live(base_id).where(_document.content_hash == content_hash)
        return bool(await self._session.scalar(select(same.exists())))

    async def stands_on(self, file_id: FileId) -> bool:
        living = _document.deleted_at.is_(None), knowledge_bases.c.deleted_at.is_(None)
        reading = (
            select(_document.id)
            .join(
                knowledge_bases,
                (knowledge_bases.c.tenant_id == _document.tenant_id) & (knowledge_bases.c.id == _document.base_id),
            )
            .where(_document.tenant_id == self._tenant_id, _document.file_id == file_id, *living)
        )
        return bool(await self._session.scalar(select(reading.exists())))

    async def replace_chunks(self, document: Document, chunks: Iterable[Chunk]) -> None:
        await self.delete_chunks(document.id)
        coming = iter(chunks)
        while part := [_row(chunk) for chunk in islice(coming, WRITTEN_AT_ONCE)]:
            await self._session.execute(insert(knowledge_chunks), part)

    async def delete_chunks(self, document_id: SourceDocumentId, most: int | None = None) -> int:
        await self._session.flush()
        mine = _chunk.tenant_id == self._tenant_id, _chunk.document_id == document_id
        some = select(_chunk.position).where(*mine).order_by(_chunk.position).limit(most)
        gone = await self._session.execute(delete(knowledge_chunks).where(*mine, _chunk.position.in_(some)))
        return cast("CursorResult[Any]", gone).rowcount

    async def chunk(self, chunk_id: ChunkId, *, lock: bool = False) -> Chunk | None:
        key = (self._tenant_id, chunk_id)
        return await self._session.get(Chunk, key, with_for_update=lock, populate_existing=lock)

    async def unindexed(self, document_id: SourceDocumentId, limit: int) -> list[Chunk]:
        columns = [knowledge_chunks.c[name] for name in _WRITTEN]
        statement = select(*columns).where(*self._unindexed(document_id)).order_by(_chunk.position).limit(limit)
        return [Chunk(**row) for row in (await self._session.execute(statement)).mappings()]

    async def unindexed_tokens(self, document_id: SourceDocumentId) -> tuple[int, int]:
        sums = select(func.count(), func.coalesce(func.sum(_chunk.tokens), 0)).where(*self._unindexed(document_id))
        count, tokens = (await self._session.execute(sums)).one()
        return int(count), int(tokens)

    async def take_unbilled(self, owner: SourceDocumentId | KnowledgeBaseId) -> Spent:
        row = (await self._session.execute(_TAKE_UNBILLED, {"tenant": self._tenant_id, "owner": owner})).one()
        return Spent(int(row.tokens), int(row.cost_micros), row.channel_id, row.price_id)

    async def mark_indexed(self, chunks: Sequence[Chunk], base: KnowledgeBase) -> None:
        """The base is held on to as a foreign key would, so that its model changes before, or after the end of this."""
        asked = (
            knowledge_bases.c.tenant_id == self._tenant_id, knowledge_bases.c.id == base.id,
            knowledge_bases.c.embedding_model == base.embedding_model, knowledge_bases.c.dimensions == base.dimensions,
        )  # fmt: skip
        same = select(knowledge_bases.c.id).where(*asked).with_for_update(read=True, key_share=True)
        if await self._session.scalar(same) is None:
            return
        connection = await self._session.connection()
        rows = [
            {"tenant": self._tenant_id, "chunk": one.id, "hash": one.text_hash, "switch": one.enabled} for one in chunks
        ]
        await connection.execute(_MARK, rows)

    def _unindexed(self, document_id: SourceDocumentId) -> tuple[Any, ...]:
        return _chunk.tenant_id == self._tenant_id, _chunk.document_id == document_id, not_(_chunk.indexed)

    def _live(self, base_id: KnowledgeBaseId) -> Select[Any]:
        return select(Document).where(
            _document.tenant_id == self._tenant_id, _document.base_id == base_id, _document.deleted_at.is_(None)
        )


def _row(chunk: Chunk) -> dict[str, Any]:
    return {name: getattr(chunk, name) for name in _WRITTEN}
