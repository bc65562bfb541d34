"""What makes chunks findable by their meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.ids import ChannelId, PriceId, TenantId
from domain.knowledge.entities import Chunk, KnowledgeBase


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a call has embedded and what that cost; `cached` chunks cost nothing."""

    tokens: int
    cached: int
    cost_micros: int


@dataclass(frozen=True, slots=True)
class Spent:
    """What embedding has used, through which channel, and what that cost by which price."""

    tokens: int = 0
    cost_micros: int = 0
    channel_id: ChannelId | None = None
    price_id: PriceId | None = None


class Indexer(Protocol):
    async def index(
        self, tenant_id: TenantId, base: KnowledgeBase, chunks: Sequence[Chunk], owner: UUID | None = None
    ) -> Indexed:
        """Write the vectors of chunks. Repeating a call costs nothing twice. Raises ProviderError.

        What it has spent is the owner's, by default the document's of which the chunks are, and is kept until
        `KnowledgeStore.take_unbilled`.
        """
        ...
