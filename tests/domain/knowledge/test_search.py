"""The words of a question, how lists become one, and the search over its ports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from adapters.embedder_hashed import HashedEmbedder
from adapters.rerank import CALL_S
from domain.billing import QuotaExhausted, Usage
from domain.channels.entities import Channel, ChannelModel, Modality, ProviderKind
from domain.channels.offers import Offer
from domain.errors import ErrorCode, NotFound, Rejected
from domain.generation.provider import Embeddings, ProviderError, ProviderErrorCode
from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId, UserId, new_id
from domain.knowledge import embedding, paying
from domain.knowledge.embedding import Embedder
from domain.knowledge.fusion import Weights, fused
from domain.knowledge.paying import Call, Payer
from domain.knowledge.rerank import Reranker, WordOverlap, overlaps
from domain.knowledge.retrieval import RECENT_MAX, RECENT_S, RERANKED_MAX, KnowledgeRetriever, Recent
from domain.knowledge.search import Passage, SearchedBase, SearchQuery, SearchResult
from domain.knowledge.terms import HALF_EMPTY, NAME, TERMS_MAX, Term, TermKind, names_of, terms_of
from domain.knowledge.vectors import IndexKey, Ranked, SearchMode, StoreQuery

TENANT, USER = TenantId(new_id()), UserId(new_id())
WORD, PAIR, GLYPH = TermKind.WORD, TermKind.PAIR, TermKind.GLYPH


# -- words -----------------------------------------------------------------------------------------------------------


def test_a_question_gives_the_words_that_can_find_something() -> None:
    assert terms_of("What did the keeper of Karst light, at 4417-K?") == [
        Term("keeper", WORD), Term("karst", WORD, NAME), Term("light", WORD), Term("4417-k", WORD, NAME),
    ]  # fmt: skip
    assert terms_of("Which lamps? Lamps and lamps") == [Term("lamps", WORD)]


def test_a_run_of_chinese_becomes_pairs_and_function_words_count_less_or_not_at_all() -> None:
    assert terms_of("守灯人是谁") == [Term("守灯", PAIR), Term("灯人", PAIR), Term("人是", PAIR, HALF_EMPTY)]
    assert terms_of("岑 的") == [Term("岑", GLYPH)]
    assert terms_of("是什么?!") == terms_of("what is the") == terms_of("") == []


def test_of_a_long_question_the_first_words_are_taken() -> None:
    words = [f"word{n}" for n in range(TERMS_MAX + 1)]
    assert [one.text for one in terms_of(" ".join(words))] == words[:TERMS_MAX]


def test_names_are_what_is_quoted_capitalised_or_has_digits() -> None:
    assert names_of('Where is "the brass key" of Oduya? And room 12') == ["the brass key", "oduya", "12"]
    assert names_of("谁写了《河灯》？") == ["河灯"]


# -- fusion ----------------------------------------------------------------------------------------------------------


def test_lists_are_fused_by_places_weights_and_the_words_that_are_covered() -> None:
    weights = Weights(keyword=0.5, k=1)
    assert fused(["a", "b"], [("c", 1.0), ("b", 1.0)], weights) == ["b", "a", "c"]
    assert fused(["a", "b"], [("b", 0.1)], weights) == ["a", "b"]
    assert fused(["a", "b"], [("b", 1.0)], weights) == ["b", "a"]
    assert fused([], [("b", 0.5), ("a", 0.5)], weights) == ["b", "a"]
    assert fused(["a", "b"], [("b", 1.0)], Weights(keyword=0.0)) == ["a", "b"]


# -- the reranker by words -------------------------------------------------------------------------------------------


def test_a_passage_with_the_rare_words_and_names_of_a_question_goes_first() -> None:
    passages = ["The ferry of Karst.", "The ferry of Wend.", "Karst lies on a river.", "灯塔在岬角上。"]
    assert WordOverlap().order("Does a ferry go to Wend?", passages)[0] == 1
    assert overlaps("Does a ferry go to Wend?", passages)[3] == 0
    assert overlaps("ferry", ["ferries", "ferry"]) == [1.0, 1.0]


def test_without_a_shared_word_the_order_stays() -> None:
    passages = ["灯塔的守夜人", "渡船", "盐税"]
    assert WordOverlap().order("Who keeps the lighthouse?", passages) == [0, 1, 2]
    assert WordOverlap().order("?", passages) == [0, 1, 2]


# -- the search ------------------------------------------------------------------------------------------------------


class Provider(HashedEmbedder):
    """A model behind a channel, which fails when it is told."""

    failure: ProviderError | None = None

    def __init__(self, name: str) -> None:
        model = ChannelModel(name, name, modalities=(Modality.EMBEDDING.value,))
        channel = Channel.offering("far", ProviderKind.OPENAI_COMPATIBLE, model)
        super().__init__(name=name, offer=Offer(channel, model))

    async def embed(self, texts: Sequence[str], *, query: bool) -> Embeddings:
        found = await super().embed(texts, query=query)
        if self.failure is not None:
            raise self.failure
        return found


@dataclass
class Library:
    """Bases and passages; a store that finds them in the order in which they were put; embedders of every name."""

    known: dict[KnowledgeBaseId, SearchedBase] = field(default_factory=dict)
    found: dict[ChunkId, Passage] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    asked: list[StoreQuery] = field(default_factory=list)
    embedders: dict[str, Provider] = field(default_factory=dict)
    paid: list[Call] = field(default_factory=list)
    refusal: Exception | None = None

    def base(self, model: str, *texts: str, **policy: object) -> KnowledgeBaseId:
        base_id, document_id = KnowledgeBaseId(new_id()), SourceDocumentId(new_id())
        self.known[base_id] = SearchedBase(base_id, IndexKey(model, 384), policy)
        for text in texts:
            one = Passage(ChunkId(new_id()), document_id, base_id, "T", text, 0, len(text), None, ("H",))
            self.found[one.chunk_id] = one
        return base_id

    async def bases(
        self, _tenant_id: TenantId, _user_id: UserId | None, base_ids: Sequence[KnowledgeBaseId]
    ) -> list[SearchedBase]:
        return [self.known[one] for one in base_ids if one in self.known]

    async def passages(self, _tenant_id: TenantId, chunk_ids: Sequence[ChunkId]) -> dict[ChunkId, Passage]:
        return {one: self.found[one] for one in chunk_ids if self.found[one].text not in self.gone}

    async def search(self, _tenant_id: TenantId, query: StoreQuery) -> list[Ranked]:
        self.asked.append(query)
        mine = [one for one in self.found.values() if one.base_id in query.base_ids]
        return [Ranked(one.chunk_id, place, None) for place, one in enumerate(mine, 1)][: query.first]

    async def find(self, _tenant_id: TenantId, model: str, _dimensions: int) -> Embedder:
        return self.embedders.get(model) or HashedEmbedder(name=model)

    async def pay(self, payer: Payer, call: Call, ask: Callable[[], Awaitable[tuple[Any, Usage]]]) -> Any:
        if self.refusal is not None:
            raise self.refusal
        found, usage = await ask()
        assert 0 < usage.input_tokens <= call.tokens
        self.paid.append(call)
        return found


class Failing:
    name = "a model"

    async def rerank(self, query: str, passages: Sequence[str]) -> list[int]:
        raise ProviderError(ProviderErrorCode.TIMEOUT, "Too slow.")


class Backwards:
    name = "backwards"

    async def rerank(self, query: str, passages: Sequence[str]) -> list[int]:
        return list(reversed(range(len(passages))))


def retriever_of(library: Library, reranker: Reranker | None = None) -> KnowledgeRetriever:
    parts: Any = library
    return KnowledgeRetriever(parts, parts, parts, parts, reranker)


async def searched(retriever: KnowledgeRetriever, *base_ids: KnowledgeBaseId, **more: Any) -> SearchResult:
    query = replace(SearchQuery(base_ids, "lantern"), **more)
    return await retriever.search(TENANT, USER, query, principal="user")


async def search(
    library: Library, *base_ids: KnowledgeBaseId, reranker: Reranker | None = None, **more: Any
) -> list[str]:
    """The texts that are found, the best first."""
    result = await searched(retriever_of(library, reranker), *base_ids, **more)
    assert [one.rank for one in result.hits] == list(range(1, len(result.hits) + 1))
    return [one.text for one in result.hits]


async def test_bases_of_one_model_are_asked_together_and_of_others_in_turns() -> None:
    library = Library()
    one, two = library.base("hash", "a", "b"), library.base("other", "c", "d")
    three = library.base("hash", "e")
    assert await search(library, one, two, three, rerank=False) == ["a", "c", "b", "d", "e"]
    asked = [(query.index.model, query.base_ids) for query in library.asked]
    assert asked == [("hash", (one, three)), ("other", (two,))]


async def test_what_is_gone_falls_out_and_others_move_up() -> None:
    library = Library(gone={"a"})
    assert await search(library, library.base("hash", *"abcdef"), first=3, rerank=False) == ["b", "c", "d"]


async def test_the_policy_of_the_base_gives_weights_and_the_reranker_unless_the_query_does() -> None:
    library = Library()
    base = library.base("hash", "a", "b", vector_weight=0.25, reranker="MODEL")
    assert await search(library, base, reranker=Backwards()) == ["b", "a"]
    assert await search(library, base, reranker=Backwards(), rerank=False) == ["a", "b"]
    assert library.asked[0].weights == Weights(keyword=0.75)
    assert await search(library, base) == ["a", "b"]  # no model is configured: by words
    none = library.base("hash", "x", "lantern y", reranker="NONE")
    assert await search(library, none) == ["x", "lantern y"]
    assert await search(library, none, rerank=True) == ["lantern y", "x"]


async def test_a_reranker_that_fails_costs_the_order_and_not_the_answer() -> None:
    library = Library()
    base = library.base("hash", "x", "lantern y", reranker="MODEL")
    assert await search(library, base, reranker=Failing()) == ["lantern y", "x"]


async def test_only_the_head_is_reranked() -> None:
    library = Library()
    base = library.base("hash", *(f"p{n}" for n in range(RERANKED_MAX + 5)), reranker="MODEL")
    found = await search(library, base, first=50, reranker=Backwards())
    assert found[0] == f"p{RERANKED_MAX - 1}"
    assert found[RERANKED_MAX:] == [f"p{n}" for n in range(RERANKED_MAX, RERANKED_MAX + 5)]


async def test_a_mode_that_needs_no_vector_asks_for_none() -> None:
    library = Library()
    base = library.base("hash", "a")
    await search(library, base, mode=SearchMode.KEYWORD)
    await search(library, base, mode=SearchMode.VECTOR)
    assert [query.vector is None for query in library.asked] == [True, False]


async def test_a_base_that_is_missing_hides_the_others() -> None:
    library = Library()
    with pytest.raises(NotFound):
        await search(library, library.base("hash", "a"), KnowledgeBaseId(new_id()))


# -- what it asks of providers ---------------------------------------------------------------------------------------

EXHAUSTED, OVERDUE = QuotaExhausted(1, 0), Rejected(ErrorCode.PAYMENT_OVERDUE, "An invoice is overdue.")
TIMEOUT = ProviderError(ProviderErrorCode.TIMEOUT, "Too slow.")


async def test_a_question_is_asked_of_a_provider_and_paid_once_however_often_it_is_searched_for() -> None:
    library, provider = Library(), Provider("far")
    library.embedders["far"] = provider
    base, retriever = library.base("far", "a"), retriever_of(library)
    for _ in range(3):
        await searched(retriever, base)
    assert (provider.asked, [(one.kind, one.priced_as, one.channel) for one in library.paid]) == (
        1, [("EMBED", ("far", "far"), "far")],
    )  # fmt: skip
    await searched(retriever, base, text="lamp")
    assert (provider.asked, len(library.paid)) == (2, 2)
    query = SearchQuery((base,), "lantern")
    await retriever.search(TenantId(new_id()), USER, query)
    assert provider.asked == 3, "what a tenant has asked is its own"


def test_a_kept_question_is_forgotten_in_time_and_when_others_come() -> None:
    now = 100.0
    recent = Recent(lambda: now)
    recent.keep("a", (1.0, 2.0))
    assert list(recent.get("a") or ()) == [1.0, 2.0]
    now += RECENT_S
    assert recent.get("a") is None
    for n in range(RECENT_MAX + 1):
        recent.keep(n, (1.0,))
    assert recent.get(0) is None and recent.get(1) is not None


async def test_a_model_in_the_process_is_paid_by_nobody() -> None:
    library = Library(refusal=EXHAUSTED)
    assert await search(library, library.base("hash", "a"), mode=SearchMode.VECTOR) == ["a"]


@pytest.mark.parametrize("fault", [TIMEOUT, EXHAUSTED, OVERDUE])
async def test_what_cannot_be_asked_or_paid_is_looked_for_by_words_alone_or_refused(fault: Exception) -> None:
    library, provider = Library(), Provider("far")
    library.embedders["far"] = provider
    if isinstance(fault, ProviderError):
        provider.failure = fault
    else:
        library.refusal = fault
    base, retriever = library.base("far", "a"), retriever_of(library)
    result = await searched(retriever, base, debug=True)
    assert [one.text for one in result.hits] == ["a"]
    assert result.stages[0].name == "embed: refused, by words alone"
    assert (library.asked[0].mode, library.asked[0].vector) == (SearchMode.KEYWORD, None)
    with pytest.raises(type(fault)):
        await searched(retriever, base, mode=SearchMode.VECTOR)
    assert provider.asked == (2 if fault is TIMEOUT else 0), "nothing is asked that cannot be paid"
    assert library.paid == []


async def test_a_model_that_reranks_is_paid_and_what_cannot_be_paid_is_ordered_by_words() -> None:
    library = Library()
    base = library.base("hash", "x", "lantern y", reranker="MODEL")
    assert await search(library, base, reranker=Backwards()) == ["lantern y", "x"]
    assert [(one.kind, one.priced_as, one.channel) for one in library.paid] == [("RERANK", ("backwards", ""), "rerank")]
    library.refusal = EXHAUSTED
    assert await search(library, base, reranker=Failing()) == ["lantern y", "x"]


def test_a_search_is_over_before_what_is_held_for_it_is_given_back() -> None:
    assert max(embedding.QUERY_WAIT_S + embedding.QUERY_S, CALL_S) * 3 < paying.LEASE_S
