"""What is forgotten after a time: the relay's role finds in which tenants, the application deletes inside each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.jobs import KEY_TTL_S
from persistence.database import SET_TENANT

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of a table are kept for so long, and longer while they are not `ended`."""

    table: str
    age: timedelta
    ended: str = "true"


KEPT = (
    Kept("idempotency_keys", timedelta(seconds=KEY_TTL_S)),
    Kept("mails", timedelta(days=30), "state <> 'QUEUED'"),
    Kept("notifications", timedelta(days=180)),
    Kept("webhook_deliveries", timedelta(days=30), "state <> 'QUEUED'"),
)


class Housekeeping:
    def __init__(self, relay: AsyncEngine, app: AsyncEngine) -> None:
        self._relay = relay
        self._app = app

    async def forget(self, kept: Kept) -> int:
        """Delete what is older than it is kept. Returns how many rows that were."""
        where = f"created_at < now() - cast(:age as interval) and {kept.ended}"
        statement = text(f"select distinct tenant_id from app.{kept.table} where {where}")
        async with self._relay.connect() as connection:
            tenants = (await connection.scalars(statement, {"age": kept.age})).all()
        return sum([await self._forget_in(one, kept, where) for one in tenants])

    async def _forget_in(self, tenant_id: UUID, kept: Kept, where: str) -> int:
        """In batches, so that no lock is held for long."""
        some = f"select ctid from app.{kept.table} where tenant_id = :tenant and {where} limit {BATCH}"
        statement = text(f"delete from app.{kept.table} where tenant_id = :tenant and ctid in ({some})")
        total = 0
        while True:
            async with self._app.begin() as connection:
                await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
                gone = await connection.execute(statement, {"tenant": tenant_id, "age": kept.age})
            total += gone.rowcount
            if gone.rowcount < BATCH:
                return total
