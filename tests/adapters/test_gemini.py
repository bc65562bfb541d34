"""What only Gemini's native protocol has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.frames import Frame
from adapters.gemini import GeminiProvider, _Answer
from adapters.http_errors import ErrorFrame, Failures, HttpFailure
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    FinishReason,
    ProviderErrorCode,
    ProviderLimits,
    ToolCallChunk,
    UsageReport,
)
from tests.adapters.calls import SYSTEM, USER, ask, completion
from tests.fakes.gemini_server import FakeGemini


def _provider(base_url: str) -> GeminiProvider:
    return GeminiProvider(base_url=base_url, api_key="AIza1", limits=ProviderLimits())


@pytest.mark.parametrize("ending", ["", "/", "/v1beta", "/v1beta/"])
async def test_an_address_may_name_the_version_and_need_not(ending: str) -> None:
    async with FakeGemini() as fake:
        assert (await ask(_provider(f"{fake.base_url}{ending}"), completion())).error is None
        assert fake.exchanges[0].path == "/v1beta/models/fake-writer:streamGenerateContent"


def test_another_version_is_kept() -> None:
    assert _provider("https://generativelanguage.googleapis.com/v1/")._address() == (
        "https://generativelanguage.googleapis.com/v1"
    )


async def test_the_system_message_stands_apart_and_the_assistant_is_the_model() -> None:
    talk = (ChatMessage("system", SYSTEM), ChatMessage("user", USER), ChatMessage("assistant", "Fog."))
    async with FakeGemini() as fake:
        await ask(_provider(fake.base_url), CompletionRequest("fake-writer", talk))
        assert fake.exchanges[0].body == {
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": [
                {"role": "user", "parts": [{"text": USER}]},
                {"role": "model", "parts": [{"text": "Fog."}]},
            ],
        }


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-3.8-flash", "models/gemini-3.8-flash:streamGenerateContent?alt=sse"),
        ("tunedModels/mine", "tunedModels/mine:streamGenerateContent?alt=sse"),
        ("a?key=b#c", "models/a%3Fkey=b%23c:streamGenerateContent?alt=sse"),
    ],
)
def test_the_models_name_is_a_place_in_the_path_and_nothing_else(model: str, path: str) -> None:
    assert _provider("http://127.0.0.1:9")._question(completion(model))[0] == path


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("RECITATION", FinishReason.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER),
        ("BLOCKLIST", FinishReason.CONTENT_FILTER),
        ("SPII", FinishReason.CONTENT_FILTER),
    ],
)
async def test_each_reason_to_stop_has_its_meaning(word: str, reason: FinishReason) -> None:
    async with FakeGemini() as fake:
        reading = await ask(_provider(fake.base_url), completion(f"odd_finish:code={word}"))
        assert reading.finished is not None
        assert reading.finished.reason is reason


@pytest.mark.parametrize("word", ["MALFORMED_FUNCTION_CALL", "OTHER", "CONTINUATION"])
async def test_a_reason_that_leaves_no_whole_text_is_a_failure(word: str) -> None:
    async with FakeGemini() as fake:
        reading = await ask(_provider(fake.base_url), completion(f"odd_finish:code={word}"))
        assert reading.failure.code is ProviderErrorCode.INVALID_RESPONSE


def _explained(status: int, error: dict[str, Any]) -> Any:
    body = json.dumps({"error": error}).encode()
    return Failures((), None).explain(HttpFailure(status, {}, body, "not a success"), opened=False)


def test_the_pause_is_read_from_the_details_of_an_error() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    error = _explained(429, {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slow down.", "details": [info]})
    assert (error.code, error.retry_after_s) == (ProviderErrorCode.RATE_LIMITED, 34.5)


def test_a_wrong_key_is_known_by_the_details_of_a_bad_request() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = _explained(400, {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key.", "details": [info]})
    assert error.code is ProviderErrorCode.AUTHENTICATION


@pytest.mark.parametrize(
    "details", [None, {}, ["text"], [{"retryDelay": 5}], [{"retryDelay": "soon"}], [{"reason": 1}]]
)
def test_details_of_another_shape_do_no_harm(details: Any) -> None:
    error = _explained(503, {"status": "UNAVAILABLE", "details": details})
    assert (error.code, error.retry_after_s) == (ProviderErrorCode.OVERLOADED, None)


def test_a_blocked_prompt_is_content_blocked() -> None:
    with pytest.raises(ErrorFrame) as caught:
        _Answer().read({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}})
    assert Failures((), None).explain(caught.value, opened=True).code is ProviderErrorCode.CONTENT_BLOCKED


def test_thoughts_are_counted_with_the_answer_and_tools_with_the_prompt() -> None:
    counts = {
        "promptTokenCount": 100,
        "toolUsePromptTokenCount": 10,
        "cachedContentTokenCount": 64,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 7,
    }
    assert _Answer().read({"usageMetadata": counts}).usage == UsageReport(
        110, 27, cached_input_tokens=64, reasoning_tokens=7
    )


def test_thoughts_and_text_of_one_frame_are_told_apart() -> None:
    parts = [{"text": "Hm.", "thought": True}, {"text": "Fog"}, {"text": " lay."}]
    assert _Answer().read({"candidates": [{"content": {"parts": parts}}]}) == Frame(text="Fog lay.", reasoning="Hm.")


def test_calls_are_numbered_over_all_frames() -> None:
    answer = _Answer()
    frame = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "roll"}}]}}]}
    pieces = [answer.read(frame).tool_calls for _ in range(2)]
    assert pieces == [(ToolCallChunk(0, "", "roll", "{}"),), (ToolCallChunk(1, "", "roll", "{}"),)]


def test_only_the_first_candidate_is_read() -> None:
    second = {"index": 1, "content": {"parts": [{"text": "no"}]}, "finishReason": "STOP"}
    assert _Answer().read({"candidates": [second]}) == Frame()


@pytest.mark.parametrize(
    "event",
    [
        [],
        7,
        {"candidates": {}},
        {"candidates": ["text"]},
        {"candidates": [{"content": "text"}]},
        {"candidates": [{"content": {"parts": "text"}}]},
        {"candidates": [{"content": {"parts": [{"functionCall": "text"}]}}]},
        {"candidates": [{"finishReason": 1}]},
        {"usageMetadata": [1]},
    ],
)
def test_a_foreign_shape_is_refused(event: Any) -> None:
    with pytest.raises(TypeError):
        _Answer().read(event)
