"""Use cases of channels: make, change, delete, and find those that offer a model.

A channel belongs to the tenant that made it, or to the platform. Keys are never given out again: what leaves this
module knows whether there is one, and no more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Address
from typing import Any, Protocol
from urllib.parse import urlsplit

from domain.accounts import Actor, Permission
from domain.channels.entities import (
    PLATFORM_TENANT,
    SWITCHED_OFF,
    WINDOW_TOKENS,
    CancelPolicy,
    Channel,
    ChannelModel,
    ProviderKind,
)
from domain.channels.policy import Policy, parse_policy, policy_json
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import ChannelId, TenantId
from domain.text import clean_line

CHANNELS_MAX = 100
MODELS_MAX = 50
GROUPS_MAX = 20
WEIGHT_MAX = 1_000
PRIORITY_MAX = 1_000
LIMIT_MAX = 1_000_000_000
WINDOW_MAX = 100_000_000
KEY_CHARS_MAX = 4_000
REFERENCE = re.compile(r"(env|file):(\S{1,500})")
_HOST = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)
_STRAY = re.compile(r"[\s\\?#]")
_PRINTABLE = re.compile(r"[\x21-\x7e]+")


class ChannelStore(Protocol):
    """The channels room of a unit of work. It sees the tenant's own channels and the platform's."""

    async def add(self, channel: Channel) -> None: ...
    async def channel(self, channel_id: ChannelId) -> Channel | None:
        """A channel that is not deleted."""
        ...

    async def offered(self) -> Sequence[Channel]:
        """All that are on: the tenant's own first, then by name."""
        ...

    async def count(self) -> int:
        """How many the tenant has made and not deleted."""
        ...

    async def policy(self) -> dict[str, Any] | None:
        """The tenant's routing policy, else the platform's, as JSON; None where neither was set."""
        ...

    async def set_policy(self, policy: dict[str, Any]) -> None: ...

    async def drop_default(self, except_id: ChannelId) -> None:
        """No other channel of the tenant is its default any more."""
        ...


class KeyVault(Protocol):
    """Seals keys so that only this operator's processes can open them."""

    def seal(self, tenant_id: TenantId, channel_id: ChannelId, key: str) -> bytes:
        """Raises Rejected when the operator has set that keys are references alone, or no key to seal with."""
        ...

    def open(self, tenant_id: TenantId, channel_id: ChannelId, sealed: bytes) -> str:
        """Raises ValueError when no key of the operator's opens it."""
        ...


class AddressGuard(Protocol):
    def __call__(self, url: str, /) -> None:
        """Raises ValueError for an address that a tenant's channel may not lead to."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelDraft:
    """What is asked of a channel; None leaves it as it is. An `api_key` of "" takes the key away."""

    name: str | None = None
    provider: ProviderKind | None = None
    base_url: str | None = None
    api_key: str | None = None
    models: Sequence[ChannelModel] | None = None
    options: dict[str, str] | None = None
    groups: Sequence[str] | None = None
    region: str | None = None
    weight: int | None = None
    priority: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    cancel_policy: CancelPolicy | None = None
    enabled: bool | None = None
    is_default: bool | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """How a short call went. Times are in milliseconds from its start."""

    text: str
    first_token_ms: int | None
    total_ms: int
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Keeper:
    """What the making of a channel needs besides its store."""

    vault: KeyVault
    guard: AddressGuard
    cancel_policy: Callable[[str, str | None], str]
    """The first guess for a provider and an address."""


def home_of(actor: Actor, *, platform: bool) -> TenantId:
    """The tenant that a channel is made for. Raises Forbidden."""
    actor.require(Permission.PLATFORM if platform else Permission.ADMIN)
    return PLATFORM_TENANT if platform else actor.tenant_id


async def create_channel(store: ChannelStore, home: TenantId, keeper: Keeper, draft: ChannelDraft) -> Channel:
    """Raises Rejected. The caller has asked `home_of`, and the store is that tenant's."""
    if await store.count() >= CHANNELS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {CHANNELS_MAX} channels.")
    if draft.provider is None:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A channel has a provider.", "input", "provider")
    if draft.provider is ProviderKind.LOCAL and home != PLATFORM_TENANT:
        # It names a file of the operator's machine.
        raise Rejected(ErrorCode.BAD_USER_INPUT, "Models on this machine are the operator's.", "input", "provider")
    channel = Channel.offering(clean_line(draft.name or "", "name"), draft.provider, tenant_id=home)
    _apply(channel, keeper, draft)
    if draft.cancel_policy is None:
        channel.cancel_policy = keeper.cancel_policy(channel.provider, channel.base_url)
    _check_azure(channel)
    if not channel.offers:
        raise Rejected(ErrorCode.EMPTY, "A channel offers at least one model.", "input", "models")
    if channel.is_default:
        await store.drop_default(channel.id)
    await store.add(channel)
    return channel


