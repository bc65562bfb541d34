"""Whether the index has what PostgreSQL has."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.ids import ChunkId, TenantId
from domain.knowledge.vectors import IndexKey
from persistence.weaviate.feed import SearchFeed
from persistence.weaviate.store import Kept, WeaviateStore

PAGE = 500


class Fault(StrEnum):
    MISSING = "missing"
    EXTRA = "extra"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Difference:
    index: IndexKey
    chunk_id: ChunkId
    fault: Fault


async def differences(feed: SearchFeed, store: WeaviateStore, tenant_id: TenantId) -> list[Difference]:
    """What is wrong in a tenant. What waits to be sent is not; what changed while it was read is looked at again.

    Raises IndexFailed.
    """
    found = await _compared(feed, store, tenant_id)
    if found:
        found &= await _compared(feed, store, tenant_id)
    waiting = await feed.waiting(tenant_id) if found else set()
    wrong = [one for one in found if (one.index, one.chunk_id) not in waiting]
    return sorted(wrong, key=lambda one: (one.index.model, one.index.dimensions, one.fault, one.chunk_id))


async def _compared(feed: SearchFeed, store: WeaviateStore, tenant_id: TenantId) -> set[Difference]:
    found: set[Difference] = set()
    for index in {*await feed.indexes(tenant_id), *await store.places.indexes(tenant_id)}:
        kept = await store.kept(tenant_id, index)
        async for row in feed.rows(tenant_id, index, PAGE):
            there = kept.pop(row.chunk_id, None)
            if there is None:
                found.add(Difference(index, row.chunk_id, Fault.MISSING))
            elif there != Kept.of(row):
                found.add(Difference(index, row.chunk_id, Fault.DIFFERENT))
        found |= {Difference(index, chunk_id, Fault.EXTRA) for chunk_id in kept}
    return found
