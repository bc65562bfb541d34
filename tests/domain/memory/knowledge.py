"""The knowledge room, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from domain.ids import ChunkId, FileId, JobId, KnowledgeBaseId, SourceDocumentId, UserId
from domain.knowledge.entities import Chunk, Document, DocumentState, KnowledgeBase, KnowledgeScope
from domain.knowledge.indexes import Remaining
from domain.knowledge.indexing import Spent
from domain.knowledge.vectors import IndexKey


class MemoryKnowledge:
    """Implements `domain.knowledge.store.KnowledgeStore`."""

    def __init__(self) -> None:
        self.bases: dict[KnowledgeBaseId, KnowledgeBase] = {}
        self.documents: dict[SourceDocumentId, Document] = {}
        self.chunks: dict[ChunkId, Chunk] = {}
        self.unbilled: dict[SourceDocumentId | KnowledgeBaseId, Spent] = {}

    async def add(self, row: KnowledgeBase | Document) -> None:
        if isinstance(row, KnowledgeBase):
            self.bases[row.id] = row
        else:
            if await self.has_content(row.base_id, row.content_hash):
                raise ValueError("a base has one living document of a content")
            self.documents[row.id] = row

    async def base(
        self, base_id: KnowledgeBaseId, *, lock: bool = False, deleted: bool = False
    ) -> KnowledgeBase | None:
        found = self.bases.get(base_id)
        return found if found is not None and (deleted or found.deleted_at is None) else None

    async def count_bases(self, owner_id: UserId | None = None) -> int:
        living = [one for one in self.bases.values() if one.deleted_at is None]
        own = [one for one in living if one.scope == KnowledgeScope.USER]
        return len(living) - len(own) if owner_id is None else sum(one.owner_id == owner_id for one in own)

    async def count_documents(self, base_id: KnowledgeBaseId) -> int:
        return len(self._living(base_id))

    async def document(self, document_id: SourceDocumentId, *, lock: bool = False) -> Document | None:
        found = self.documents.get(document_id)
        return found if found is not None and found.deleted_at is None else None

    async def text(self, document_id: SourceDocumentId) -> str:
        return self.documents[document_id].text

    async def of_job(self, job_id: JobId, *, lock: bool = False) -> Document | None:
        return next((one for one in self.documents.values() if one.job_id == job_id), None)

    async def delete_documents(self, base_id: KnowledgeBaseId) -> list[Document]:
        living = self._living(base_id)
        for one in living:
            one.deleted_at = datetime.now(UTC)
        return [one for one in living if not DocumentState(one.state).settled]

    async def deleted_document(self) -> Document | None:
        return next((one for one in self.documents.values() if one.deleted_at and one.characters), None)

    async def has_content(self, base_id: KnowledgeBaseId, content_hash: bytes) -> bool:
        return any(one.content_hash == content_hash for one in self._living(base_id))

    async def stands_on(self, file_id: FileId) -> bool:
        return any(one.file_id == file_id for base_id in self.bases for one in self._living(base_id))

    async def replace_chunks(self, document: Document, chunks: Iterable[Chunk]) -> None:
        await self.delete_chunks(document.id)
        self.chunks |= {one.id: one for one in chunks}

    async def delete_chunks(self, document_id: SourceDocumentId, most: int | None = None) -> int:
        gone = [id_ for id_, one in self.chunks.items() if one.document_id == document_id][:most]
        for id_ in gone:
            del self.chunks[id_]
        return len(gone)

    async def chunk(self, chunk_id: ChunkId, *, lock: bool = False) -> Chunk | None:
        return self.chunks.get(chunk_id)

    async def unindexed(self, document_id: SourceDocumentId, limit: int) -> list[Chunk]:
        return [replace(one) for one in self._unindexed(document_id)[:limit]]

    async def unindexed_tokens(self, document_id: SourceDocumentId) -> tuple[int, int]:
        found = self._unindexed(document_id)
        return len(found), sum(one.tokens for one in found)

    async def take_unbilled(self, owner: SourceDocumentId | KnowledgeBaseId) -> Spent:
        return self.unbilled.pop(owner, Spent())

    async def mark_indexed(self, chunks: Sequence[Chunk], base: KnowledgeBase) -> None:
        for one in chunks:
            kept = self.chunks.get(one.id)
            if kept is not None and (kept.text_hash, kept.enabled) == (one.text_hash, one.enabled):
                kept.indexed = True

    def _unindexed(self, document_id: SourceDocumentId) -> list[Chunk]:
        mine = [one for one in self.chunks.values() if one.document_id == document_id and not one.indexed]
        return sorted(mine, key=lambda one: one.position)

    def _living(self, base_id: KnowledgeBaseId) -> list[Document]:
        return [one for one in self.documents.values() if one.base_id == base_id and one.deleted_at is None]


class MemoryIndexes:
    """Implements `domain.knowledge.indexes.IndexStore` where nothing has vectors: no index lacks anything."""

    def __init__(self, knowledge: MemoryKnowledge) -> None:
        self._knowledge = knowledge

    async def of_job(self, job_id: JobId, *, lock: bool = False) -> KnowledgeBase | None:
        return next((one for one in self._knowledge.bases.values() if one.job_id == job_id), None)

    async def alone(self, base_id: KnowledgeBaseId) -> KnowledgeBase | None:
        return self._knowledge.bases.get(base_id)

    async def remaining(self, base_id: KnowledgeBaseId, index: IndexKey) -> Remaining:
        return Remaining(0, 0, 0)

    async def missing(
        self, base_id: KnowledgeBaseId, index: IndexKey, limit: int, after: ChunkId | None = None
    ) -> Sequence[Chunk]:
        return []

    async def whole(self, base_id: KnowledgeBaseId, index: IndexKey) -> bool:
        return True

    async def remove_others(self, base_id: KnowledgeBaseId, limit: int) -> int:
        return 0

    async def enable(self, chunk_id: ChunkId, *, enabled: bool) -> None:
        pass