async def update_channel(
    store: ChannelStore, home: TenantId, keeper: Keeper, channel_id: ChannelId, draft: ChannelDraft, now: datetime
) -> tuple[Channel, bool]:
    """The channel, and whether its calls go another way now, so that their past says nothing of their future."""
    channel = await own_channel(store, home, channel_id)
    before = _way(channel)
    if draft.is_default:
        await store.drop_default(channel.id)
    if draft.name is not None:
        channel.name = clean_line(draft.name, "name")
    _apply(channel, keeper, draft)
    _check_azure(channel)
    channel.updated_at = now
    return channel, _way(channel) != before


def _way(channel: Channel) -> tuple[object, ...]:
    """What decides how a call goes: key, address, options and models."""
    options = {name: value for name, value in channel.options.items() if name != SWITCHED_OFF}
    return channel.secret_ref, channel.sealed_key, channel.base_url, options, channel.models


async def delete_channel(store: ChannelStore, home: TenantId, channel_id: ChannelId, now: datetime) -> Channel:
    """Its key goes at once; its name stays with what was written through it."""
    channel = await own_channel(store, home, channel_id)
    channel.deleted_at, channel.sealed_key, channel.secret_ref, channel.is_default = now, None, None, False
    return channel


async def own_channel(store: ChannelStore, home: TenantId, channel_id: ChannelId) -> Channel:
    """A channel that may be changed here. One of the platform is not a tenant's to change. Raises NotFound."""
    channel = await store.channel(channel_id)
    if channel is None or channel.tenant_id != home:
        raise NotFound("The channel", "input", "id")
    return channel


async def current_policy(store: ChannelStore) -> Policy:
    """The tenant's, else the platform's, else the default."""
    said = await store.policy()
    return Policy() if said is None else parse_policy(said)


async def set_policy(store: ChannelStore, policy: Policy) -> None:
    """Raises NotFound when a channel that it leaves out is not one that the tenant sees."""
    for part in policy.chain():
        for channel_id in part.excluded:
            if await store.channel(channel_id) is None:
                raise NotFound("The channel", "input", "policy", "excluded")
    await store.set_policy(policy_json(policy))


def _apply(channel: Channel, keeper: Keeper, draft: ChannelDraft) -> None:
    if draft.provider is not None and draft.provider != channel.provider:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A channel keeps its provider.", "input", "provider")
    if draft.base_url is not None:
        _move(channel, keeper, draft)
    if draft.api_key is not None:
        _give_key(channel, keeper.vault, draft.api_key)
    if draft.models is not None:
        channel.models = _clean_models(draft.models)
    if draft.groups is not None:
        channel.groups = _clean_groups(draft.groups)
    if draft.region is not None:
        channel.region = clean_line(draft.region, "region", chars_max=50, required=False)
    if draft.options is not None:
        channel.options = {
            **channel.options,
            **{name: clean_line(value, name, chars_max=500) for name, value in draft.options.items()},
        }
    channel.weight = _within(draft.weight, "weight", 0, WEIGHT_MAX, channel.weight)
    channel.priority = _within(draft.priority, "priority", -PRIORITY_MAX, PRIORITY_MAX, channel.priority)
    channel.requests_per_minute = _limit(draft.requests_per_minute, "requestsPerMinute", channel.requests_per_minute)
    channel.tokens_per_minute = _limit(draft.tokens_per_minute, "tokensPerMinute", channel.tokens_per_minute)
    channel.concurrency = _limit(draft.concurrency, "concurrency", channel.concurrency)
    channel.cancel_policy = draft.cancel_policy or channel.cancel_policy
    if draft.enabled is not None:
        channel.enabled = draft.enabled
        channel.options = {name: value for name, value in channel.options.items() if name != SWITCHED_OFF}
    channel.is_default = channel.is_default if draft.is_default is None else draft.is_default


