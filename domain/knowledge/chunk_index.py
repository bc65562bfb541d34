"""Chunks become rows of an index, and no text is paid for twice.

A text's vector is kept by (hash of the text, model) as soon as a call has brought it, in a transaction of its own. Who
is about to ask for one claims it first: others wait for the answer instead of asking for themselves. A claim is renewed
while its call goes on and lapses when its owner does not come back; the same owner, a document or a base, started again, takes it
up at once. What a call cost is kept with its vectors, for the document's next job to count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol
from uuid import UUID

from domain.billing import Usage, cost
from domain.generation.provider import Embeddings
from domain.ids import TenantId
from domain.knowledge.embedding import Embedder, Embedders
from domain.knowledge.entities import Chunk, KnowledgeBase
from domain.knowledge.indexing import Indexed, Spent
from domain.knowledge.vectors import IndexKey, Vector, VectorRow, VectorStore
from domain.unit_of_work import OpenUnitOfWork, whole

LEASE_S = 120.0
"""Renewed RENEWALS times before it is over, however long a call waits for its turn and is tried again."""
RENEWALS = 3
POLL_S = 0.1
BATCH_MAX = 64
"""Texts of one call, and rows of one statement, at most."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Vectors that are `known`, and the hashes that are the caller's to embed. The rest is being embedded by others."""

    known: Mapping[bytes, Vector]
    mine: frozenset[bytes]


class EmbeddingCache(Protocol):
    """What was paid for. Each call is a short transaction."""

    async def claim(
        self, tenant_id: TenantId, index: IndexKey, hashes: Sequence[bytes], owner: UUID, lease_s: float
    ) -> Claimed: ...

    async def keep(
        self, tenant_id: TenantId, index: IndexKey, vectors: Mapping[bytes, Vector], owner: UUID, spent: Spent
    ) -> None:
        """What was spent is unbilled until the owner's job counts it."""
        ...

    async def release(self, tenant_id: TenantId, index: IndexKey, hashes: Sequence[bytes], owner: UUID) -> None:
        """Give up what was claimed and not kept."""
        ...


NOTHING = Indexed(0, 0, 0)


def _sum(one: Indexed, other: Indexed) -> Indexed:
    return Indexed(one.tokens + other.tokens, one.cached + other.cached, one.cost_micros + other.cost_micros)


def hash_of(text: str) -> bytes:
    return sha256(text.encode()).digest()


@dataclass(frozen=True)
class ChunkIndexer:
    """Implements `domain.knowledge.indexing.Indexer`."""

    units: OpenUnitOfWork
    embedders: Embedders
    cache: EmbeddingCache
    store: VectorStore
    lease_s: float = LEASE_S

    async def index(
        self, tenant_id: TenantId, base: KnowledgeBase, chunks: Sequence[Chunk], owner: UUID | None = None
    ) -> Indexed:
        """Write the chunks, which are committed, to the base's index. Done again, it costs nothing again.

        Raises ProviderError and NoEmbedder; what was written and paid for until then stays.
        """
        index = IndexKey(base.embedding_model, base.dimensions)
        embedder = await self.embedders.find(tenant_id, index.model, index.dimensions)
        size, done = min(embedder.batch_max, BATCH_MAX), NOTHING
        for start in range(0, len(chunks), size):
            done = _sum(done, await self._batch(tenant_id, index, embedder, chunks[start : start + size], owner))
        return done

    async def _batch(
        self, tenant_id: TenantId, index: IndexKey, embedder: Embedder, chunks: Sequence[Chunk], owner: UUID | None
    ) -> Indexed:
        hashes = [hash_of(chunk.text) for chunk in chunks]
        texts = dict(zip(hashes, (chunk.text for chunk in chunks), strict=True))
        vectors, done = await self._vectors(tenant_id, index, embedder, texts, owner or chunks[0].document_id)
        rows = [
            VectorRow(chunk.id, chunk.base_id, chunk.document_id, chunk.enabled, chunk.text, vectors[key])
            for chunk, key in zip(chunks, hashes, strict=True)
        ]
        await self.store.put(tenant_id, index, rows)
        return done

    async def _vectors(
        self, tenant_id: TenantId, index: IndexKey, embedder: Embedder, texts: Mapping[bytes, str], owner: UUID
    ) -> tuple[dict[bytes, Vector], Indexed]:
        """The vector of each text, waiting for those that somebody else has asked for."""
        vectors: dict[bytes, Vector] = {}
        done = NOTHING
        while waiting := [key for key in texts if key not in vectors]:
            claimed = await self.cache.claim(tenant_id, index, waiting, owner, self.lease_s)
            vectors.update(claimed.known)
            done = _sum(done, Indexed(0, len(claimed.known), 0))
            if claimed.mine:
                mine = {key: text for key, text in texts.items() if key in claimed.mine}
                fresh, spent = await self._embed(tenant_id, index, embedder, mine, owner)
                vectors.update(fresh)
                done = _sum(done, spent)
            elif len(vectors) < len(texts):
                await asyncio.sleep(POLL_S)
        return vectors, done

    async def _embed(
        self, tenant_id: TenantId, index: IndexKey, embedder: Embedder, texts: Mapping[bytes, str], owner: UUID
    ) -> tuple[dict[bytes, Vector], Indexed]:
        renewing = asyncio.create_task(self._renew(tenant_id, index, list(texts), owner))
        try:
            try:
                found = await embedder.embed(list(texts.values()), query=False)
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)
        except BaseException:
            await whole(self.cache.release(tenant_id, index, list(texts), owner))
            raise
        vectors: dict[bytes, Vector] = dict(zip(texts, found.vectors, strict=True))

        async def keep() -> Spent:
            spent = await self._spent(tenant_id, embedder, found)
            await self.cache.keep(tenant_id, index, vectors, owner, spent)
            return spent

        # Paid for is paid for: a job that is cancelled now still keeps what it was given.
        spent = await whole(keep())
        return vectors, Indexed(spent.tokens, 0, spent.cost_micros)

    async def _renew(self, tenant_id: TenantId, index: IndexKey, hashes: Sequence[bytes], owner: UUID) -> None:
        while True:
            await asyncio.sleep(self.lease_s / RENEWALS)
            await self.cache.claim(tenant_id, index, hashes, owner, self.lease_s)

    async def _spent(self, tenant_id: TenantId, embedder: Embedder, found: Embeddings) -> Spent:
        tokens = found.usage.input_tokens if found.usage is not None else 0
        if embedder.offer is None:
            return Spent(tokens)
        async with self.units(tenant_id) as uow:
            price = await uow.billing.price_of(*embedder.offer.priced_as)
        return Spent(tokens, cost(price, Usage(tokens, 0)), embedder.offer.channel.id, price.id)
