"""What Weaviate is fed from, in PostgreSQL: entries say which rows have changed, and the rows say what they are now.

So an entry that is sent twice does no harm, and an order in which two are sent cannot be wrong as long as one process
feeds a tenant at a time. Who feeds has a claim for CLAIM_S, longer than any call takes; who finds that it has lapsed,
having written, notes the same rows anew for its successor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.ids import ChunkId, KnowledgeBaseId, SourceDocumentId, TenantId
from domain.knowledge.vectors import IndexKey, VectorRow
from persistence.database import SET_TENANT
from persistence.knowledge.vector_type import from_text

CLAIM_S = 90.0
ERROR_CHARS_MAX = 300

_LOCK = text("select pg_advisory_xact_lock(hashtextextended('fabula.search_feed:' || :tenant, 0))")
_OPEN = text("insert into app.search_feeds (tenant_id) values (:tenant) on conflict do nothing")
_NOTE_ALL = text("""
    insert into app.search_entries (tenant_id, chunk_id, model, dimensions, base_id)
    select tenant_id, chunk_id, model, dimensions, base_id from app.chunk_vectors
    where tenant_id = :tenant
        and (cast(:model as text) is null or model = :model and dimensions = cast(:dimensions as int))
    order by chunk_id, model, dimensions
    on conflict on constraint search_entries_pkey do update set seq = excluded.seq
""")
_CLAIM = text("""
    update app.search_feeds set claim = :claim, claimed_until = clock_timestamp() + cast(:claim_s as float8) * interval '1 s'
    where tenant_id = (
        select tenant_id from app.search_feeds
        where tenant_id = :tenant and coalesce(claimed_until, '-infinity') <= clock_timestamp()
            and (:now or next_try_at <= clock_timestamp())
        for update skip locked)
    returning tenant_id
""")
_HOLD = text("""
    update app.search_feeds
    set claimed_until = clock_timestamp() + cast(:claim_s as float8) * interval '1 s'
    where tenant_id = :tenant and claim = :claim and claimed_until > clock_timestamp()
    returning tenant_id
""")
_PAGE = text("""
    select e.chunk_id, e.model, e.dimensions, e.base_id, e.seq, v.document_id, v.base_id as of_base, v.enabled,
        v.vector::text as vector, c.text
    from (select * from app.search_entries where tenant_id = :tenant order by seq limit :limit) as e
    left join app.chunk_vectors v on v.tenant_id = e.tenant_id and v.chunk_id = e.chunk_id and v.model = e.model
        and v.dimensions = e.dimensions
    left join app.knowledge_chunks c on c.tenant_id = v.tenant_id and c.id = v.chunk_id
    order by e.seq
""")
_DONE = text("""
    delete from app.search_entries where tenant_id = :tenant and seq in (
        select seq from app.search_entries where tenant_id = :tenant and seq = any(cast(:seqs as bigint[]))
        for update skip locked)
""")
_NOTE = text("""
    insert into app.search_entries (tenant_id, chunk_id, model, dimensions, base_id)
    values (:tenant, :chunk_id, :model, :dimensions, :base_id)
    on conflict on constraint search_entries_pkey do update set seq = excluded.seq
""")
_RELEASE = text("""
    update app.search_feeds
    set claim = null, claimed_until = null, last_error = cast(:error as text),
        tries = case when cast(:error as text) is null then 0 else tries + 1 end,
        next_try_at = clock_timestamp() + least(
            cast(:pause_max_s as float8), cast(:pause_s as float8) * 2 ^ least(tries, 20)) * interval '1 s'
    where tenant_id = :tenant and claim = :claim
""")
_ROWS = text("""
    select v.chunk_id, v.document_id, v.base_id as of_base, v.enabled, v.vector::text as vector, c.text
    from app.chunk_vectors v join app.knowledge_chunks c on c.tenant_id = v.tenant_id and c.id = v.chunk_id
    where v.tenant_id = :tenant and v.model = :model and v.dimensions = :dimensions
        and (cast(:after as uuid) is null or v.chunk_id > cast(:after as uuid))
    order by v.chunk_id limit :limit
