"""What a channel is: a server, the key for it, the models that it offers, and how much it may be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.ids import ChannelId, TenantId, new_id

PLATFORM_TENANT = TenantId(UUID(int=0))
"""Whose channels everybody may use and only the platform's administrators may change."""
WINDOW_TOKENS = 32_768
SWITCHED_OFF = "switched_off"
"""The option of a channel that is off because the environment no longer has it, and not by an administrator's word."""


class ProviderKind(StrEnum):
    """The protocol that a channel speaks."""

    OPENAI_COMPATIBLE = "OPENAI_COMPATIBLE"
    OPENAI = "OPENAI"
    AZURE_OPENAI = "AZURE_OPENAI"
    ANTHROPIC = "ANTHROPIC"
    GEMINI = "GEMINI"
    DASHSCOPE = "DASHSCOPE"
    LOCAL = "LOCAL"
    DEMO = "DEMO"


class ChannelStatus(StrEnum):
    """Whether generations go through a channel."""

    ON = "ON"
    OFF_MANUAL = "OFF_MANUAL"
    OFF_AUTO = "OFF_AUTO"
    HALF_OPEN = "HALF_OPEN"


class CancelPolicy(StrEnum):
    """What a provider does once a stop has closed the connection: stop counting, or go on. UNKNOWN is not measured."""

    CANCEL = "CANCEL"
    DRAIN = "DRAIN"
    UNKNOWN = "UNKNOWN"


class Modality(StrEnum):
    """What a model can be asked for."""

    TEXT = "TEXT"
    EMBEDDING = "EMBEDDING"
    IMAGE = "IMAGE"


@dataclass(frozen=True, slots=True)
class ChannelModel:
    """A model under its public name, which several channels may offer; `upstream` is what the provider calls it.

    `tokenizer` is the name of one, for clients that count for themselves.
    """

    name: str
    upstream: str
    context_window: int = WINDOW_TOKENS
    max_output_tokens: int | None = None
    modalities: tuple[str, ...] = (Modality.TEXT.value,)
    tokenizer: str | None = None

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> ChannelModel:
        """What was kept before models had modalities makes text."""
        return cls(**{**said, "modalities": tuple(said.get("modalities", (Modality.TEXT.value,)))})


@dataclass(eq=False)
class Channel:
    """A way to models. Its key is a reference to the operator's environment, or stored sealed, or not needed."""

    tenant_id: TenantId
    id: ChannelId
    name: str
    provider: str
    offers: list[dict[str, Any]]
    base_url: str | None = None
    secret_ref: str | None = None
    sealed_key: bytes | None = field(default=None, repr=False)
    options: dict[str, str] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    region: str = ""
    weight: int = 1
    priority: int = 0
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    cancel_policy: str = CancelPolicy.UNKNOWN
    cancel_measured_at: datetime | None = None
    enabled: bool = True
    is_default: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def models(self) -> tuple[ChannelModel, ...]:
        """In its owner's order; the first is taken when none is asked for."""
        return tuple(ChannelModel.from_json(one) for one in self.offers)

    @models.setter
    def models(self, models: tuple[ChannelModel, ...]) -> None:
        self.offers = [asdict(one) for one in models]

    @property
    def writers(self) -> tuple[ChannelModel, ...]:
        """Those that make text."""
        return tuple(one for one in self.models if Modality.TEXT in one.modalities)

    @property
    def of_platform(self) -> bool:
        return self.tenant_id == PLATFORM_TENANT

    @classmethod
    def offering(
        cls,
        name: str,
        provider: ProviderKind,
        *models: ChannelModel,
        tenant_id: TenantId = PLATFORM_TENANT,
        **more: Any,
    ) -> Channel:
        """A new channel, of the platform when no tenant is named."""
        return cls(tenant_id, ChannelId(new_id()), name, provider, [asdict(one) for one in models], **more)

    def model_named(self, name: str) -> ChannelModel | None:
        return next((one for one in self.models if one.name == name), None)
