"""Embedders: the one in the process, and providers' asked with patience."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from adapters.embedder_built_in import BuiltInEmbedder
from adapters.embedder_hashed import HashedEmbedder
from adapters.factory import embedder_for
from bench.retrieval.corpus import read
from bench.retrieval.vectors import kept
from domain.channels.entities import Channel, ChannelModel, Modality, ProviderKind
from domain.channels.offers import Offer
from domain.generation.provider import (
    EmbeddingProvider,
    Embeddings,
    ProviderError,
    ProviderErrorCode,
    ProviderLimits,
    UsageReport,
)
from domain.knowledge import embedding
from domain.knowledge.embedding import Pace, Patient, WrongDimensions, checked, pause_s
from tests.fakes.openai_server import FakeOpenAI

GOOD = Embeddings(((1.0, 0.0), (0.0, 1.0)), UsageReport(7, 0))


@dataclass
class Script:
    """A provider that answers as it is told, one after the other."""

    answers: list[Embeddings | ProviderError | float]
    dimensions: list[int | None] = field(default_factory=list)
    embedding_batch_max: int = 16

    async def embed(self, texts: Sequence[str], model: str, dimensions: int | None = None) -> Embeddings:
        self.dimensions.append(dimensions)
        answer = self.answers.pop(0)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            return GOOD
        if isinstance(answer, ProviderError):
            raise answer
        return answer

    async def aclose(self) -> None:
        """Nothing is open."""


@dataclass
class Naps:
    taken: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def patient(provider: EmbeddingProvider, naps: Naps, **options: object) -> Patient:
    return Patient(2, provider, offering("a-model"), Pace(sleep=naps), **options)  # type: ignore[arg-type]


def offering(name: str, upstream: str = "upstream") -> Offer:
    model = ChannelModel(name, upstream, modalities=(Modality.EMBEDDING.value,))
    return Offer(Channel.offering("a channel", ProviderKind.OPENAI_COMPATIBLE, model), model)


def error(code: ProviderErrorCode, retry_after_s: float | None = None) -> ProviderError:
    return ProviderError(code, "No.", retry_after_s=retry_after_s)


# -- the built-in one ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built_in() -> BuiltInEmbedder:
    return BuiltInEmbedder()


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_a_question_is_nearest_to_what_answers_it_even_in_the_other_language(built_in: BuiltInEmbedder) -> None:
    passages = ["The ferry runs only at high tide.", "灯塔的守夜人在退潮时擦铜镜。", "Bread is stamped with a number."]
    found = await built_in.embed(passages, query=False)
    asked = await built_in.embed(["渡船什么时候开？", "When does the keeper polish the mirror?"], query=True)
    nearest = [max(range(3), key=lambda n: cosine(one, found.vectors[n])) for one in asked.vectors]
    assert nearest == [0, 1]
    assert all(math.isclose(cosine(one, one), 1.0, abs_tol=1e-4) for one in found.vectors)
    assert found.usage is not None and found.usage.input_tokens > 20


async def test_a_text_is_embedded_the_same_alone_and_in_company(built_in: BuiltInEmbedder) -> None:
    texts = ["", "a\0b", "盐税由港务会收。" * 200]
    together = (await built_in.embed(texts, query=False)).vectors
    for text, vector in zip(texts, together, strict=True):
        [alone] = (await built_in.embed([text], query=False)).vectors
        assert alone == pytest.approx(vector, abs=1e-4)


async def test_the_loop_lives_while_the_model_counts(built_in: BuiltInEmbedder) -> None:
    await built_in.embed(["warm"], query=True)
    task = asyncio.create_task(built_in.embed(["灯塔的守夜人在退潮时擦铜镜。" * 20] * 4, query=False))
    longest, last = 0.0, time.monotonic()
    while not task.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert len((await task).vectors) == 4
    assert longest < 0.5


async def test_the_kept_vectors_of_the_bench_are_the_models(built_in: BuiltInEmbedder) -> None:
    corpus = read()
    passages, questions = kept(corpus)
    for place in (0, 160, 350):
        [vector] = (await built_in.embed([corpus.passages[place].text], query=False)).vectors
        assert passages[place] == pytest.approx(vector, abs=2e-3)
    [vector] = (await built_in.embed([corpus.questions[-1].text], query=True)).vectors
    assert questions[-1] == pytest.approx(vector, abs=2e-3)


async def test_the_hashed_one_is_near_where_words_are_shared() -> None:
    one, two, three = (
        await HashedEmbedder().embed(["brass lantern", "a lantern of brass", "salt"], query=False)
    ).vectors
    assert cosine(one, two) > 0.9 > cosine(one, three)


# -- those of providers ----------------------------------------------------------------------------------------------


async def test_what_may_pass_is_tried_again_after_a_pause_and_what_may_not_is_not() -> None:
    naps = Naps()
    script = Script([error(ProviderErrorCode.RATE_LIMITED, 3.0), error(ProviderErrorCode.CUT), GOOD])
    assert await patient(script, naps).embed(["a", "b"], query=False) == GOOD
    assert naps.taken[0] == 3.0 and 1.0 <= naps.taken[1] <= 2.0
    with pytest.raises(ProviderError) as caught:
        await patient(Script([error(ProviderErrorCode.AUTHENTICATION), GOOD]), naps).embed(["a", "b"], query=False)
    assert (caught.value.code, len(naps.taken)) == (ProviderErrorCode.AUTHENTICATION, 2)


async def test_tries_end() -> None:
    naps, script = Naps(), Script([error(ProviderErrorCode.OVERLOADED)] * 9)
    with pytest.raises(ProviderError):
        await patient(script, naps).embed(["a"], query=False)
    assert (len(script.answers), len(naps.taken)) == (9 - embedding.TRIES, embedding.TRIES - 1)


async def test_a_silent_provider_is_given_up_and_asked_again() -> None:
    naps = Naps()
    assert await patient(Script([5.0, GOOD]), naps, call_s=0.05).embed(["a", "b"], query=False) == GOOD
    assert len(naps.taken) == 1


@pytest.mark.parametrize(
    "vectors",
    [
        ((1.0, 0.0),),
        ((1.0, 0.0),) * 3,
        ((1.0, 0.0), (math.nan, 1.0)),
        ((1.0, 0.0), (math.inf, 1.0)),
        ((1.0, 0.0), (0.0, 0.0)),
    ],
)
def test_vectors_that_cannot_be_those_of_the_texts_are_refused(vectors: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ProviderError) as caught:
        checked(Embeddings(vectors), 2, 2)
    assert (caught.value.code, caught.value.retryable) == (ProviderErrorCode.INVALID_RESPONSE, True)


async def test_vectors_of_another_length_are_refused_and_not_asked_for_again() -> None:
    naps, script = Naps(), Script([Embeddings(((1.0, 0.0, 0.0),)), GOOD])
    with pytest.raises(WrongDimensions) as caught:
        await patient(script, naps).embed(["a"], query=False)
    assert (caught.value.retryable, naps.taken, len(script.answers)) == (False, [], 1)


async def test_only_a_length_that_is_not_the_models_own_is_asked_for() -> None:
    naps, script = Naps(), Script([Embeddings(((1.0,) * 512,)), Embeddings(((1.0,) * 1_536,))])
    await Patient(512, script, offering("text-embedding-3-small"), Pace(sleep=naps)).embed(["a"], query=False)
    await Patient(1_536, script, offering("text-embedding-3-small"), Pace(sleep=naps)).embed(["a"], query=False)
    assert script.dimensions == [512, None]


async def test_calls_line_up_behind_a_rate() -> None:
    naps = Naps()
    pace = Pace(calls_per_minute=60, tokens_per_minute=600, sleep=naps)
    for tokens in (1, 1, 20, 1):
        await pace.wait(tokens, now=100.0)
    assert naps.taken == [1.0, 2.0, 4.0]
    await pace.wait(1, now=200.0)
    assert len(naps.taken) == 3


async def test_a_query_that_would_wait_too_long_is_refused_at_once_and_takes_no_share() -> None:
    naps = Naps()
    pace = Pace(calls_per_minute=60, sleep=naps)
    for _ in range(3):
        await pace.wait(1, 100.0, embedding.QUERY_WAIT_S)
    assert naps.taken == [1.0, 2.0]
    for _ in range(200):
        with pytest.raises(ProviderError) as refused:
            await pace.wait(1, 100.0, embedding.QUERY_WAIT_S)
    assert (refused.value.code, refused.value.retry_after_s) == (ProviderErrorCode.RATE_LIMITED, 3.0)
    await pace.wait(1, 101.0, embedding.QUERY_WAIT_S)
    assert naps.taken == [1.0, 2.0, 2.0]


async def test_who_leaves_the_line_gives_back_its_share() -> None:
    pace = Pace(calls_per_minute=1)
    await pace.wait(1, 100.0)
    waiting = [asyncio.create_task(pace.wait(1, 100.0)) for _ in range(50)]
    await asyncio.sleep(0)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await pace.wait(1, 160.0, 0.0)


async def test_a_query_is_asked_for_once_within_a_short_time() -> None:
    naps, script = Naps(), Script([error(ProviderErrorCode.OVERLOADED), GOOD])
    with pytest.raises(ProviderError):
        await patient(script, naps).embed(["a", "b"], query=True)
    assert (naps.taken, len(script.answers)) == ([], 1)
    slow = Script([60.0])
    with pytest.raises(ProviderError) as late:
        await patient(slow, naps, query_s=0.05).embed(["a", "b"], query=True)
    assert late.value.code is ProviderErrorCode.TIMEOUT
    assert embedding.QUERY_WAIT_S + embedding.QUERY_S <= 5.0


def test_pauses_grow_and_end() -> None:
    assert 0.5 <= pause_s(1, None) <= 1.0
    assert pause_s(9, None) <= embedding.PAUSE_S_MAX
    assert pause_s(1, 300.0) == embedding.PAUSE_S_MAX


async def test_over_the_wire_a_refusal_is_waited_out() -> None:
    async with FakeOpenAI() as fake:
        provider = embedder_for("OPENAI_COMPATIBLE", base_url=fake.base_url, api_key="k", limits=ProviderLimits())
        naps = Naps()
        offer = offering("m", "status:status=429,times=1,retry_after=2")
        one = Patient(8, provider, offer, Pace(sleep=naps))
        found = await one.embed(["雾里的钥匙", "x"], query=False)
        await one.aclose()
    assert (len(found.vectors), naps.taken, len(fake.exchanges)) == (2, [2.0], 2)
