"""The billing room of a unit of work."""

from __future__ import annotations

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.billing import AccountKind, Entry, Price, QuotaExhausted, UsageRecord
from domain.ids import JobId, TenantId, new_id
from persistence.billing.tables import (
    holds,
    ledger_accounts,
    ledger_entries,
    ledger_postings,
    prices,
    usage_records,
)


class SqlBilling:
    """Implements `domain.billing.BillingStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def price_of(self, model: str) -> Price:
        """The newest valid row of the model, or of "*" when it has none of its own."""
        row = (
            await self._session.execute(
                select(prices)
                .where(prices.c.model.in_((model, "*")), prices.c.valid_from <= func.now())
                .order_by(prices.c.model == "*", prices.c.valid_from.desc())
                .limit(1)
            )
        ).one()
        return Price(row.model, row.input_micros, row.cached_input_micros, row.output_micros)

    async def open_wallet(self) -> None:
        rows = [{"tenant_id": self._tenant_id, "kind": kind} for kind in AccountKind]
        await self._session.execute(insert(ledger_accounts), rows)

    async def post(self, entry: Entry) -> None:
        await self._session.flush()
        entry_id = new_id()
        await self._session.execute(
            insert(ledger_entries).values(
                tenant_id=self._tenant_id, id=entry_id, kind=entry.kind, reference=entry.reference, job_id=entry.job_id
            )
        )
        # One order for every entry, so that two transactions cannot wait for each other's accounts.
        rows = [
            {"tenant_id": self._tenant_id, "entry_id": entry_id, "account": p.account, "micros": p.micros}
            for p in sorted(entry.postings, key=lambda p: p.account)
        ]
        try:
            async with self._session.begin_nested():
                await self._session.execute(insert(ledger_postings).values(rows))
        except IntegrityError as error:
            if "ledger_accounts_covered_check" not in str(error.orig):
                raise
            needed = -min(p.micros for p in entry.postings)
            raise QuotaExhausted(needed, await self._balance(AccountKind.AVAILABLE)) from None

    async def _balance(self, account: AccountKind) -> int:
        return (
            await self._session.scalar(
                select(ledger_accounts.c.balance).where(
                    ledger_accounts.c.tenant_id == self._tenant_id, ledger_accounts.c.kind == account
                )
            )
            or 0
        )

    async def open_hold(self, job_id: JobId, micros: int) -> None:
        await self._session.execute(insert(holds).values(tenant_id=self._tenant_id, job_id=job_id, micros=micros))

    async def close_hold(self, job_id: JobId) -> int | None:
        amount: int | None = await self._session.scalar(
            update(holds)
            .where(holds.c.tenant_id == self._tenant_id, holds.c.job_id == job_id, holds.c.closed_at.is_(None))
            .values(closed_at=func.now())
            .returning(holds.c.micros)
        )
        return amount

    async def record_usage(self, record: UsageRecord) -> None:
        usage = record.usage
        await self._session.execute(
            insert(usage_records).values(
                tenant_id=self._tenant_id, job_id=record.job_id, attempt=record.attempt, kind=record.kind,
                model=record.model, channel=record.channel, input_tokens=usage.input_tokens,
                cached_input_tokens=usage.cached_input_tokens, output_tokens=usage.output_tokens,
                reasoning_tokens=usage.reasoning_tokens, source=usage.source, cost_micros=record.cost_micros,
                billed=record.billed, occurred_at=record.occurred_at,
            )
        )  # fmt: skip