def _check_azure(channel: Channel) -> None:
    if channel.provider == ProviderKind.AZURE_OPENAI and channel.base_url is None:
        raise Rejected(ErrorCode.EMPTY, "Azure has an address for each of its customers.", "input", "baseUrl")


def _move(channel: Channel, keeper: Keeper, draft: ChannelDraft) -> None:
    """A stored key does not go along to another server: whoever may change the address could read it there."""
    base_url = clean_url(draft.base_url or "", keeper.guard if not channel.of_platform else None)
    if base_url != channel.base_url and channel.sealed_key is not None and draft.api_key is None:
        message = "The key was given for another server. Give it again for this one."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "apiKey")
    channel.base_url = base_url


def clean_url(value: str, guard: AddressGuard | None) -> str | None:
    """An address to which paths are added; None for the provider's own. Raises Rejected."""
    url = clean_line(value, "baseUrl", chars_max=500, required=False).rstrip("/")
    if not url:
        return None
    if not _is_address(url):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "An address looks like https://api.example/v1.", "input", "baseUrl")
    if guard is not None:
        try:
            guard(url)
        except ValueError as refusal:
            raise Rejected(ErrorCode.BAD_USER_INPUT, str(refusal), "input", "baseUrl") from None
    return url


def _is_address(url: str) -> bool:
    """Whether it is a scheme, a host that can be looked up, perhaps a port and a path, and nothing else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        known = bool(IPv6Address(host)) if ":" in host else _HOST.fullmatch(host.encode("idna").decode())
    except ValueError:
        return False
    plain = not _STRAY.search(url) and "@" not in parts.netloc
    return bool(known) and plain and port != 0 and parts.scheme in {"http", "https"}


def _give_key(channel: Channel, vault: KeyVault, value: str) -> None:
    """A reference into the operator's environment is the platform's alone: a tenant could read any secret with it."""
    key = value.strip()
    channel.secret_ref = channel.sealed_key = None
    if not key:
        return
    if REFERENCE.fullmatch(key):
        if not channel.of_platform:
            message = "Only the platform's channels refer to the operator's environment."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "apiKey")
        channel.secret_ref = key
        return
    if len(key) > KEY_CHARS_MAX:
        raise Rejected(ErrorCode.TOO_LONG, f"At most {KEY_CHARS_MAX:,} characters.", "input", "apiKey")
    if not _PRINTABLE.fullmatch(key):
        raise Rejected(ErrorCode.INVALID_CHARACTERS, "A key is printable ASCII without spaces.", "input", "apiKey")
    channel.sealed_key = vault.seal(channel.tenant_id, channel.id, key)


def _clean_models(models: Sequence[ChannelModel]) -> tuple[ChannelModel, ...]:
    if not 1 <= len(models) <= MODELS_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {MODELS_MAX} models.", "input", "models")
    cleaned = tuple(_clean_model(one) for one in models)
    if len({one.name for one in cleaned}) < len(cleaned):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "A model is named twice.", "input", "models")
    return cleaned


def _clean_model(model: ChannelModel) -> ChannelModel:
    name = clean_line(model.name, "models")
    window = _within(model.context_window, "models", 512, WINDOW_MAX, WINDOW_TOKENS)
    most = model.max_output_tokens
    if most is not None and not 1 <= most <= window:
        message = "The longest answer is between 1 token and the context window."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "models")
    if not model.modalities:
        raise Rejected(ErrorCode.EMPTY, "A model can be asked for something.", "input", "models")
    tokenizer = clean_line(model.tokenizer, "models") if model.tokenizer else None
    upstream = clean_line(model.upstream or name, "models")
    return ChannelModel(name, upstream, window, most, tuple(dict.fromkeys(model.modalities)), tokenizer)


def _clean_groups(groups: Sequence[str]) -> list[str]:
    if len(groups) > GROUPS_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"At most {GROUPS_MAX} groups.", "input", "groups")
    return sorted({clean_line(one, "groups", chars_max=50) for one in groups})


def _within(value: int | None, field: str, least: int, most: int, otherwise: int) -> int:
    if value is None:
        return otherwise
    if not least <= value <= most:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between {least:,} and {most:,}.", "input", field)
    return value


def _limit(value: int | None, field: str, otherwise: int | None) -> int | None:
    """0 takes a limit away."""
    if value is None:
        return otherwise
    return _within(value, field, 0, LIMIT_MAX, 0) or None
