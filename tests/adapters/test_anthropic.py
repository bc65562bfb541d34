"""What only Anthropic's protocol has."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.anthropic import AnthropicProvider, _Message
from adapters.frames import Frame
from adapters.http_errors import ErrorFrame
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    FinishReason,
    ProviderErrorCode,
    ProviderLimits,
    UsageReport,
)
from tests.adapters.calls import SYSTEM, USER, ask, completion
from tests.fakes.anthropic_server import FakeAnthropic


def _provider(base_url: str) -> AnthropicProvider:
    return AnthropicProvider(base_url=base_url, api_key="sk-1", limits=ProviderLimits())


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
async def test_an_address_may_name_the_version_and_need_not(ending: str) -> None:
    async with FakeAnthropic() as fake:
        assert (await ask(_provider(f"{fake.base_url}{ending}"), completion())).error is None
        assert (fake.exchanges[0].path, fake.exchanges[0].headers["anthropic-version"]) == (
            "/v1/messages",
            "2023-06-01",
        )


async def test_the_system_message_stands_apart_and_is_marked_for_the_cache() -> None:
    async with FakeAnthropic() as fake:
        await ask(_provider(fake.base_url), completion())
        body = fake.exchanges[0].body
        assert body["system"] == [{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}]
        assert body["messages"] == [{"role": "user", "content": USER}]


async def test_of_two_system_messages_the_cache_gets_both() -> None:
    async with FakeAnthropic() as fake:
        talk = (ChatMessage("system", "One."), ChatMessage("system", "Two."), ChatMessage("user", "Write."))
        await ask(_provider(fake.base_url), CompletionRequest("fake-writer", talk))
        marks = ["cache_control" in block for block in fake.exchanges[0].body["system"]]
        assert marks == [False, True]


def _read(*events: dict[str, Any]) -> list[Frame]:
    message = _Message()
    return [message.read(event) for event in events]


def _started(**counts: int) -> dict[str, Any]:
    return {"type": "message_start", "message": {"usage": counts}}


def test_what_the_cache_had_belongs_to_the_prompt() -> None:
    started, ended = _read(
        _started(input_tokens=10, cache_read_input_tokens=300, cache_creation_input_tokens=5, output_tokens=1),
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 40}},
    )
    assert started.usage == UsageReport(315, 0, cached_input_tokens=300, cache_write_tokens=5)
    assert ended == Frame(usage=UsageReport(315, 40, cached_input_tokens=300, cache_write_tokens=5), finish="end_turn")


def test_a_later_count_of_the_prompt_replaces_the_earlier() -> None:
    events = (
        _started(input_tokens=10, output_tokens=1),
        {"type": "message_delta", "delta": {}, "usage": {"input_tokens": 12, "output_tokens": 4}},
    )
    assert _read(*events)[1].usage == UsageReport(12, 4)


async def test_a_break_before_the_last_counts_leaves_none_to_bill_a_written_text_by() -> None:
    async with FakeAnthropic() as fake:
        reading = await ask(_provider(fake.base_url), completion("cut"))
        assert (reading.failure.code, reading.usage) == (ProviderErrorCode.CUT, [])


async def test_a_break_before_any_text_tells_what_the_prompt_cost() -> None:
    async with FakeAnthropic() as fake:
        reading = await ask(_provider(fake.base_url), completion("cut:after=0"))
        assert [(usage.input_tokens, usage.output_tokens) for usage in reading.usage] == [(12, 0)]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("refusal", FinishReason.CONTENT_FILTER),
        ("tool_use", FinishReason.TOOL_CALLS),
    ],
)
async def test_each_reason_to_stop_has_its_meaning(word: str, reason: FinishReason) -> None:
    async with FakeAnthropic() as fake:
        reading = await ask(_provider(fake.base_url), completion(f"odd_finish:code={word}"))
        assert reading.finished is not None
        assert reading.finished.reason is reason


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("status:status=529,code=overloaded_error", ProviderErrorCode.OVERLOADED),
        ("status:status=429,code=rate_limit_error", ProviderErrorCode.RATE_LIMITED),
        ("status:status=404,code=not_found_error", ProviderErrorCode.MODEL_NOT_FOUND),
        ("status:status=413,code=request_too_large", ProviderErrorCode.CONTEXT_TOO_LONG),
        ("status:status=400,code=invalid_request_error,message=prompt is too long: 9 > 8", "CONTEXT_TOO_LONG"),
        ("status:status=400,code=invalid_request_error,message=Your credit balance is too low.", "QUOTA_EXHAUSTED"),
        ("status:status=400,code=invalid_request_error", ProviderErrorCode.BAD_REQUEST),
        ("error_frame:code=overloaded_error", ProviderErrorCode.OVERLOADED),
    ],
)
async def test_the_firms_own_errors_are_understood(model: str, code: str) -> None:
    async with FakeAnthropic() as fake:
        assert (await ask(_provider(fake.base_url), completion(model))).failure.code == code


def test_thinking_is_reasoning_and_its_signature_nothing() -> None:
    events = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x"}},
        {"type": "content_block_stop", "index": 0},
    ]
    assert _read(*events) == [Frame(), Frame(reasoning="Hm."), Frame(), Frame()]


def test_an_event_of_a_type_that_nobody_knows_is_passed_over() -> None:
    assert _read({"type": "aurora_borealis"}, {}) == [Frame(), Frame()]


def test_an_error_event_is_an_error() -> None:
    with pytest.raises(ErrorFrame):
        _read({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


@pytest.mark.parametrize(
    "event",
    [
        [],
        "text",
        {"type": "message_start", "message": "text"},
        {"type": "content_block_start", "content_block": []},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 7}},
        {"type": "message_delta", "delta": {"stop_reason": 7}},
        {"type": "message_delta", "delta": {}, "usage": [1]},
    ],
)
def test_a_foreign_shape_is_refused(event: Any) -> None:
    with pytest.raises(TypeError):
        _read(event)
