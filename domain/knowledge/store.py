"""What the knowledge room asks of persistence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from domain.ids import ChunkId, FileId, JobId, KnowledgeBaseId, SourceDocumentId, UserId
from domain.knowledge.entities import Chunk, Document, KnowledgeBase
from domain.knowledge.indexing import Spent


class KnowledgeStore(Protocol):
    """The knowledge room of a unit of work. Deleted bases and documents are not found.

    The text of a document that was found may not be read, only written: ask for it by `text`.
    """

    async def add(self, row: KnowledgeBase | Document) -> None: ...
    async def base(
        self, base_id: KnowledgeBaseId, *, lock: bool = False, deleted: bool = False
    ) -> KnowledgeBase | None: ...
    async def count_bases(self, owner_id: UserId | None = None) -> int:
        """Living ones that are somebody's alone, or that are not anybody's for None. Nobody else adds one until the end of the transaction."""
        ...

    async def count_documents(self, base_id: KnowledgeBaseId) -> int: ...
    async def document(self, document_id: SourceDocumentId, *, lock: bool = False) -> Document | None: ...
    async def text(self, document_id: SourceDocumentId) -> str: ...
    async def of_job(self, job_id: JobId, *, lock: bool = False) -> Document | None:
        """The document that a job works on, deleted or not. None once another job does."""
        ...

    async def delete_documents(self, base_id: KnowledgeBaseId) -> list[Document]:
        """Mark those of a base as deleted. The ones that were on their way into search, locked."""
        ...

    async def deleted_document(self) -> Document | None:
        """Some deleted one, locked, of which there is something left to forget."""
        ...

    async def has_content(self, base_id: KnowledgeBaseId, content_hash: bytes) -> bool: ...
    async def stands_on(self, file_id: FileId) -> bool:
        """Whether a document reads a file, that lives in a base that lives."""
        ...

    async def replace_chunks(self, document: Document, chunks: Iterable[Chunk]) -> None:
        """They are taken as they are written, part after part, so that nothing else waits while they are made."""
        ...

    async def delete_chunks(self, document_id: SourceDocumentId, most: int | None = None) -> int:
        """Those of a document, or so many of them; how many that were."""
        ...

    async def chunk(self, chunk_id: ChunkId, *, lock: bool = False) -> Chunk | None: ...
    async def unindexed(self, document_id: SourceDocumentId, limit: int) -> list[Chunk]:
        """Chunks without vectors of their text, in the document's order. They are not kept in the session."""
        ...

    async def unindexed_tokens(self, document_id: SourceDocumentId) -> tuple[int, int]:
        """How many chunks have no vectors of their text, and their estimated tokens."""
        ...

    async def take_unbilled(self, owner: SourceDocumentId | KnowledgeBaseId) -> Spent:
        """What was asked for a document, or for a base that changes its model, and not counted for a job yet; from now
        on it is.

        The channel and the price are those of the last call of it.
        """
        ...

    async def mark_indexed(self, chunks: Sequence[Chunk], base: KnowledgeBase) -> None:
        """Their vectors are written, of the model that the base had. One that was edited or switched meanwhile stays as
        it is; all of them do when the base has another model by now.
        """
        ...
