"""What every adapter with embeddings promises."""

from __future__ import annotations

import asyncio
import time
import traceback

import pytest

from domain.generation.provider import Embeddings, ProviderError, ProviderErrorCode, ProviderLimits, UsageReport
from tests.adapters.calls import KEY, USER, Wire
from tests.fakes.behaviour import vector
from tests.fakes.wire import closed_port

TEXTS = ("雾里的钥匙", "A ferryman.", "x")


async def _failure(wire: Wire, model: str, *, dimensions: int | None = None, **options: object) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await wire.provider(**options).embed(TEXTS, model, dimensions)  # type: ignore[arg-type]
    return caught.value


async def test_every_text_gets_its_vector_in_order_and_the_tokens_are_counted(embedding_wire: Wire) -> None:
    # Gemini's protocol has no counts.
    usage = None if embedding_wire.firm == "gemini" else UsageReport(sum(map(len, TEXTS)), 0)
    assert await embedding_wire.provider().embed(TEXTS, "fake-embed") == Embeddings(
        tuple(tuple(vector(text, 8)) for text in TEXTS), usage
    )


async def test_shorter_vectors_can_be_asked_for(embedding_wire: Wire) -> None:
    found = await embedding_wire.provider().embed(TEXTS, "fake-embed", 3)
    assert [len(one) for one in found.vectors] == [3, 3, 3]


async def test_no_text_is_no_call(embedding_wire: Wire) -> None:
    assert await embedding_wire.provider().embed([], "fake-embed") == Embeddings(())
    assert embedding_wire.fake.exchanges == []


async def test_as_many_texts_go_in_one_call_as_the_firm_takes_and_no_more(embedding_wire: Wire) -> None:
    provider = embedding_wire.provider()
    most = provider.embedding_batch_max
    assert len((await provider.embed(["x"] * most, "fake-embed")).vectors) == most
    with pytest.raises(ProviderError) as caught:
        await provider.embed(["x"] * (most + 1), "fake-embed")
    assert caught.value.code is ProviderErrorCode.BAD_REQUEST
    assert len(embedding_wire.fake.exchanges) == 1


@pytest.mark.parametrize(
    "model",
    ["few_vectors", "many_vectors", "swapped_vectors", "nan_vector", "text_vector", "uneven_vectors", "empty_vectors"],
)
async def test_vectors_that_cannot_be_those_of_the_texts_are_refused(embedding_wire: Wire, model: str) -> None:
    if (embedding_wire.firm, model) == ("gemini", "swapped_vectors"):
        pytest.skip("the protocol does not say which text a vector belongs to")
    error = await _failure(embedding_wire, model)
    assert (error.code, error.retryable) == (ProviderErrorCode.INVALID_RESPONSE, True)


async def test_vectors_of_another_length_than_asked_for_are_refused(embedding_wire: Wire) -> None:
    error = await _failure(embedding_wire, "uneven_vectors", dimensions=8)
    assert error.code is ProviderErrorCode.INVALID_RESPONSE


REFUSALS = {
    "html": ProviderErrorCode.INVALID_RESPONSE,
    "json": ProviderErrorCode.INVALID_RESPONSE,
    "json:code=Arrearage": ProviderErrorCode.QUOTA_EXHAUSTED,
    "garbage": ProviderErrorCode.INVALID_RESPONSE,
    "foreign": ProviderErrorCode.INVALID_RESPONSE,
    "redirect": ProviderErrorCode.INVALID_RESPONSE,
    "reset": ProviderErrorCode.UNREACHABLE,
    "endless": ProviderErrorCode.INVALID_RESPONSE,
    "status:status=401": ProviderErrorCode.AUTHENTICATION,
    "status:status=429": ProviderErrorCode.RATE_LIMITED,
    "status:status=500": ProviderErrorCode.OVERLOADED,
    "status:status=503": ProviderErrorCode.OVERLOADED,
}


@pytest.mark.parametrize("model", REFUSALS)
async def test_a_call_that_fails_has_a_code_and_was_made_once(embedding_wire: Wire, model: str) -> None:
    assert (await _failure(embedding_wire, model)).code is REFUSALS[model]
    assert len(embedding_wire.fake.exchanges) == 1


async def test_the_providers_own_pause_is_passed_on(embedding_wire: Wire) -> None:
    assert (await _failure(embedding_wire, "status:status=429,retry_after=7")).retry_after_s == 7


async def test_a_closed_port_is_unreachable(embedding_wire: Wire) -> None:
    error = await _failure(embedding_wire, "ok", base_url=f"http://127.0.0.1:{closed_port()}/v1")
    assert error.code is ProviderErrorCode.UNREACHABLE


async def test_a_provider_that_does_not_answer_is_given_up(embedding_wire: Wire) -> None:
    error = await _failure(embedding_wire, "hang", limits=ProviderLimits(total_s=0.2))
    assert (error.code, error.detail) == (ProviderErrorCode.TIMEOUT, "total_s of 0.2 s reached")


async def test_cancelling_the_call_closes_the_socket_at_once(embedding_wire: Wire) -> None:
    task = asyncio.create_task(embedding_wire.provider().embed(TEXTS, "hang"))
    exchange = await embedding_wire.fake.exchange()
    cancelled_at = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(2):
        await exchange.ended.wait()
    assert (exchange.ending, exchange.ended_at is not None) == ("disconnected", True)
    assert (exchange.ended_at or 0) - cancelled_at < 0.5


async def test_text_is_still_a_stream_after_embeddings(embedding_wire: Wire) -> None:
    provider = embedding_wire.provider()
    await provider.embed(TEXTS, "fake-embed")
    reading = await embedding_wire.read("json")
    assert reading.failure.code is ProviderErrorCode.INVALID_RESPONSE


async def test_neither_the_key_nor_a_text_is_in_any_word_of_a_failure(embedding_wire: Wire) -> None:
    with pytest.raises(ProviderError) as caught:
        await embedding_wire.provider(api_key=KEY).embed([USER], f"status:status=400,message=bad {KEY} for {USER[:40]}")
    error = caught.value
    told = "".join(traceback.format_exception(error)) + error.message + error.detail
    assert error.detail.endswith("bad [key] for [prompt]")
    assert not [secret for secret in (KEY, USER[:10]) if secret in told]
