"""What the API needs of channels besides their rows: keys, health, and a short call to see whether one works."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any

from adapters.address_guard import refuse_private
from adapters.presets import cancel_policy
from app.channels import provider_factory, vault_of
from app.settings import Settings
from domain.channels.entities import Channel, ChannelModel
from domain.channels.service import Keeper, Trial
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    ProviderError,
    ProviderLimits,
    TextChunk,
    TextProvider,
)
from persistence.channels.board import Board
from persistence.channels.health import Breakers
from resolvers.channels.health import health_of_channels

LIMITS = ProviderLimits(connect_s=5.0, first_token_s=15.0, idle_s=10.0, total_s=20.0)
"""Together shorter than a mutation may take."""
QUESTION = "Answer with one word: ready."
OUTPUT_TOKENS = 64
SHOWN_CHARS = 200
"""Of what a provider says: the beginning of its answer, or of its refusal."""


class ChannelServices:
    """Implements `resolvers.services.ChannelServices`."""

    def __init__(self, keeper: Keeper, health: Breakers, reach: Callable[[Channel], TextProvider]) -> None:
        self.keeper = keeper
        self.health = health
        self._reach = reach

    async def healths(self, channels: Sequence[Any]) -> list[Any]:
        return list(await health_of_channels(self.health, channels, self.health.now()))

    async def try_out(self, channel: Channel, model: ChannelModel) -> Trial:
        """Never raises for what the provider does."""
        began = time.monotonic()
        text, first_token_ms = "", None
        request = CompletionRequest(model.upstream, (ChatMessage("user", QUESTION),), OUTPUT_TOKENS)
        try:
            async with aclosing(self._reach(channel)) as provider, aclosing(provider.stream(request)) as events:
                async for event in events:
                    if isinstance(event, TextChunk):
                        first_token_ms = first_token_ms or _ms_since(began)
                        text = (text + event.text)[:SHOWN_CHARS]
        except ProviderError as error:
            return Trial(text, first_token_ms, _ms_since(began), error.code, error.message[:SHOWN_CHARS])
        return Trial(text, first_token_ms, _ms_since(began))


def channel_services(settings: Settings, redis: Any) -> ChannelServices:
    guard = _anywhere if settings.private_channels else refuse_private
    keeper = Keeper(vault_of(settings), guard, cancel_policy)
    return ChannelServices(keeper, Board(redis).health, provider_factory(settings, LIMITS))


def _anywhere(_url: str) -> None:
    """In development every address will do: most servers stand on the same machine."""


def _ms_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
