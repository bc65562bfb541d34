"""The provider for a channel's kind. Caches nothing: whoever asks keeps the provider, and closes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, assert_never

from adapters.http_errors import failure
from adapters.wire_provider import WireEmbedder, WireProvider
from domain.generation.provider import EmbeddingProvider, ProviderErrorCode, ProviderLimits, TextProvider

ServerKind = Literal["OPENAI_COMPATIBLE", "OPENAI", "AZURE_OPENAI", "ANTHROPIC", "GEMINI", "DASHSCOPE", "LOCAL"]
ChannelKind = ServerKind | Literal["DEMO"]


def provider_for(
    kind: ChannelKind,
    *,
    base_url: str | None,
    api_key: str | None,
    limits: ProviderLimits,
    demo_delay_s: float = 0.0,
    options: Mapping[str, str] | None = None,
    public_only: bool = False,
) -> TextProvider:
    """Opens no connection and imports no SDK: the first call does. `demo_delay_s` is the pause between two chunks.

    With `public_only` it connects to addresses of the open internet alone, and through no proxy.

    `options` by kind: AZURE_OPENAI takes `api_version`, LOCAL needs `model_path` and takes `context_tokens`.
    """
    if kind == "DEMO":
        from adapters.demo import DemoProvider

        return DemoProvider(chunk_delay_s=demo_delay_s, limits=limits)
    adapter = _adapter(kind)
    return adapter(base_url=base_url, api_key=api_key, limits=limits, options=options, public_only=public_only)


def embedder_for(
    kind: ChannelKind,
    *,
    base_url: str | None,
    api_key: str | None,
    limits: ProviderLimits,
    options: Mapping[str, str] | None = None,
    public_only: bool = False,
) -> EmbeddingProvider:
    """As `provider_for`. Raises BAD_REQUEST for a kind that has no embeddings."""
    provider = provider_for(
        kind, base_url=base_url, api_key=api_key, limits=limits, options=options, public_only=public_only
    )
    if kind == "LOCAL" or not isinstance(provider, WireEmbedder):
        raise failure(ProviderErrorCode.BAD_REQUEST, detail=f"{kind} has no embeddings")
    return provider


def _adapter(kind: ServerKind) -> type[WireProvider]:
    match kind:
        case "OPENAI_COMPATIBLE" | "OPENAI":
            from adapters.openai import OpenAIProvider

            return OpenAIProvider
        case "AZURE_OPENAI":
            from adapters.openai import AzureOpenAIProvider

            return AzureOpenAIProvider
        case "ANTHROPIC":
            from adapters.anthropic import AnthropicProvider

            return AnthropicProvider
        case "GEMINI":
            from adapters.gemini import GeminiProvider

            return GeminiProvider
        case "DASHSCOPE":
            from adapters.dashscope import DashScopeProvider

            return DashScopeProvider
        case "LOCAL":
            from adapters.local import LocalProvider

            return LocalProvider
        case _:
            assert_never(kind)


def preload(kind: ChannelKind) -> None:
    """Import what the first call would import: seconds of CPU that its author need not wait for."""
    match kind:
        case "OPENAI_COMPATIBLE" | "OPENAI" | "AZURE_OPENAI" | "LOCAL":
            import openai  # noqa: F401
        case "ANTHROPIC" | "GEMINI":
            import httpx2  # noqa: F401
            import httpx_sse  # noqa: F401
        case "DASHSCOPE":
            import dashscope  # noqa: F401
        case "DEMO":
            import adapters.demo  # noqa: F401
        case _:
            assert_never(kind)
