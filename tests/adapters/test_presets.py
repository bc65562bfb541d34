"""The servers that are known by name, and what the OpenAI adapter makes of their quirks."""

from __future__ import annotations

import pytest

from adapters.openai import AzureOpenAIProvider, OpenAIProvider
from adapters.presets import BY_NAME, OTHER, PRESETS, cancel_policy, preset_for, temperature
from domain.channels.entities import ProviderKind
from domain.generation.provider import ProviderLimits
from tests.adapters.calls import completion


def _body(base_url: str | None) -> dict[str, object]:
    provider = OpenAIProvider(base_url=base_url, api_key=None, limits=ProviderLimits())
    return provider._body(completion(max_output_tokens=9))


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(PRESETS)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_every_preset_is_recognised_by_its_own_address(preset: object) -> None:
    address = getattr(preset, "base_url", "").replace("RESOURCE", "firm")
    assert preset_for(address) is preset


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("http://localhost:11434/v1", "ollama"),
        ("http://[::1]:8080/v1", "llama.cpp"),
        ("https://api.moonshot.ai/v1", "moonshot"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "dashscope"),
        ("https://bedrock-runtime.eu-west-3.amazonaws.com/openai/v1", "bedrock"),
        ("https://API.DeepSeek.com", "deepseek"),
        # A name at the end of another, a port on another machine, and what is no address at all.
        ("https://evil-openrouter.ai/api/v1", "other"),
        ("https://notmistral.ai/v1", "other"),
        ("http://10.0.0.7:11434/v1", "other"),
        ("http://127.0.0.1:99999/v1", "other"),
        ("", "other"),
    ],
)
def test_a_server_is_known_by_its_host(address: str, name: str) -> None:
    assert preset_for(address).name == name


@pytest.mark.parametrize(
    ("model", "fixed"),
    [
        ("o3-mini", True), ("openai/gpt-5", True), ("claude-opus-4-7", True), ("us.anthropic.claude-opus-4-7-v1:0", True),
        ("kimi-k2-thinking", True), ("gpt-4o", False), ("qwen-o1", False), ("claude-opus-4-6", False),
        ("moonshot-v1-8k", False),
    ],
)  # fmt: skip
def test_a_model_that_chooses_its_words_as_it_likes_is_asked_for_no_temperature(model: str, fixed: bool) -> None:
    assert temperature(model, 0.5, 2.0) == (None if fixed else 0.5)
    assert temperature(model, None, 2.0) is None


@pytest.mark.parametrize(("name", "most"), [("openai", 2.0), ("moonshot", 1.0), ("dashscope", 1.99)])
def test_a_server_is_asked_for_no_higher_temperature_than_it_takes(name: str, most: float) -> None:
    provider = OpenAIProvider(base_url=BY_NAME[name].base_url, api_key=None, limits=ProviderLimits())
    assert provider._body(completion(temperature=2.0))["temperature"] == most


def test_of_a_stranger_nothing_is_assumed_but_the_protocol() -> None:
    assert (OTHER.length_field, OTHER.stream_options, OTHER.cancel) == ("max_tokens", True, "UNKNOWN")


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        (None, "max_completion_tokens"),
        ("https://firm.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://api.deepseek.com", "max_tokens"),
        ("http://127.0.0.1:11434/v1", "max_tokens"),
    ],
)
def test_the_length_limit_goes_by_the_name_that_the_host_knows(base_url: str | None, name: str) -> None:
    assert {field: value for field, value in _body(base_url).items() if "max" in field} == {name: 9}


def test_an_azure_resource_under_any_name_knows_the_new_name_of_the_length() -> None:
    provider = AzureOpenAIProvider(base_url="https://gateway.example", api_key=None, limits=ProviderLimits())
    assert provider._body(completion(max_output_tokens=9))["max_completion_tokens"] == 9


@pytest.mark.parametrize("base_url", ["https://api.mistral.ai/v1", "https://open.bigmodel.cn/api/paas/v4"])
def test_counts_are_not_asked_for_where_they_come_unasked(base_url: str) -> None:
    assert "stream_options" not in _body(base_url)


def test_counts_are_asked_for_everywhere_else() -> None:
    assert _body("https://api.example/v1")["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("kind", "base_url", "policy"),
    [
        ("OPENAI", None, "CANCEL"),
        ("AZURE_OPENAI", "https://firm.openai.azure.com", "CANCEL"),
        ("ANTHROPIC", None, "CANCEL"),
        ("LOCAL", None, "CANCEL"),
        ("DEMO", None, "CANCEL"),
        ("GEMINI", None, "DRAIN"),
        ("DASHSCOPE", None, "DRAIN"),
        ("OPENAI_COMPATIBLE", None, "CANCEL"),
        ("OPENAI_COMPATIBLE", "https://api.groq.com/openai/v1", "DRAIN"),
        ("OPENAI_COMPATIBLE", "https://api.mistral.ai/v1", "DRAIN"),
        ("OPENAI_COMPATIBLE", "https://bedrock-runtime.us-east-1.amazonaws.com/openai/v1", "DRAIN"),
        ("OPENAI_COMPATIBLE", "https://api.deepseek.com/v1", "CANCEL"),
        ("OPENAI_COMPATIBLE", "https://somewhere.example/v1", "UNKNOWN"),
    ],
)
def test_the_first_guess_at_what_a_cancel_costs(kind: ProviderKind, base_url: str | None, policy: str) -> None:
    assert cancel_policy(kind, base_url) == policy
