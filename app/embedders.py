"""Where a tenant's embedding models are: in this process, or behind a channel that offers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from adapters.embedder_built_in import BuiltInEmbedder
from adapters.embedder_hashed import HashedEmbedder
from adapters.factory import embedder_for
from app.channels import key_of, vault_of
from app.settings import Settings
from domain.channels.entities import Channel, ProviderKind
from domain.generation.provider import EmbeddingProvider, Embeddings, ProviderLimits
from domain.ids import TenantId
from domain.knowledge.embedding import BUILT_IN, HASHED, Embedder, Pace, Patient, embedding_offer
from domain.unit_of_work import OpenUnitOfWork

KEPT_MAX = 64
OWN: dict[str, Embedder] = {BUILT_IN: BuiltInEmbedder(), HASHED: HashedEmbedder()}
"""The process's own: one of each, however many ask."""
LIMITS = ProviderLimits(connect_s=5.0, first_token_s=20.0, idle_s=20.0, total_s=20.0)


class Line:
    """Implements `EmbeddingProvider`: a connection that is open from the first call until it is given up.

    A call that is under way then still ends well, and one that comes later has a connection of its own.
    """

    def __init__(self, reach: Callable[[], EmbeddingProvider]) -> None:
        self._reach = reach
        self._open: EmbeddingProvider | None = None
        self._calls = 0
        self._given_up = False

    @property
    def embedding_batch_max(self) -> int:
        return self._provider.embedding_batch_max

    @property
    def _provider(self) -> EmbeddingProvider:
        if self._open is None:
            self._open = self._reach()
        return self._open

    async def embed(self, texts: Sequence[str], model: str, dimensions: int | None = None) -> Embeddings:
        provider = self._provider
        self._calls += 1
        try:
            return await provider.embed(texts, model, dimensions)
        finally:
            self._calls -= 1
            await self._close_if_idle()

    async def aclose(self) -> None:
        self._given_up = True
        await self._close_if_idle()

    async def _close_if_idle(self) -> None:
        if self._given_up and not self._calls and self._open is not None:
            provider, self._open = self._open, None
            await provider.aclose()


class TenantEmbedders:
    """Implements `domain.knowledge.embedding.Embedders`. Keeps those that were asked for last: a connection serves
    many calls, and a channel's limits count for all of them. One of these serves a process.
    """

    def __init__(self, units: OpenUnitOfWork, reach: Callable[[Channel], EmbeddingProvider]) -> None:
        self._units = units
        self._reach = reach
        self._kept: dict[Any, tuple[Channel, Patient]] = {}

    async def find(self, tenant_id: TenantId, model: str, dimensions: int) -> Embedder:
        own = OWN.get(model)
        if own is not None and own.dimensions == dimensions:
            return own
        async with self._units(tenant_id) as uow:
            offer = embedding_offer(await uow.channels.offered(), model)
        channel = offer.channel
        key = (channel.tenant_id, channel.id, model, dimensions)
        known, found = self._kept.pop(key, (None, None))
        given_up = []
        if known is None or found is None or known.updated_at != channel.updated_at:
            given_up += [found] if found is not None else []
            pace = Pace(channel.requests_per_minute, channel.tokens_per_minute)
            found = Patient(dimensions, Line(partial(self._reach, channel)), offer, pace)
        self._kept[key] = channel, found
        while len(self._kept) > KEPT_MAX:
            given_up.append(self._kept.pop(next(iter(self._kept)))[1])
        for one in given_up:
            await one.aclose()
        return found

    async def aclose(self) -> None:
        for _, one in self._kept.values():
            await one.aclose()
        self._kept.clear()


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
