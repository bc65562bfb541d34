"""Whether the wallet is low, in PostgreSQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, Uuid, bindparam, delete, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.billing.store import LowWallet
from domain.ids import TenantId
from persistence.billing.budget_tables import wallet_alerts

# It is news when it was not told before, and when credit that came meanwhile has been spent again.
_FALLEN = text("""
    with wallet as (
        select sum(balance)::bigint as micros from app.ledger_accounts
        where tenant_id = :tenant and kind in ('AVAILABLE', 'HELD')
    )
    update app.wallet_alerts a set told_at = case when w.micros < a.threshold_micros then now() end
    from wallet w
    where a.tenant_id = :tenant and case
        when w.micros < a.threshold_micros then a.told_at is null or w.micros + :fallen >= a.threshold_micros
        else a.told_at is not null
    end
    returning w.micros, a.threshold_micros
""").bindparams(bindparam("tenant", type_=Uuid), bindparam("fallen", type_=BigInteger))


class SqlAlerts:
    """Implements `domain.billing.store.AlertStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def set_threshold(self, micros: int | None) -> None:
        if micros is None:
            await self._session.execute(delete(wallet_alerts).where(wallet_alerts.c.tenant_id == self._tenant_id))
            return
        values = {"threshold_micros": micros, "told_at": None}
        await self._session.execute(
            insert(wallet_alerts)
            .values(tenant_id=self._tenant_id, **values)
            .on_conflict_do_update(index_elements=["tenant_id"], set_=values)
        )

    async def fallen(self, by_micros: int) -> LowWallet | None:
        given = {"tenant": self._tenant_id, "fallen": by_micros}
        row = (await self._session.execute(_FALLEN, given)).first()
        if row is None or row.micros >= row.threshold_micros:
            return None
        return LowWallet(row.micros, row.threshold_micros)
