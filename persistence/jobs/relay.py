"""What the relay sees: which doorbells are due, and which leases have expired. Named columns of two tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ids import JobId, TenantId
from domain.jobs import REDELIVERY_S


@dataclass(frozen=True, slots=True)
class Due:
    tenant_id: TenantId
    job_id: JobId
    queue: str


# Round robin: every tenant's first waiting job comes before any tenant's second, and no tenant has more of a queue in
# hand than the cap; of generations than its plan allows where that is less: documents keep no chapter waiting; and of
# ingestions than leaves a worker's room to others. SKIP LOCKED lets several relays share the work; `id > last` would lose
# what commits late.
_TAKE_DUE = text(
    """
    with in_hand as (
        select tenant_id, queue, count(*) as jobs from (
            select tenant_id, queue from app.jobs where lease_token is not null
            union all
            select tenant_id, queue from app.outbox
            where rung_at > clock_timestamp() - make_interval(secs => :redelivery_s)
        ) as held group by tenant_id, queue
    ), waiting as (
        select o.tenant_id, o.job_id, o.queue,
            row_number() over (partition by o.tenant_id, o.queue order by o.job_id) as turn
        from app.outbox o
        where o.due_at <= clock_timestamp()
          and not exists (select 1 from app.queue_controls q where q.queue = o.queue and q.paused)
    ), chosen as (
        select w.tenant_id, w.job_id, w.turn
        from waiting w left join in_hand h using (tenant_id, queue) left join app.subscriptions s
            on s.tenant_id = w.tenant_id and s.ended_at is null and s.state <> 'INCOMPLETE'
        where w.turn + coalesce(h.jobs, 0)
            <= least(:cap, case w.queue when 'generation' then s.generations_max
                when 'ingestion' then cast(:ingestions as bigint) end)
        order by w.turn, w.tenant_id
        limit :batch
    ), locked as (
        select o.tenant_id, o.job_id from app.outbox o join chosen using (tenant_id, job_id)
        where o.due_at <= clock_timestamp()
        for update of o skip locked
    )
    update app.outbox o
    set rung_at = clock_timestamp(), due_at = clock_timestamp() + make_interval(secs => :redelivery_s)
    from locked where o.tenant_id = locked.tenant_id and o.job_id = locked.job_id
    returning o.tenant_id, o.job_id, o.queue
    """
)

_EXPIRED = text(
    """
    select tenant_id, id as job_id, queue from app.jobs
    where lease_token is not null and lease_expires_at < clock_timestamp()
    order by lease_expires_at limit :batch
    """
)

_SILENT = text(
    """
    select j.tenant_id, j.id as job_id, j.queue from app.jobs j
    where j.state = 'QUEUED' and not exists (
        select 1 from app.outbox o where o.tenant_id = j.tenant_id and o.job_id = j.id)
    limit :batch
    """
)


class RelayView:
    """Reads and rings as the relay's role, which can do nothing else."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take_due(self, *, cap: int, batch: int, ingestions: int | None = None) -> list[Due]:
        """Mark what is due as rung, and return it to be rung. A tenant has at most `ingestions` of these in hand."""
        limits = {"cap": cap, "ingestions": ingestions, "batch": batch}
        return await self._found(_TAKE_DUE, {**limits, "redelivery_s": REDELIVERY_S})

    async def expired(self, *, batch: int) -> list[Due]:
        return await self._found(_EXPIRED, {"batch": batch})

    async def silent(self, *, batch: int) -> list[Due]:
        """Queued jobs that nobody will ever ring for: only a restored backup can contain them."""
        return await self._found(_SILENT, {"batch": batch})

    async def _found(self, statement: Any, parameters: dict[str, Any]) -> list[Due]:
        async with self._engine.begin() as connection:
            rows: Sequence[Any] = (await connection.execute(statement, parameters)).all()
        return [Due(TenantId(row.tenant_id), JobId(row.job_id), row.queue) for row in rows]
