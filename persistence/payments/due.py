"""In which tenants payments are to be looked after: found by the relay's role, which sees no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import TextClause, delete, func, literal, text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ids import TenantId
from domain.payments.entities import ASK_AFTER
from persistence.payments.tables import payment_events

EVENTS_KEPT = timedelta(days=30)
"""A payment service repeats an event for some days."""
_PENDING = text(
    """
    select tenant_id from app.payments where state = 'PENDING' and created_at < now() - cast(:age as interval)
    union select tenant_id from app.payment_refunds
    where state = 'PENDING' and created_at < now() - cast(:age as interval)
    """
)
_AUTOMATIC = text("select tenant_id from app.automatic_top_ups where enabled")


class DuePayments:
    def __init__(self, relay: AsyncEngine, app: AsyncEngine) -> None:
        self._relay = relay
        self._app = app

    async def pending(self) -> Sequence[TenantId]:
        """Where payments or refunds have been pending for longer than ASK_AFTER."""
        return await self._found(_PENDING.bindparams(age=ASK_AFTER))

    async def automatic(self) -> Sequence[TenantId]:
        """Where automatic top-ups are on."""
        return await self._found(_AUTOMATIC)

    async def _found(self, statement: TextClause) -> Sequence[TenantId]:
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(statement)]

    async def forget_events(self) -> int:
        """Delete what was noted of old events; how many."""
        old = payment_events.c.received_at < func.now() - literal(EVENTS_KEPT)
        async with self._app.begin() as connection:
            return (await connection.execute(delete(payment_events).where(old))).rowcount
