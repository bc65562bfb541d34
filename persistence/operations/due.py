"""In which tenants something is to be done by the clock: found by the relay's role, which sees no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ids import TenantId

_EXPIRED = text("select distinct tenant_id from app.grants where left_micros > 0 and expires_at <= now()")
_OLD_USAGE = text("select distinct tenant_id from app.usage_records where occurred_at < now() - cast(:age as interval)")


class DueTenants:
    def __init__(self, relay: AsyncEngine) -> None:
        self._relay = relay

    async def with_expired_grants(self) -> Sequence[TenantId]:
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_EXPIRED)]

    async def with_old_usage(self, days: int) -> Sequence[TenantId]:
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_OLD_USAGE, {"age": timedelta(days=days)})]
