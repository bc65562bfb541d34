"""What the relay sees of the operations room: which mails and webhook deliveries are due, in which tenant."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ids import TenantId


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something to send, and whose it is."""

    tenant_id: TenantId
    id: UUID


def _due(table: str) -> TextClause:
    """The rows that are due, every tenant's first before any tenant's second."""
    return text(
        f"""
        select tenant_id, id from (
            select tenant_id, id, next_try_at,
                   row_number() over (partition by tenant_id order by next_try_at, id) as turn
            from app.{table} where state = 'QUEUED' and next_try_at <= clock_timestamp()
        ) as due
        where turn <= :each order by turn, next_try_at limit :batch
        """
    )


_DUE_MAILS, _DUE_DELIVERIES = _due("mails"), _due("webhook_deliveries")


class OperationsView:
    """Reads as the relay's role, which can do nothing else."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def due_mails(self, *, each: int, batch: int) -> list[Waiting]:
        """At most `each` of a tenant."""
        return await self._found(_DUE_MAILS, each, batch)

    async def due_deliveries(self, *, each: int, batch: int) -> list[Waiting]:
        """At most `each` of a tenant."""
        return await self._found(_DUE_DELIVERIES, each, batch)

    async def _found(self, statement: TextClause, each: int, batch: int) -> list[Waiting]:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement, {"each": each, "batch": batch})).all()
        return [Waiting(TenantId(row.tenant_id), row.id) for row in rows]
