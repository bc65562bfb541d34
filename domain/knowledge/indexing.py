"""What makes chunks findable by their meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.ids import TenantId
from domain.knowledge.entities import Chunk, KnowledgeBase


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a call has embedded and what that cost; `cached` chunks cost nothing."""

    tokens: int
    cached: int
    cost_micros: int


class Indexer(Protocol):
    async def index(self, tenant_id: TenantId, base: KnowledgeBase, chunks: Sequence[Chunk]) -> Indexed:
        """Write the vectors of chunks. Repeating a call costs nothing twice. Raises ProviderError."""
        ...