""")
_INDEXES = text("select distinct model, dimensions from app.chunk_vectors where tenant_id = :tenant")
_WAITING = text("select chunk_id, model, dimensions from app.search_entries where tenant_id = :tenant")


class ClaimLost(Exception):
    """Somebody else feeds this tenant now."""


@dataclass(frozen=True, slots=True)
class Claim:
    tenant_id: TenantId
    id: UUID


@dataclass(frozen=True, slots=True)
class Entry:
    """A change. Without a row, the row is gone."""

    index: IndexKey
    chunk_id: ChunkId
    base_id: KnowledgeBaseId
    seq: int
    row: VectorRow | None


class SearchFeed:
    """Works as the application's role. Each call is a short transaction."""

    def __init__(self, engine: AsyncEngine, claim_s: float = CLAIM_S) -> None:
        self._engine = engine
        self._claim_s = claim_s

    async def open(self, tenant_id: TenantId, index: IndexKey | None = None) -> None:
        """From now on changes are noted; all that is there, or all of one index, is noted as changed."""
        values = {
            "tenant": tenant_id,
            "model": index.model if index else None,
            "dimensions": index.dimensions if index else None,
        }
        async with self._in(tenant_id) as connection:
            await connection.execute(_LOCK, {"tenant": str(tenant_id)})
            await connection.execute(_OPEN, {"tenant": tenant_id})
            await connection.execute(_NOTE_ALL, values)

    async def claim(self, tenant_id: TenantId, *, now: bool = False) -> Claim | None:
        """None when somebody else has it, or a pause is not over. `now` waits for no pause."""
        claim = Claim(tenant_id, uuid4())
        asked = self._values(claim) | {"now": now}
        async with self._in(tenant_id) as connection:
            taken = (await connection.execute(_CLAIM, asked)).first()
        return claim if taken else None

    async def page(self, claim: Claim, limit: int) -> list[Entry]:
        """The oldest changes, and the rows as they are. Raises ClaimLost."""
        async with self._in(claim.tenant_id) as connection:
            await self._hold(connection, claim)
            found = (await connection.execute(_PAGE, {"tenant": claim.tenant_id, "limit": limit})).all()
        return [
            Entry(
                IndexKey(one.model, one.dimensions), ChunkId(one.chunk_id), KnowledgeBaseId(one.base_id), one.seq,
                None if one.vector is None else _row(one),
            )
            for one in found
        ]  # fmt: skip

    async def done(self, claim: Claim, entries: Sequence[Entry]) -> None:
        """Forget what was sent, but for what has changed since it was read.

        Raises ClaimLost, having noted all of it anew: what was written may have come after what a successor wrote.
        """
        async with self._in(claim.tenant_id) as connection:
            held = (await connection.execute(_HOLD, self._values(claim))).first()
            if held:
                seqs = [one.seq for one in entries]
                await connection.execute(_DONE, {"tenant": claim.tenant_id, "seqs": seqs})
            else:
                await connection.execute(_NOTE, _keys(claim.tenant_id, entries))
        if not held:
            raise ClaimLost

    async def release(
        self, claim: Claim, error: str | None = None, pause_s: float = 0.0, pause_max_s: float = 0.0
    ) -> None:
        """Let go; after an error the next try waits, each time twice as long."""
        told = error[:ERROR_CHARS_MAX] if error is not None else None
        pauses = {"error": told, "pause_s": pause_s, "pause_max_s": pause_max_s}
        async with self._in(claim.tenant_id) as connection:
            await connection.execute(_RELEASE, {"tenant": claim.tenant_id, "claim": claim.id} | pauses)

    async def indexes(self, tenant_id: TenantId) -> list[IndexKey]:
        async with self._in(tenant_id) as connection:
            rows = (await connection.execute(_INDEXES, {"tenant": tenant_id})).all()
        return [IndexKey(one.model, one.dimensions) for one in rows]

    async def rows(self, tenant_id: TenantId, index: IndexKey, page: int) -> AsyncIterator[VectorRow]:
        """What the index is to have."""
        after: UUID | None = None
        asked = {"tenant": tenant_id, "model": index.model, "dimensions": index.dimensions, "limit": page}
        while True:
            async with self._in(tenant_id) as connection:
                found = (await connection.execute(_ROWS, asked | {"after": after})).all()
            for one in found:
                yield _row(one)
            if not found:
                return
            after = found[-1].chunk_id

    async def waiting(self, tenant_id: TenantId) -> set[tuple[IndexKey, ChunkId]]:
        async with self._in(tenant_id) as connection:
            rows = (await connection.execute(_WAITING, {"tenant": tenant_id})).all()
        return {(IndexKey(one.model, one.dimensions), ChunkId(one.chunk_id)) for one in rows}

    async def _hold(self, connection: AsyncConnection, claim: Claim) -> None:
        if (await connection.execute(_HOLD, self._values(claim))).first() is None:
            raise ClaimLost

    def _values(self, claim: Claim) -> dict[str, Any]:
        return {"tenant": claim.tenant_id, "claim": claim.id, "claim_s": self._claim_s}

    @asynccontextmanager
    async def _in(self, tenant_id: TenantId) -> AsyncIterator[AsyncConnection]:
        async with self._engine.begin() as connection:
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield connection


