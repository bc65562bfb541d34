"""The port of the store that finds passages: by nearness of vectors, by words, or by both.

An index row belongs to a chunk and a model. What serves is what a search names, so that a base's old index answers
until the new one is whole. A tenant's rows are found by that tenant alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId
from domain.knowledge.fusion import Weights

Vector = Sequence[float]


class SearchMode(StrEnum):
    """By what passages are found."""

    VECTOR = "VECTOR"
    KEYWORD = "KEYWORD"
    HYBRID = "HYBRID"


@dataclass(frozen=True, slots=True)
class IndexKey:
    """Which index: vectors of different models, or of different lengths, cannot be compared."""

    model: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A chunk in an index. `text` is what words are looked for in; a store that keeps the chunks has it already."""

    chunk_id: ChunkId
    base_id: KnowledgeBaseId
    document_id: SourceDocumentId
    enabled: bool
    text: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class StoreQuery:
    """`vector` is needed unless the mode is KEYWORD, and `text` unless it is VECTOR. No `document_ids` are all."""

    index: IndexKey
    mode: SearchMode
    base_ids: tuple[KnowledgeBaseId, ...]
    text: str
    vector: Vector | None
    first: int
    document_ids: tuple[SourceDocumentId, ...] = ()
    weights: Weights = field(default_factory=Weights)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A chunk that was found, and at which places, from 1.

    `covered` is the part of the query's words that it has, weighed by their rarity. The scores are the store's own: for
    debugging alone.
    """

    chunk_id: ChunkId
    vector_rank: int | None
    keyword_rank: int | None
    covered: float | None = None
    vector_score: float | None = None
    keyword_score: float | None = None


class VectorStore(Protocol):
    async def put(self, tenant_id: TenantId, index: IndexKey, rows: Sequence[VectorRow]) -> None:
        """Write rows; one that is there already is replaced."""
        ...

    async def search(self, tenant_id: TenantId, query: StoreQuery) -> list[Ranked]:
        """The best first, at most `first`; the same rows in the same order each time."""
        ...
