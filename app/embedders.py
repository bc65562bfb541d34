"""Where a tenant's embedding models are: in this process, or behind a channel that offers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adapters.embedder_built_in import BuiltInEmbedder
from adapters.embedder_hashed import HashedEmbedder
from adapters.factory import embedder_for
from app.channels import key_of, vault_of
from app.settings import Settings
from domain.channels.entities import Channel, ChannelModel, Modality, ProviderKind
from domain.generation.provider import EmbeddingProvider, ProviderLimits
from domain.ids import TenantId
from domain.knowledge.embedding import BUILT_IN, HASHED, Embedder, NoEmbedder, Pace, Patient
from domain.unit_of_work import OpenUnitOfWork

KEPT_MAX = 64
OWN: dict[str, Embedder] = {BUILT_IN: BuiltInEmbedder(), HASHED: HashedEmbedder()}
"""The process's own: one of each, however many ask."""
LIMITS = ProviderLimits(connect_s=5.0, first_token_s=20.0, idle_s=20.0, total_s=20.0)


class TenantEmbedders:
    """Implements `domain.knowledge.embedding.Embedders`. Keeps what it opened: a connection serves many calls."""

    def __init__(self, units: OpenUnitOfWork, reach: Callable[[Channel], EmbeddingProvider]) -> None:
        self._units = units
        self._reach = reach
        self._opened: dict[Any, Patient] = {}

    async def find(self, tenant_id: TenantId, model: str, dimensions: int) -> Embedder:
        own = OWN.get(model)
        if own is not None and own.dimensions == dimensions:
            return own
        async with self._units(tenant_id) as uow:
            channels = await uow.channels.offered()
        channel, offer = _offering(channels, model)
        key = (channel.tenant_id, channel.id, channel.updated_at, model, dimensions)
        if key not in self._opened:
            await self._make_room()
            pace = Pace(channel.requests_per_minute, channel.tokens_per_minute)
            self._opened[key] = Patient(model, dimensions, self._reach(channel), offer.upstream, channel.name, pace)
        return self._opened[key]

    async def _make_room(self) -> None:
        while len(self._opened) >= KEPT_MAX:
            await self._opened.pop(next(iter(self._opened))).aclose()

    async def aclose(self) -> None:
        for one in self._opened.values():
            await one.aclose()
        self._opened.clear()


def _offering(channels: Sequence[Channel], model: str) -> tuple[Channel, ChannelModel]:
    """The channel with the highest priority of those that embed by this model. Raises NoEmbedder."""
    offers = [
        (channel, offer)
        for channel in channels
        if (offer := channel.model_named(model)) is not None and Modality.EMBEDDING in offer.modalities
    ]
    if not offers:
        raise NoEmbedder(model)
    return max(offers, key=lambda one: (one[0].priority, not one[0].of_platform, str(one[0].id)))


def embedding_providers(settings: Settings) -> Callable[[Channel], EmbeddingProvider]:
    """How one gets from a channel's row to its embeddings. Raises ProviderError for a key that cannot be read."""
    vault = vault_of(settings)

    def make(channel: Channel) -> EmbeddingProvider:
        return embedder_for(
            ProviderKind(channel.provider).value,
            base_url=channel.base_url, api_key=key_of(channel, vault), limits=LIMITS, options=channel.options,
            public_only=not (channel.of_platform or channel.base_url is None or settings.private_channels),
        )  # fmt: skip

    return make
