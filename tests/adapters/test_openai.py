"""What only OpenAI's protocol has."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.frames import Frame
from adapters.http_errors import ErrorFrame
from adapters.openai import AzureOpenAIProvider, OpenAIProvider, _frame
from domain.generation.provider import ProviderErrorCode, ProviderLimits, ToolCallChunk, UsageReport
from tests.adapters.calls import ask, completion
from tests.fakes.openai_server import FakeAzure, FakeOpenAI


def _event(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], **more}


async def test_counts_are_asked_for() -> None:
    async with FakeOpenAI() as fake:
        await ask(OpenAIProvider(base_url=fake.base_url, api_key=None, limits=ProviderLimits()), completion())
        assert fake.exchanges[0].body["stream_options"] == {"include_usage": True}


async def test_an_address_with_a_slash_at_its_end_is_the_same_address() -> None:
    async with FakeOpenAI() as fake:
        provider = OpenAIProvider(base_url=f"{fake.base_url}/", api_key=None, limits=ProviderLimits())
        assert (await ask(provider, completion())).error is None
        assert fake.exchanges[0].path == "/v1/chat/completions"


def _azure(base_url: str | None, **options: str) -> AzureOpenAIProvider:
    return AzureOpenAIProvider(base_url=base_url, api_key="k", limits=ProviderLimits(), options=options)


async def test_azure_is_asked_by_deployment_and_version() -> None:
    async with FakeAzure() as fake:
        await ask(_azure(fake.base_url), completion())
        await ask(_azure(f"{fake.base_url}/", api_version="2025-04-01-preview"), completion("gpt 5"))
        assert fake.versions == ["2024-10-21", "2025-04-01-preview"]
        assert [exchange.path for exchange in fake.exchanges] == [
            "/openai/deployments/fake-writer/chat/completions",
            "/openai/deployments/gpt 5/chat/completions",
        ]


async def test_azure_without_a_resource_is_refused_without_a_call() -> None:
    error = (await ask(_azure(None), completion())).failure
    assert (error.code, error.detail) == (
        ProviderErrorCode.BAD_REQUEST,
        "an Azure channel needs its resource's address",
    )


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_goes_by_two_names(name: str) -> None:
    assert _frame(_event({"content": None, name: "Hm."})) == Frame(reasoning="Hm.")


def test_deepseek_counts_its_cache_under_a_name_of_its_own() -> None:
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_cache_hit_tokens": 7,
        "completion_tokens_details": None,
    }
    assert _frame({"choices": [], "usage": usage}).usage == UsageReport(9, 5, cached_input_tokens=7)


def test_moonshot_too() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "cached_tokens": 7}
    assert _frame({"choices": [], "usage": usage}).usage == UsageReport(9, 5, cached_input_tokens=7)


def test_a_call_without_a_number_counts_by_its_place() -> None:
    call = {"id": "c", "function": {"name": "roll", "arguments": "{}"}}
    assert _frame(_event({"tool_calls": [call, call]})).tool_calls == (
        ToolCallChunk(0, "c", "roll", "{}"),
        ToolCallChunk(1, "c", "roll", "{}"),
    )


def test_only_the_first_choice_is_read() -> None:
    assert _frame({"choices": [{"index": 1, "delta": {"content": "no"}}]}) == Frame()


def test_a_refusal_is_no_text() -> None:
    with pytest.raises(ErrorFrame):
        _frame(_event({"refusal": "I would rather not."}))


def test_an_error_object_without_a_wrapper_is_an_error() -> None:
    with pytest.raises(ErrorFrame):
        _frame({"object": "error", "message": "no", "code": 400})


@pytest.mark.parametrize(
    "event",
    [
        [],
        "text",
        7,
        {"choices": "text"},
        {"choices": ["text"]},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {"content": ["text"]}}]},
        {"choices": [{"delta": {}, "finish_reason": 1}]},
        {"choices": [], "usage": [1]},
        {"choices": [{"delta": {"tool_calls": "text"}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": {}}}]}}]},
    ],
)
def test_a_foreign_shape_is_refused(event: object) -> None:
    with pytest.raises(TypeError):
        _frame(event)


async def test_a_model_that_refuses_is_content_blocked() -> None:
    async with FakeOpenAI() as fake:
        provider = OpenAIProvider(base_url=fake.base_url, api_key=None, limits=ProviderLimits())
        reading = await ask(provider, completion("error_frame:after=0,code=content_policy_violation"))
        assert reading.failure.code is ProviderErrorCode.CONTENT_BLOCKED
