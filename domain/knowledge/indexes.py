"""What a change of a base's model needs of the base and of its indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.ids import ChunkId, JobId, KnowledgeBaseId
from domain.knowledge.entities import Chunk, KnowledgeBase
from domain.knowledge.vectors import IndexKey


@dataclass(frozen=True, slots=True)
class Remaining:
    """Of the `chunks` of an index, so many are `missing` in another; `tokens` of those were never embedded for it."""

    chunks: int
    missing: int
    tokens: int


class IndexStore(Protocol):
    """The indexes of a unit of work. A chunk is missing in an index that has no vector of its text as it is now, though
    the index that its base answers from has one of it.
    """

    async def of_job(self, job_id: JobId, *, lock: bool = False) -> KnowledgeBase | None:
        """The base whose model a job changes, deleted or not. None once another job does."""
        ...

    async def alone(self, base_id: KnowledgeBaseId) -> KnowledgeBase | None:
        """The base, locked: no chunk of it becomes indexed until the end of the transaction."""
        ...

    async def remaining(self, base_id: KnowledgeBaseId, index: IndexKey) -> Remaining: ...
    async def missing(
        self, base_id: KnowledgeBaseId, index: IndexKey, limit: int, after: ChunkId | None = None
    ) -> Sequence[Chunk]:
        """In the order of their ids. They are not kept in the session."""
        ...

    async def whole(self, base_id: KnowledgeBaseId, index: IndexKey) -> bool:
        """Whether nothing is missing."""
        ...

    async def remove_others(self, base_id: KnowledgeBaseId, limit: int) -> int:
        """Delete rows that the base does not answer from. How many that were."""
        ...

    async def enable(self, chunk_id: ChunkId, *, enabled: bool) -> None:
        """Whether its vectors are found, in all indexes."""
        ...