def _row(one: Any) -> VectorRow:
    return VectorRow(
        ChunkId(one.chunk_id), KnowledgeBaseId(one.of_base), SourceDocumentId(one.document_id), one.enabled, one.text,
        from_text(one.vector),
    )  # fmt: skip


def _keys(tenant_id: TenantId, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "tenant": tenant_id, "chunk_id": one.chunk_id, "model": one.index.model,
            "dimensions": one.index.dimensions, "base_id": one.base_id,
        }
        for one in sorted(entries, key=lambda one: (one.chunk_id, one.index.model, one.index.dimensions))
    ]  # fmt: skip


# -- as the relay's role ---------------------------------------------------------------------------------------------


_UNFED = text("""
    select distinct tenant_id from app.knowledge_bases as b
    where not exists (select from app.search_feeds as f where f.tenant_id = b.tenant_id) limit :limit
""")
_DUE = text("""
    select tenant_id from app.search_feeds as f
    where next_try_at <= clock_timestamp() and coalesce(claimed_until, '-infinity') <= clock_timestamp()
        and exists (select from app.search_entries as e where e.tenant_id = f.tenant_id)
    order by next_try_at limit :limit
""")
_LAG = text("""
    select count(*) as entries, coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as age_s
    from app.search_entries
""")
_FED = text("select distinct tenant_id from app.knowledge_bases order by tenant_id")


@dataclass(frozen=True, slots=True)
class Lag:
    """How many changes wait, and how long the oldest has waited, in seconds."""

    entries: int
    age_s: float


class FeedView:
    """Over all tenants; as the relay's role, which can do nothing else."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def unfed(self, limit: int) -> list[TenantId]:
        """Tenants that have a base and no feed."""
        return await self._tenants(_UNFED, {"limit": limit})

    async def due(self, limit: int) -> list[TenantId]:
        return await self._tenants(_DUE, {"limit": limit})

    async def tenants(self) -> list[TenantId]:
        """All that have a base."""
        return await self._tenants(_FED, {})

    async def lag(self) -> Lag:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_LAG)).one()
        return Lag(row.entries, row.age_s)

    async def _tenants(self, question: TextClause, values: dict[str, Any]) -> list[TenantId]:
        async with self._engine.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(question, values)]
