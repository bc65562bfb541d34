"""A channel's kind makes its provider, and nothing heavy with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.anthropic import AnthropicProvider
from adapters.dashscope import DashScopeProvider
from adapters.demo import DemoProvider
from adapters.factory import ChannelKind, embedder_for, preload, provider_for
from adapters.gemini import GeminiProvider
from adapters.local import LocalProvider
from adapters.openai import AzureOpenAIProvider, OpenAIProvider
from domain.channels.entities import ProviderKind
from domain.generation.provider import ProviderError, ProviderLimits

ADAPTERS: dict[ChannelKind, type] = {
    "OPENAI_COMPATIBLE": OpenAIProvider,
    "OPENAI": OpenAIProvider,
    "AZURE_OPENAI": AzureOpenAIProvider,
    "ANTHROPIC": AnthropicProvider,
    "GEMINI": GeminiProvider,
    "DASHSCOPE": DashScopeProvider,
    "LOCAL": LocalProvider,
    "DEMO": DemoProvider,
}
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("kind", "provider"),
    ADAPTERS.items(),
)
async def test_each_kind_has_its_adapter(kind: ChannelKind, provider: type) -> None:
    made = provider_for(kind, base_url=None, api_key=None, limits=ProviderLimits())
    assert type(made) is provider
    await made.aclose()


def test_every_kind_of_channel_can_be_made() -> None:
    assert set(ADAPTERS) == set(ProviderKind)


@pytest.mark.parametrize("kind", ["OPENAI_COMPATIBLE", "OPENAI", "AZURE_OPENAI", "GEMINI", "DASHSCOPE"])
async def test_these_kinds_have_embeddings(kind: ChannelKind) -> None:
    made = embedder_for(kind, base_url=None, api_key=None, limits=ProviderLimits())
    assert type(made) is ADAPTERS[kind]
    await made.aclose()


@pytest.mark.parametrize("kind", ["ANTHROPIC", "LOCAL", "DEMO"])
def test_these_kinds_have_none(kind: ChannelKind) -> None:
    with pytest.raises(ProviderError) as caught:
        embedder_for(kind, base_url=None, api_key=None, limits=ProviderLimits())
    assert (caught.value.code, caught.value.detail) == ("BAD_REQUEST", f"{kind} has no embeddings")


LIBRARIES = ("openai", "dashscope", "httpx", "httpx2", "httpx_sse", "aiohttp", "xllamacpp")


def _imported_by(code: str) -> list[str]:
    """The libraries that a new process has imported when `code` has run."""
    code += f"\nimport sys; print(*[name for name in {LIBRARIES} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout.split()


def test_making_every_provider_imports_no_sdk() -> None:
    code = (
        "from adapters.factory import provider_for\n"
        "from domain.generation.provider import ProviderLimits\n"
        f"for kind in {tuple(ADAPTERS)}:\n"
        "    provider_for(kind, base_url=None, api_key='k', limits=ProviderLimits())"
    )
    assert _imported_by(code) == []


@pytest.mark.parametrize("kind", ["ANTHROPIC", "GEMINI"])
def test_a_protocol_without_an_sdk_needs_none(kind: ChannelKind) -> None:
    assert _imported_by(f"from adapters.factory import preload; preload({kind!r})") == ["httpx", "httpx2", "httpx_sse"]


@pytest.mark.parametrize("kind", ADAPTERS)
def test_every_kind_can_be_loaded_before_it_is_asked(kind: ChannelKind) -> None:
    preload(kind)
