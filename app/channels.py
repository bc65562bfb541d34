"""The operator's channels: made from the environment at start-up, and given their secrets only when used."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from adapters.factory import preload, provider_for
from adapters.local_servers import find_local_servers
from app.settings import Settings
from domain.generation.entities import Channel, ProviderKind
from domain.generation.provider import ProviderError, ProviderErrorCode, ProviderLimits, TextProvider
from domain.ids import ChannelId

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4.1-mini"
DASHSCOPE_MODEL = "qwen-plus"
WINDOW_TOKENS = 32_768
DEMO_WINDOW_TOKENS = 16_384
_NAMESPACE = uuid.UUID("5f1f7a52-6f0c-5a1d-9c53-1d4f1f6f2b90")


def _channel(name: str, provider: ProviderKind, model: str, **more: str | None) -> Channel:
    window = DEMO_WINDOW_TOKENS if provider is ProviderKind.DEMO else WINDOW_TOKENS
    channel_id = ChannelId(uuid.uuid5(_NAMESPACE, name))
    return Channel(channel_id, name, provider, model, more.get("base_url"), more.get("secret_ref"), window)


async def channels_of(settings: Settings) -> list[Channel]:
    """Every channel there is, the default first: a configured server, then a provider whose key is set, then the demo.

    A local server is offered and never the default: nobody asked for it.
    """
    openai, demo = ProviderKind.OPENAI_COMPATIBLE, ProviderKind.DEMO
    found: list[Channel] = []
    if settings.provider_base_url:
        model = settings.provider_model or "default"
        base_url = settings.provider_base_url
        found.append(_channel("openai-compatible", openai, model, base_url=base_url, secret_ref="provider_api_key"))
    if settings.openai_api_key:
        found.append(_channel("openai", openai, OPENAI_MODEL, base_url=OPENAI_URL, secret_ref="openai_api_key"))
    if settings.dashscope_api_key:
        found.append(_channel("dashscope", ProviderKind.DASHSCOPE, DASHSCOPE_MODEL, secret_ref="dashscope_api_key"))
    found.append(_channel("demo", demo, "demo-writer"))
    for server in await find_local_servers(own_port=settings.port):
        found += [
            _channel(f"{server.name}: {one}", openai, one, base_url=server.base_url) for one in server.models[:20]
        ]
    found[0].is_default = True
    return found


def provider_factory(settings: Settings) -> Callable[[Channel], TextProvider]:
    """How a worker gets from a channel's row to a provider. Secrets are read here and stored nowhere."""

    def make(channel: Channel) -> TextProvider:
        key = ""
        if channel.secret_ref:
            key = getattr(settings, channel.secret_ref).get_secret_value()
        if not channel.enabled:
            raise ProviderError(
                ProviderErrorCode.MODEL_NOT_FOUND, "The model's channel is no longer set up.", detail=channel.name
            )
        return provider_for(
            ProviderKind(channel.provider).value,
            base_url=channel.base_url,
            api_key=key or None,
            limits=ProviderLimits(),
            demo_delay_s=settings.demo_delay_s,
        )

    return make


def preload_providers(settings: Settings) -> None:
    """For a worker's start: the SDKs of the channels that the environment sets up."""
    preload("DEMO")
    if settings.provider_base_url or settings.openai_api_key:
        preload("OPENAI_COMPATIBLE")
    if settings.dashscope_api_key:
        preload("DASHSCOPE")
