"""The text provider for a channel's kind. Caches nothing: whoever asks keeps the provider, and closes it."""

from __future__ import annotations

from typing import Literal, assert_never

from domain.generation.provider import ProviderLimits, TextProvider

ChannelKind = Literal["OPENAI_COMPATIBLE", "DASHSCOPE", "DEMO"]


def provider_for(
    kind: ChannelKind,
    *,
    base_url: str | None,
    api_key: str | None,
    limits: ProviderLimits,
    demo_delay_s: float,
) -> TextProvider:
    """Opens no connection and imports no SDK: the first call does. `demo_delay_s` is the pause between two chunks."""
    match kind:
        case "OPENAI_COMPATIBLE":
            from adapters.openai import OpenAIProvider

            return OpenAIProvider(base_url=base_url, api_key=api_key, limits=limits)
        case "DASHSCOPE":
            from adapters.dashscope import DashScopeProvider

            return DashScopeProvider(base_url=base_url, api_key=api_key, limits=limits)
        case "DEMO":
            from adapters.demo import DemoProvider

            return DemoProvider(chunk_delay_s=demo_delay_s, limits=limits)
        case _:
            assert_never(kind)


def preload(kind: ChannelKind) -> None:
    """Import what the first call would import: seconds of CPU that its author need not wait for."""
    match kind:
        case "OPENAI_COMPATIBLE":
            import openai  # noqa: F401
        case "DASHSCOPE":
            import dashscope  # noqa: F401
        case "DEMO":
            import adapters.demo  # noqa: F401
        case _:
            assert_never(kind)
