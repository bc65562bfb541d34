"""The search itself: embed the question, ask the store, read the passages, put them into their last order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from domain.errors import NotFound
from domain.generation.provider import ProviderError
from domain.ids import ChunkId, TenantId, UserId
from domain.knowledge.embedding import Embedders
from domain.knowledge.fusion import Weights
from domain.knowledge.rerank import Reranker, WordOverlap
from domain.knowledge.search import (
    Hit,
    Passage,
    Passages,
    Scores,
    SearchedBase,
    SearchQuery,
    SearchResult,
    Stage,
)
from domain.knowledge.vectors import IndexKey, Ranked, SearchMode, StoreQuery, VectorStore

RERANKED_MAX = 30
"""So many of what was found are put into order anew. More would cost a model more than they can give."""
SPARE = 2
"""How many times what is asked for is looked up: what was deleted or switched off meanwhile falls out."""


class Clock:
    """Notes how long each stage took."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._began = time.perf_counter()

    def note(self, name: str, candidates: int) -> None:
        now = time.perf_counter()
        self.stages.append(Stage(name, round((now - self._began) * 1000, 2), candidates))
        self._began = now


@dataclass(frozen=True)
class KnowledgeRetriever:
    """Implements `Retriever`. `provider_reranker` is used where a base's policy asks for a model."""

    passages: Passages
    embedders: Embedders
    store: VectorStore
    provider_reranker: Reranker | None = None
    word_overlap: Reranker = field(default_factory=WordOverlap)

    async def search(self, tenant_id: TenantId, actor_user_id: UserId | None, query: SearchQuery) -> SearchResult:
        query, clock = query.checked(), Clock()
        bases = await self.passages.bases(tenant_id, actor_user_id, query.base_ids)
        if len(bases) < len(query.base_ids):
            raise NotFound("The knowledge base", "input", "knowledgeBaseIds")
        reranker = self._reranker(query, bases[0])
        wanted = max(query.first * SPARE, RERANKED_MAX if reranker is not None else 0)
        ranked = await self._ranked(tenant_id, query, bases, wanted, clock)
        found = await self.passages.passages(tenant_id, [one.chunk_id for one in ranked])
        ranked = [one for one in ranked if one.chunk_id in found]
        clock.note("passages", len(ranked))
        order = list(range(len(ranked)))
        if reranker is not None:
            order = await self._reranked(reranker, query.text, [found[one.chunk_id].text for one in ranked], clock)
        hits = tuple(
            _hit(rank, found[ranked[place].chunk_id], ranked[place] if query.debug else None, place + 1)
            for rank, place in enumerate(order[: query.first], 1)
        )
        return SearchResult(hits, tuple(clock.stages) if query.debug else ())

    def _reranker(self, query: SearchQuery, base: SearchedBase) -> Reranker | None:
        named = base.policy.get("reranker", "OVERLAP")
        wanted = query.rerank if query.rerank is not None else named != "NONE"
        if not wanted:
            return None
        return self.provider_reranker if named == "MODEL" and self.provider_reranker else self.word_overlap

    async def _ranked(
        self, tenant_id: TenantId, query: SearchQuery, bases: Sequence[SearchedBase], first: int, clock: Clock
    ) -> list[Ranked]:
        """Bases of one model are searched together; lists of different models take turns."""
        lists = []
        for index in dict.fromkeys(base.index for base in bases):
            alike = [base for base in bases if base.index == index]
            vector = None
            if query.mode is not SearchMode.KEYWORD:
                embedder = await self.embedders.find(tenant_id, index.model, index.dimensions)
                [vector] = (await embedder.embed([query.text], query=True)).vectors
                clock.note("embed", 0)
            lists.append(await self.store.search(tenant_id, _store_query(query, index, alike, vector, first)))
            if query.debug:
                _note_lists(clock, lists[-1])
        turns: dict[ChunkId, Ranked] = {}
        for turn in zip_longest(*lists):
            for one in turn:
                if one is not None:
                    turns.setdefault(one.chunk_id, one)
        return list(turns.values())[:first]

    async def _reranked(self, reranker: Reranker, text: str, texts: Sequence[str], clock: Clock) -> list[int]:
        """A provider that fails costs the order and not the answer."""
        head = texts[:RERANKED_MAX]
        try:
            order = await reranker.rerank(text, head)
        except ProviderError:
            reranker = self.word_overlap
            order = await reranker.rerank(text, head)
        clock.note(f"rerank: {reranker.name}", len(head))
        return [*order, *range(len(head), len(texts))]


def _store_query(
    query: SearchQuery, index: IndexKey, bases: Sequence[SearchedBase], vector: Sequence[float] | None, first: int
) -> StoreQuery:
    """Weights are those of the first base that has its own."""
    own = next((base.policy["vector_weight"] for base in bases if "vector_weight" in base.policy), None)
    weights = Weights() if own is None else Weights(keyword=1 - float(own))
    return StoreQuery(
        index, query.mode, tuple(base.id for base in bases), query.text, vector, first, query.filters.document_ids,
        weights,
    )  # fmt: skip


def _note_lists(clock: Clock, ranked: Sequence[Ranked]) -> None:
    clock.note("store", len(ranked))
    clock.note("vector", sum(one.vector_rank is not None for one in ranked))
    clock.note("keyword", sum(one.keyword_rank is not None for one in ranked))


def _hit(rank: int, passage: Passage, ranked: Ranked | None, before: int) -> Hit:
    scores = None
    if ranked is not None:
        scores = Scores(
            ranked.vector_rank, ranked.keyword_rank, ranked.vector_score, ranked.keyword_score, before_rerank=before
        )
    return Hit(
        rank, passage.chunk_id, passage.document_id, passage.base_id, passage.title, passage.text, passage.start,
        passage.end, passage.page, passage.heading_path, scores,
    )  # fmt: skip
