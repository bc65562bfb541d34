"""Budgets in PostgreSQL: each step is one statement, which reserves or refuses and never looks first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Date, Select, Text, Uuid, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.billing.budgets import Budget, BudgetExceeded, BudgetPeriod, BudgetSubject, Settled, Spender, starts_on
from domain.ids import BudgetId, JobId, TenantId
from persistence.billing.budget_tables import budgets

_OF_SPENDER = """
    select b.id, b.limit_micros, w.starts_on
    from app.budgets b
    join unnest(:subjects, :keys) as s (subject, subject_key)
        on s.subject = b.subject and s.subject_key = b.subject_key
    join unnest(:periods, :starts) as w (period, starts_on) on w.period = b.period
    where b.tenant_id = :tenant and b.deleted_at is null
"""
_OF_JOB = """
    select b.id, b.limit_micros, r.starts_on
    from app.budget_reservations r
    join app.budgets b on b.tenant_id = r.tenant_id and b.id = r.budget_id
    where r.tenant_id = :tenant and r.job_id = :job and b.deleted_at is null
"""
# Periods are taken in the order of their budgets. The wallet is locked already: what is left cannot change meanwhile.
_RESERVE = """
with matching as ({matching}),
taken as (
    insert into app.budget_periods as p (tenant_id, budget_id, starts_on, reserved_micros)
    select :tenant, id, starts_on, :micros from matching where :micros > 0 and :micros <= limit_micros order by id
    on conflict (tenant_id, budget_id, starts_on)
        do update set reserved_micros = p.reserved_micros + excluded.reserved_micros
        where p.reserved_micros + p.spent_micros + excluded.reserved_micros
            <= (select m.limit_micros from matching m where m.id = p.budget_id)
    returning p.budget_id
),
noted as (
    insert into app.budget_reservations as r (tenant_id, job_id, budget_id, starts_on, micros)
    select :tenant, :job, id, starts_on, :micros from matching
    on conflict (tenant_id, job_id, budget_id) do update set micros = r.micros + excluded.micros
)
select m.id, m.limit_micros - coalesce(p.reserved_micros + p.spent_micros, 0) as left_micros
from matching m
left join app.budget_periods p on p.tenant_id = :tenant and p.budget_id = m.id and p.starts_on = m.starts_on
where :micros > 0 and m.id not in (select budget_id from taken)
order by left_micros, m.id
limit 1
"""
_SETTLE = """
with closed as (
    delete from app.budget_reservations where tenant_id = :tenant and job_id = :job
    returning budget_id, starts_on, micros
),
settled as (
    update app.budget_periods p
    set reserved_micros = p.reserved_micros - c.micros, spent_micros = p.spent_micros + :charged
    from closed c
    where p.tenant_id = :tenant and p.budget_id = c.budget_id and p.starts_on = c.starts_on and c.micros > 0
    returning p.budget_id, p.starts_on, p.spent_micros
)
select b.*, s.starts_on as period_starts_on, s.spent_micros
from settled s join app.budgets b on b.tenant_id = :tenant and b.id = s.budget_id
where :charged > 0 and b.deleted_at is null
order by b.id
"""
_COMMON = (bindparam("tenant", type_=Uuid), bindparam("job", type_=Uuid))
_MICROS = bindparam("micros", type_=BigInteger)
_BY_SPENDER = text(_RESERVE.format(matching=_OF_SPENDER)).bindparams(
    *_COMMON, _MICROS, *(bindparam(name, type_=ARRAY(Text)) for name in ("subjects", "keys", "periods")),
    bindparam("starts", type_=ARRAY(Date)),
)  # fmt: skip
_BY_JOB = text(_RESERVE.format(matching=_OF_JOB)).bindparams(*_COMMON, _MICROS)
_BY_END = text(_SETTLE).bindparams(*_COMMON, bindparam("charged", type_=BigInteger))


class SqlBudgets:
    """Implements `domain.billing.budgets.BudgetStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId, now: datetime) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._now = now

    async def reserve(self, job_id: JobId, spender: Spender, micros: int) -> None:
        subjects, keys = zip(*spender.subjects, strict=True)
        starts = [starts_on(period, self._now) for period in BudgetPeriod]
        values = {"subjects": [*subjects], "keys": [*keys], "periods": [*BudgetPeriod], "starts": starts}
        await self._reserve(_BY_SPENDER, job_id, micros, values)

    async def reserve_more(self, job_id: JobId, micros: int) -> None:
        await self._reserve(_BY_JOB, job_id, micros, {})

    async def _reserve(self, statement: Any, job_id: JobId, micros: int, values: dict[str, Any]) -> None:
        await self._session.flush()
        given = {"tenant": self._tenant_id, "job": job_id, "micros": micros, **values}
        refused = (await self._session.execute(statement, given)).first()
        if refused is not None:
            raise BudgetExceeded(BudgetId(refused.id), micros, refused.left_micros)

    async def settle(self, job_id: JobId, charged_micros: int) -> Sequence[Settled]:
        await self._session.flush()
        given = {"tenant": self._tenant_id, "job": job_id, "charged": charged_micros}
        rows = await self._session.execute(_BY_END, given)
        return [
            Settled(_budget(row), row.period_starts_on, row.spent_micros - charged_micros, row.spent_micros)
            for row in rows
        ]

    async def add(self, budget: Budget) -> None:
        self._session.add(budget)
        await self._session.flush()

    async def budget(self, budget_id: BudgetId) -> Budget | None:
        found: Budget | None = await self._session.scalar(self._live().where(budgets.c.id == budget_id))
        return found

    async def budget_of(self, subject: BudgetSubject, key: str, period: BudgetPeriod) -> Budget | None:
        same = budgets.c.subject == subject, budgets.c.subject_key == key, budgets.c.period == period
        found: Budget | None = await self._session.scalar(self._live().where(*same))
        return found

    async def count(self) -> int:
        return await self._session.scalar(select(func.count()).select_from(self._live().subquery())) or 0

    def _live(self) -> Select[Any]:
        return select(Budget).where(budgets.c.tenant_id == self._tenant_id, budgets.c.deleted_at.is_(None))


def _budget(row: Any) -> Budget:
    return Budget(
        row.tenant_id, BudgetId(row.id), row.subject, row.subject_key, row.period, row.limit_micros, row.warn_at
    )
