"""`domain.knowledge.chunk_index.EmbeddingCache` in PostgreSQL: a row a text and model, claimed before it is paid for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.ids import TenantId
from domain.knowledge.chunk_index import Claimed
from domain.knowledge.indexing import Spent
from domain.knowledge.vectors import IndexKey, Vector
from persistence.database import SET_TENANT
from persistence.knowledge.search_tables import knowledge_embeddings as table
from persistence.knowledge.vector_type import as_text, from_text


class SqlEmbeddings:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def claim(
        self, tenant_id: TenantId, index: IndexKey, hashes: Sequence[bytes], owner: UUID, lease_s: float
    ) -> Claimed:
        """Claims are made in the order of the hashes, so that two of them cannot wait for each other."""
        rows = [
            _key(tenant_id, index) | {"text_hash": one, "owner": owner, "claimed_until": _until(lease_s)}
            for one in sorted(set(hashes))
        ]
        claim = insert(table).values(rows)
        free = and_(table.c.vector.is_(None), or_(table.c.owner == owner, table.c.claimed_until < func.now()))
        taken = claim.on_conflict_do_update(
            constraint="knowledge_embeddings_pkey",
            set_={"owner": claim.excluded.owner, "claimed_until": claim.excluded.claimed_until},
            where=free,
        ).returning(table.c.text_hash)
        known = select(table.c.text_hash, table.c.vector).where(*_these(tenant_id, index, hashes), _KEPT)
        async with self._in(tenant_id) as connection:
            mine = frozenset((await connection.execute(taken)).scalars())
            found = {row.text_hash: from_text(row.vector) for row in await connection.execute(known)}
        return Claimed(found, mine)

    async def keep(
        self, tenant_id: TenantId, index: IndexKey, vectors: Mapping[bytes, Vector], owner: UUID, spent: Spent
    ) -> None:
        """Each text of a call is taken to have cost as much as the others. Whoever claimed it, the first answer stays."""
        given = insert(table)
        said = ("vector", "tokens", "cost_micros", "channel_id", "price_id", "unbilled", "owner")
        kept = given.on_conflict_do_update(
            constraint="knowledge_embeddings_pkey",
            set_={name: given.excluded[name] for name in said},
            where=table.c.vector.is_(None),
        )
        tokens, micros = _shares(spent.tokens, len(vectors)), _shares(spent.cost_micros, len(vectors))
        rows = [
            _key(tenant_id, index)
            | {"text_hash": one, "owner": owner, "vector": as_text(vectors[one]), "tokens": next(tokens)}
            | {"cost_micros": next(micros), "channel_id": spent.channel_id, "price_id": spent.price_id}
            for one in sorted(vectors)
        ]
        async with self._in(tenant_id) as connection:
            await connection.execute(kept.values(claimed_until=func.now(), unbilled=True), rows)

    async def release(self, tenant_id: TenantId, index: IndexKey, hashes: Sequence[bytes], owner: UUID) -> None:
        """In the order of the hashes, as they are claimed."""
        mine = (*_these(tenant_id, index, hashes), table.c.owner == owner, table.c.vector.is_(None))
        async with self._in(tenant_id) as connection:
            await connection.execute(
                select(table.c.text_hash).where(*mine).order_by(table.c.text_hash).with_for_update()
            )
            await connection.execute(delete(table).where(*mine))

    @asynccontextmanager
    async def _in(self, tenant_id: TenantId) -> AsyncIterator[AsyncConnection]:
        async with self._engine.begin() as connection:
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield connection


def _shares(whole: int, count: int) -> Iterator[int]:
    """That come to the whole."""
    least, left = divmod(whole, max(count, 1))
    return (least + (place < left) for place in range(count))


_KEPT = table.c.vector.is_not(None)


def _key(tenant_id: TenantId, index: IndexKey) -> dict[str, Any]:
    return {"tenant_id": tenant_id, "model": index.model, "dimensions": index.dimensions}


def _these(tenant_id: TenantId, index: IndexKey, hashes: Sequence[bytes]) -> list[ColumnElement[bool]]:
    return [
        table.c.tenant_id == tenant_id,
        table.c.text_hash.in_(hashes),
        table.c.model == index.model,
        table.c.dimensions == index.dimensions,
    ]


def _until(lease_s: float) -> ColumnElement[Any]:
    return func.now() + timedelta(seconds=lease_s)
