"""A search as its callers see it: what they ask, what they get, and who answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.errors import ErrorCode, Rejected
from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId, UserId
from domain.knowledge.vectors import IndexKey, SearchMode

QUERY_CHARS_MAX = 1_000
FIRST_MAX = 50
BASES_MAX = 20
DOCUMENTS_MAX = 100


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """No `document_ids` are all of them."""

    document_ids: tuple[SourceDocumentId, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """`rerank` of None is what the first base's policy says."""

    base_ids: tuple[KnowledgeBaseId, ...]
    text: str
    mode: SearchMode = SearchMode.HYBRID
    first: int = 10
    filters: SearchFilters = field(default_factory=SearchFilters)
    rerank: bool | None = None
    debug: bool = False

    def checked(self) -> SearchQuery:
        """The same with its text trimmed. Raises Rejected."""
        text = self.text.strip()
        if not text:
            raise Rejected(ErrorCode.EMPTY, "Say what to look for.", "input", "query")
        if len(text) > QUERY_CHARS_MAX:
            raise Rejected(ErrorCode.TOO_LONG, f"At most {QUERY_CHARS_MAX:,} characters.", "input", "query")
        if "\0" in text:
            raise Rejected(ErrorCode.INVALID_CHARACTERS, "There is a character that is none.", "input", "query")
        if not 1 <= self.first <= FIRST_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {FIRST_MAX} hits.", "input", "first")
        base_ids = tuple(dict.fromkeys(self.base_ids))
        if not 1 <= len(base_ids) <= BASES_MAX:
            message = f"Between 1 and {BASES_MAX} knowledge bases."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "knowledgeBaseIds")
        if len(self.filters.document_ids) > DOCUMENTS_MAX:
            message = f"At most {DOCUMENTS_MAX} documents."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "documentIds")
        return SearchQuery(base_ids, text, self.mode, self.first, self.filters, self.rerank, self.debug)


@dataclass(frozen=True, slots=True)
class Scores:
    """For debugging. Ranks count from 1; the scores are the store's own and compare with nothing else."""

    vector_rank: int | None
    keyword_rank: int | None
    vector_score: float | None
    keyword_score: float | None
    before_rerank: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage: `text` is what the chunk says; it stands at [start, end) of its document, unless it was edited."""

    rank: int
    chunk_id: ChunkId
    document_id: SourceDocumentId
    base_id: KnowledgeBaseId
    title: str
    text: str
    start: int
    end: int
    page: int | None
    heading_path: tuple[str, ...]
    scores: Scores | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a search. `candidates` are the passages that it ended with."""

    name: str
    ms: float
    candidates: int


@dataclass(frozen=True, slots=True)
class SearchResult:
    """`stages` in the order in which they ran."""

    hits: tuple[Hit, ...]
    stages: tuple[Stage, ...] = ()


class Retriever(Protocol):
    async def search(
        self, tenant_id: TenantId, actor_user_id: UserId | None, query: SearchQuery, *, principal: str = ""
    ) -> SearchResult:
        """What it asks of providers is paid by the tenant, under the budgets of the user and of who is its `principal`.

        Raises Rejected (NotFound for a base that is not there for this user, NoEmbedder). By meaning alone also
        ProviderError, QuotaExhausted and BudgetExceeded; by both, words are looked for then without it.
        """
        ...


@dataclass(frozen=True, slots=True)
class SearchedBase:
    """What a search needs of a base. `policy` is its retrieval policy as it is kept."""

    id: KnowledgeBaseId
    index: IndexKey
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk and its document, as a hit shows them."""

    chunk_id: ChunkId
    document_id: SourceDocumentId
    base_id: KnowledgeBaseId
    title: str
    text: str
    start: int
    end: int
    page: int | None
    heading_path: tuple[str, ...]


class Passages(Protocol):
    """Reads of bases and chunks."""

    async def bases(
        self, tenant_id: TenantId, actor_user_id: UserId | None, base_ids: Sequence[KnowledgeBaseId]
    ) -> list[SearchedBase]:
        """Those that are there and that the user may read."""
        ...

    async def passages(self, tenant_id: TenantId, chunk_ids: Sequence[ChunkId]) -> dict[ChunkId, Passage]:
        """Those that are there and switched on, of documents that are not deleted."""
        ...
