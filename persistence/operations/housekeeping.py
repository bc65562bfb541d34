"""What is forgotten after a time: the relay's role finds in which tenants, the application deletes inside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.feeds import FEED_DAYS
from domain.ids import TenantId
from domain.jobs import KEY_TTL_S
from persistence.database import SET_TENANT

BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of a table are kept for so long, and longer while they are not `ended`."""

    table: str
    age: timedelta
    ended: str = "true"

    @property
    def old(self) -> str:
        return f"created_at < now() - cast(:age as interval) and {self.ended}"


KEPT = (
    Kept("idempotency_keys", timedelta(seconds=KEY_TTL_S)),
    Kept("mails", timedelta(days=30), "state <> 'QUEUED'"),
    Kept("notifications", timedelta(days=180)),
    Kept("webhook_deliveries", timedelta(days=30), "state <> 'QUEUED'"),
    Kept("feed_events", timedelta(days=FEED_DAYS)),
)


class Housekeeping:
    def __init__(self, relay: AsyncEngine, app: AsyncEngine) -> None:
        self._relay = relay
        self._app = app

    async def tenants(self, kept: Kept) -> Sequence[TenantId]:
        """Those that have something older than it is kept."""
        statement = text(f"select distinct tenant_id from app.{kept.table} where {kept.old}")
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(statement, {"age": kept.age})]

    async def forget(self, kept: Kept, tenant_id: TenantId) -> int:
        """Delete it, in batches, so that no lock is held for long. Returns how many rows that were."""
        some = f"select ctid from app.{kept.table} where tenant_id = :tenant and {kept.old} limit {BATCH}"
        statement = text(f"delete from app.{kept.table} where tenant_id = :tenant and ctid in ({some})")
        total = 0
        while True:
            async with self._app.begin() as connection:
                await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
                gone = await connection.execute(statement, {"tenant": tenant_id, "age": kept.age})
            total += gone.rowcount
            if gone.rowcount < BATCH:
                return total
