"""The operator's channels: made from the environment at start-up, and given their secrets only when used."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable

from adapters.factory import preload, provider_for
from adapters.key_vault import AesKeyVault
from adapters.local_servers import find_local_servers
from adapters.presets import cancel_policy
from app.settings import Settings, secret_named
from domain.channels.entities import WINDOW_TOKENS, Channel, ChannelModel, ProviderKind
from domain.channels.offers import ANY_MODEL
from domain.generation.provider import ProviderError, ProviderErrorCode, ProviderLimits, TextProvider
from domain.ids import ChannelId

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4.1-mini"
DASHSCOPE_MODEL = "qwen-plus"
DEMO_WINDOW_TOKENS = 16_384
PROVIDER_LIMITS = ProviderLimits()
_NAMESPACE = uuid.UUID("5f1f7a52-6f0c-5a1d-9c53-1d4f1f6f2b90")


def _channel(
    name: str, provider: ProviderKind, model: str, base_url: str | None = None, secret: str | None = None
) -> Channel:
    window = DEMO_WINDOW_TOKENS if provider is ProviderKind.DEMO else WINDOW_TOKENS
    secret_ref = f"env:{secret}" if secret else None
    channel = Channel.offering(
        name, provider, ChannelModel(model, model, window), base_url=base_url, secret_ref=secret_ref,
        cancel_policy=cancel_policy(provider, base_url),
        options={} if provider is ProviderKind.DEMO else {ANY_MODEL: "true"},
    )  # fmt: skip
    channel.id = ChannelId(uuid.uuid5(_NAMESPACE, name))
    return channel


async def channels_of(settings: Settings) -> list[Channel]:
    """Every channel there is, the default first: a configured server, then a provider whose key is set, then the demo.

    A local server is offered and never the default: nobody asked for it.
    """
    openai, demo = ProviderKind.OPENAI_COMPATIBLE, ProviderKind.DEMO
    found: list[Channel] = []
    if settings.provider_base_url:
        model = settings.provider_model or "default"
        base_url = settings.provider_base_url
        secret = "FABULA_OPENAI_API_KEY" if len(settings.provider_api_key) else None
        found.append(_channel("openai-compatible", openai, model, base_url, secret))
    if settings.openai_api_key:
        found.append(_channel("openai", openai, OPENAI_MODEL, base_url=OPENAI_URL, secret="OPENAI_API_KEY"))
    if settings.dashscope_api_key:
        found.append(_channel("dashscope", ProviderKind.DASHSCOPE, DASHSCOPE_MODEL, secret="DASHSCOPE_API_KEY"))
    found.append(_channel("demo", demo, "demo-writer"))
    for server in await find_local_servers(own_port=settings.port):
        found += [
            _channel(f"{server.name}: {one}", openai, one, base_url=server.base_url) for one in server.models[:20]
        ]
    found[0].is_default = True
    return found


def vault_of(settings: Settings) -> AesKeyVault:
    return AesKeyVault(settings.master_keys, references_only=settings.channel_key_references_only)


def key_of(channel: Channel, vault: AesKeyVault) -> str | None:
    """A channel's key in the open, None where it needs none. Raises ProviderError when it cannot be read."""
    try:
        if channel.secret_ref:
            return secret_named(channel.secret_ref)
        if channel.sealed_key is not None:
            return vault.open(channel.tenant_id, channel.id, channel.sealed_key)
    except ValueError as error:
        raise ProviderError(
            ProviderErrorCode.AUTHENTICATION, "The channel's key cannot be read.", detail=str(error)
        ) from None
    return None


def provider_factory(settings: Settings, limits: ProviderLimits = PROVIDER_LIMITS) -> Callable[[Channel], TextProvider]:
    """How one gets from a channel's row to a provider. Keys are opened here and stored nowhere."""
    vault = vault_of(settings)

    def make(channel: Channel) -> TextProvider:
        return provider_for(
            ProviderKind(channel.provider).value,
            base_url=channel.base_url,
            api_key=key_of(channel, vault),
            limits=limits,
            demo_delay_s=settings.demo_delay_s,
            options=channel.options,
            public_only=not (channel.of_platform or channel.base_url is None or settings.private_channels),
        )

    return make


def preload_providers(settings: Settings, kinds: Iterable[str]) -> None:
    """For a worker's start: the SDKs of the channels that there are, and that the environment is about to set up."""
    wanted = {*kinds, "DEMO"}
    if settings.provider_base_url or settings.openai_api_key:
        wanted.add("OPENAI_COMPATIBLE")
    if settings.dashscope_api_key:
        wanted.add("DASHSCOPE")
    for kind in wanted:
        preload(ProviderKind(kind).value)
