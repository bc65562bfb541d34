"""The search itself: embed the question, ask the store, read the passages, put them into their last order."""

from __future__ import annotations

import logging
import math
import time
from array import array
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from domain.billing import QuotaExhausted, Usage
from domain.channels.offers import price_name
from domain.errors import NotFound, Rejected
from domain.generation.provider import ProviderError, UsageReport, UsageSource
from domain.ids import ChunkId, TenantId, UserId
from domain.knowledge.embedding import Embedder, Embedders
from domain.knowledge.fusion import Weights
from domain.knowledge.paying import Call, Payer, Till
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
from domain.text import estimated_tokens

logger = logging.getLogger(__name__)

RERANKED_MAX = 30
"""So many of what was found are put into order anew. More would cost a model more than they can give."""
RECENT_S = 600.0
RECENT_MAX = 1_000
"""Questions whose vectors are kept: at most 12 MB."""
MARKS = 8
"""Tokens that a provider adds to a text: where it begins, where it ends, what it is."""
EMBED, RERANK = "EMBED", "RERANK"
RERANKER = "rerank"
"""Under what name usage of the reranker is kept: it goes through no channel."""
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


class Recent:
    """Vectors of questions that were asked lately, so that asking again costs nothing: the first are forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, array[float]]] = {}

    def get(self, key: Hashable) -> Sequence[float] | None:
        at, vector = self._kept.get(key, (-math.inf, None))
        return vector if at > self._clock() - RECENT_S else None

    def keep(self, key: Hashable, vector: Sequence[float]) -> None:
        self._kept.pop(key, None)
        self._kept[key] = self._clock(), array("f", vector)
        if len(self._kept) > RECENT_MAX:
            del self._kept[next(iter(self._kept))]


@dataclass(frozen=True)
class KnowledgeRetriever:
    """Implements `Retriever`. `provider_reranker` is used where a base's policy asks for a model."""

    passages: Passages
    embedders: Embedders
    store: VectorStore
    till: Till
    provider_reranker: Reranker | None = None
    word_overlap: Reranker = field(default_factory=WordOverlap)
    asked: Recent = field(default_factory=Recent)

    async def search(
        self, tenant_id: TenantId, actor_user_id: UserId | None, query: SearchQuery, *, principal: str = ""
    ) -> SearchResult:
        query, clock, payer = query.checked(), Clock(), Payer(tenant_id, actor_user_id, principal)
        bases = await self.passages.bases(tenant_id, actor_user_id, query.base_ids)
        if len(bases) < len(query.base_ids):
            raise NotFound("The knowledge base", "input", "knowledgeBaseIds")
        reranker = self._reranker(query, bases[0])
        wanted = max(query.first * SPARE, RERANKED_MAX if reranker is not None else 0)
        ranked = await self._ranked(payer, query, bases, wanted, clock)
        found = await self.passages.passages(tenant_id, [one.chunk_id for one in ranked])
        ranked = [one for one in ranked if one.chunk_id in found]
        clock.note("passages", len(ranked))
        order = list(range(len(ranked)))
        if reranker is not None:
            texts = [found[one.chunk_id].text for one in ranked]
            order = await self._reranked(payer, reranker, query.text, texts, clock)
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
        self, payer: Payer, query: SearchQuery, bases: Sequence[SearchedBase], first: int, clock: Clock
    ) -> list[Ranked]:
        """Bases of one model are searched together; lists of different models take turns."""
        lists = []
        for index in dict.fromkeys(base.index for base in bases):
            alike = [base for base in bases if base.index == index]
            vector = await self._vector(payer, query, index, clock) if query.mode is not SearchMode.KEYWORD else None
            asked = _store_query(query, index, alike, vector, first)
            lists.append(await self.store.search(payer.tenant_id, asked))
            if query.debug:
                _note_lists(clock, lists[-1])
        turns: dict[ChunkId, Ranked] = {}
        for turn in zip_longest(*lists):
            for one in turn:
                if one is not None:
                    turns.setdefault(one.chunk_id, one)
        return list(turns.values())[:first]

    async def _vector(self, payer: Payer, query: SearchQuery, index: IndexKey, clock: Clock) -> Sequence[float] | None:
        """The question's vector. None where it cannot be had now, and the words are looked for without it."""
        key = (payer.tenant_id, index, query.text)
        vector = self.asked.get(key)
        if vector is None:
            embedder = await self.embedders.find(payer.tenant_id, index.model, index.dimensions)
            try:
                vector = await self._embedded(payer, embedder, query.text)
            except (ProviderError, QuotaExhausted, Rejected) as refusal:
                if query.mode is SearchMode.VECTOR:
                    raise
                logger.warning("tenant %s searches by words alone: %s", payer.tenant_id, refusal)
                clock.note("embed: refused, by words alone", 0)
                return None
            self.asked.keep(key, vector)
        clock.note("embed", 0)
        return vector

    async def _embedded(self, payer: Payer, embedder: Embedder, text: str) -> Sequence[float]:
        if embedder.offer is None:
            [vector] = (await embedder.embed([text], query=True)).vectors
            return vector
        model, channel = embedder.offer.priced_as, embedder.offer.channel

        async def ask() -> tuple[Sequence[float], Usage]:
            found = await embedder.embed([text], query=True)
            said = found.usage or UsageReport(estimated_tokens(text), 0, source=UsageSource.ESTIMATE)
            return found.vectors[0], Usage(said.input_tokens, 0, source=said.source)

        # No tokenizer makes more tokens of a text than it has bytes.
        most = len(text.encode()) + MARKS
        return await self.till.pay(payer, Call(EMBED, model, most, channel.name, channel.id), ask)

    async def _reranked(
        self, payer: Payer, reranker: Reranker, text: str, texts: Sequence[str], clock: Clock
    ) -> list[int]:
        """A provider that fails, or that cannot be paid, costs the order and not the answer."""
        head = texts[:RERANKED_MAX]
        if reranker is self.provider_reranker and head:
            try:
                order = await self._paid_order(payer, reranker, text, head)
            except (ProviderError, QuotaExhausted, Rejected):
                reranker = self.word_overlap
                order = await reranker.rerank(text, head)
        else:
            order = await reranker.rerank(text, head)
        clock.note(f"rerank: {reranker.name}", len(head))
        return [*order, *range(len(head), len(texts))]

    async def _paid_order(self, payer: Payer, reranker: Reranker, text: str, texts: Sequence[str]) -> list[int]:
        """Providers count in ways of their own: it is the tokens of all pairs of question and passage that are paid."""
        tokens = len(texts) * estimated_tokens(text) + sum(map(estimated_tokens, texts))

        async def ask() -> tuple[list[int], Usage]:
            return await reranker.rerank(text, texts), Usage(tokens, 0, source=UsageSource.ESTIMATE)

        return await self.till.pay(payer, Call(RERANK, (reranker.name, price_name(None)), tokens, RERANKER), ask)


def _store_query(
    query: SearchQuery, index: IndexKey, bases: Sequence[SearchedBase], vector: Sequence[float] | None, first: int
) -> StoreQuery:
    """Weights are those of the first base that has its own."""
    own = next((base.policy["vector_weight"] for base in bases if "vector_weight" in base.policy), None)
    weights = Weights() if own is None else Weights(keyword=1 - float(own))
    mode = query.mode if vector is not None else SearchMode.KEYWORD
    return StoreQuery(
        index, mode, tuple(base.id for base in bases), query.text, vector, first, query.filters.document_ids,
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
