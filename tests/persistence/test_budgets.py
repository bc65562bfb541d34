"""Budgets in PostgreSQL: as much is reserved as there is, whoever asks at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.billing import (
    BillingStore,
    BudgetExceeded,
    QuotaExhausted,
    Spender,
    close_hold,
    extend_hold,
    take_hold,
    top_up_entry,
)
from domain.billing.budgets import Budget, BudgetPeriod, BudgetSubject, starts_on
from domain.billing.holds import settle_hold
from domain.ids import ApiTokenId, BudgetId, JobId, TenantId, UserId, new_id
from domain.jobs import Job, JobKind
from persistence.accounts.tables import tenants
from persistence.database import Database
from persistence.unit_of_work import SqlUnitOfWork, Units
from tests.domain.memory import MemoryBilling

ANNA, BERT = UserId(new_id()), UserId(new_id())
TOKEN = ApiTokenId(new_id())
OF_ANNA = Spender(ANNA, None, "writer")


@pytest.fixture
async def tenant(units: Units) -> TenantId:
    """A tenant with a wallet of 10,000 micro-units."""
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        await uow.accounts._session.execute(tenants.insert().values(tenant_id=tenant_id, slug=str(tenant_id), name="t"))
        await uow.billing.open_wallet()
        await uow.billing.post(top_up_entry("first", 10_000))
    return tenant_id


async def limit(
    units: Units, tenant: TenantId, micros: int, subject: BudgetSubject = BudgetSubject.TENANT, key: object = "",
    period: BudgetPeriod = BudgetPeriod.MONTH,
) -> BudgetId:  # fmt: skip
    budget = Budget(tenant, BudgetId(new_id()), subject, str(key), period, micros)
    async with units(tenant) as uow:
        await uow.billing.budgets.add(budget)
    return budget.id


async def _job(uow: SqlUnitOfWork) -> JobId:
    job = Job(uow.tenant_id, JobId(new_id()), JobKind.CHAPTER_GENERATE, "generation")
    await uow.jobs.enqueue(job, concurrency_max=1)
    return job.id


async def begin(units: Units, tenant: TenantId, micros: int, spender: Spender = OF_ANNA) -> JobId:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        await take_hold(uow.billing, job_id, micros, spender)
    return job_id


async def end(units: Units, tenant: TenantId, job_id: JobId, cost_micros: int) -> int:
    async with units(tenant) as uow:
        return await close_hold(uow.billing, job_id, 1, cost_micros)


async def amounts(database: Database, tenant: TenantId) -> dict[BudgetId, tuple[int, int]]:
    """What is reserved and spent of each budget, all periods together."""
    rows = await database.rows(
        tenant,
        text(
            "select budget_id, sum(reserved_micros)::bigint as reserved, sum(spent_micros)::bigint as spent "
            "from app.budget_periods group by budget_id"
        ),
    )
    return {row.budget_id: (row.reserved, row.spent) for row in rows}


async def test_a_budget_is_taken_to_the_micro_and_not_one_more(
    units: Units, database: Database, tenant: TenantId
) -> None:
    budget = await limit(units, tenant, 1_000)
    with pytest.raises(BudgetExceeded) as refused:
        await begin(units, tenant, 1_001)
    assert (refused.value.budget_id, refused.value.left.micros, refused.value.needed.micros) == (budget, 1_000, 1_001)
    first = await begin(units, tenant, 600)
    with pytest.raises(BudgetExceeded) as refused:
        await begin(units, tenant, 401)
    assert refused.value.left.micros == 400
    await begin(units, tenant, 400)
    assert await amounts(database, tenant) == {budget: (1_000, 0)}
    assert await end(units, tenant, first, 250) == 250
    assert await amounts(database, tenant) == {budget: (400, 250)}
    assert await database.rows(tenant, text("select 1 from app.holds where closed_at is null")) != []


async def test_ending_a_job_twice_counts_it_once(units: Units, database: Database, tenant: TenantId) -> None:
    budget = await limit(units, tenant, 1_000)
    job_id = await begin(units, tenant, 600)
    assert [await end(units, tenant, job_id, 250), await end(units, tenant, job_id, 250)] == [250, 0]
    assert await amounts(database, tenant) == {budget: (0, 250)}


async def test_of_a_hundred_starts_at_once_ten_start_where_there_is_credit_for_ten(
    units: Units, database: Database, tenant: TenantId
) -> None:
    await limit(units, tenant, 100_000)
    assert await outcomes(units, tenant, 1_000, 100) == {None: 10, QuotaExhausted: 90}
    [(reserved, _)] = (await amounts(database, tenant)).values()
    assert reserved == 10_000


async def test_of_two_budgets_the_tighter_one_decides_and_is_named(
    units: Units, database: Database, tenant: TenantId
) -> None:
    whole = await limit(units, tenant, 2_000)
    of_anna = await limit(units, tenant, 700, BudgetSubject.MEMBER, ANNA)
    await limit(units, tenant, 100, BudgetSubject.MEMBER, BERT)
    assert await outcomes(units, tenant, 100, 40) == {None: 7, of_anna: 33}
    assert await amounts(database, tenant) == {whole: (700, 0), of_anna: (700, 0)}


async def outcomes(units: Units, tenant: TenantId, micros: int, count: int) -> Counter[Any]:
    """Of so many starts at once: None for one that starts, the budget that refused it, or the error."""

    async def one() -> Any:
        try:
            await begin(units, tenant, micros)
        except BudgetExceeded as refused:
            return refused.budget_id
        except QuotaExhausted:
            return QuotaExhausted
        return None

    return Counter(await asyncio.gather(*(one() for _ in range(count))))


@pytest.mark.parametrize(
    ("subject", "key", "spender"),
    [
        (BudgetSubject.TENANT, "", Spender()),
        (BudgetSubject.MEMBER, ANNA, Spender(user_id=ANNA)),
        (BudgetSubject.TOKEN, TOKEN, Spender(BERT, TOKEN, "writer")),
        (BudgetSubject.MODEL, "writer", Spender(BERT, None, "writer")),
    ],
)
async def test_a_budget_is_for_its_subject_alone(
    units: Units, tenant: TenantId, subject: BudgetSubject, key: object, spender: Spender
) -> None:
    budget = await limit(units, tenant, 10, subject, key)
    with pytest.raises(BudgetExceeded) as refused:
        await begin(units, tenant, 11, spender)
    assert refused.value.budget_id == budget
    if subject is not BudgetSubject.TENANT:
        await begin(units, tenant, 11, Spender(UserId(new_id()), ApiTokenId(new_id()), "another"))


async def test_an_extension_takes_from_the_same_budgets_and_is_refused_whole(
    units: Units, database: Database, tenant: TenantId
) -> None:
    budget = await limit(units, tenant, 1_000)
    job_id = await begin(units, tenant, 600)
    for micros, held in ((300, 900), (100, 1_000)):
        async with units(tenant) as uow:
            assert await extend_hold(uow.billing, job_id, micros) == held
    with pytest.raises(BudgetExceeded) as refused:
        async with units(tenant) as uow:
            await extend_hold(uow.billing, job_id, 1)
    assert (refused.value.budget_id, refused.value.left.micros) == (budget, 0)
    assert await amounts(database, tenant) == {budget: (1_000, 0)}
    assert await end(units, tenant, job_id, 5_000) == 1_000
    assert await amounts(database, tenant) == {budget: (0, 1_000)}


async def test_a_free_start_takes_nothing_and_what_it_comes_to_cost_later_counts(
    units: Units, database: Database, tenant: TenantId
) -> None:
    budget = await limit(units, tenant, 1_000, BudgetSubject.MEMBER, ANNA)
    await begin(units, tenant, 1_000)
    free = await begin(units, tenant, 0)
    with pytest.raises(BudgetExceeded):
        async with units(tenant) as uow:
            await extend_hold(uow.billing, free, 1)
    assert await end(units, tenant, free, 0) == 0
    assert await amounts(database, tenant) == {budget: (1_000, 0)}
    assert len(await database.rows(tenant, text("select 1 from app.budget_reservations"))) == 1


async def test_a_deleted_budget_lets_running_jobs_go_on_and_end(
    units: Units, database: Database, tenant: TenantId
) -> None:
    budget = await limit(units, tenant, 1_000)
    job_id = await begin(units, tenant, 1_000)
    await database.change(tenant, text("update app.budgets set deleted_at = now()"))
    async with units(tenant) as uow:
        assert await extend_hold(uow.billing, job_id, 5) == 1_005
    async with units(tenant) as uow:
        settled = await settle_hold(uow.billing, job_id, 1, 400)
    assert (settled.charged_micros, [*settled.budgets]) == (400, [])
    assert await amounts(database, tenant) == {budget: (0, 400)}


async def test_under_a_limit_below_what_is_reserved_nothing_more_starts(
    units: Units, database: Database, tenant: TenantId
) -> None:
    budget = await limit(units, tenant, 1_000)
    job_id = await begin(units, tenant, 800)
    await database.change(tenant, text("update app.budgets set limit_micros = 500"))
    with pytest.raises(BudgetExceeded) as refused:
        await begin(units, tenant, 1)
    assert refused.value.left.micros == 0
    async with units(tenant) as uow:
        [settled] = (await settle_hold(uow.billing, job_id, 1, 300)).budgets
    assert (settled.budget.id, settled.before_micros, settled.spent_micros) == (budget, 0, 300)
    await begin(units, tenant, 200)


async def test_a_job_is_settled_in_the_period_in_which_it_started(
    units: Units, database: Database, tenant: TenantId
) -> None:
    budget = await limit(units, tenant, 1_000, period=BudgetPeriod.DAY)
    job_id = await begin(units, tenant, 900)
    for table in ("budget_reservations", "budget_periods"):
        await database.change(tenant, text(f"update app.{table} set starts_on = starts_on - 1"))
    await begin(units, tenant, 900)
    await end(units, tenant, job_id, 100)
    async with units(tenant) as uow:
        today = starts_on(BudgetPeriod.DAY, uow.now)
    rows = await database.rows(tenant, text("select * from app.budget_periods order by starts_on"))
    assert [(row.starts_on, row.reserved_micros, row.spent_micros) for row in rows] == [
        (date.fromordinal(today.toordinal() - 1), 0, 100), (today, 900, 0)]  # fmt: skip
    assert {row.budget_id for row in rows} == {budget}


async def test_one_subject_has_one_budget_for_a_period(units: Units, tenant: TenantId) -> None:
    await limit(units, tenant, 10)
    await limit(units, tenant, 10, period=BudgetPeriod.DAY)
    with pytest.raises(DBAPIError, match="budgets_one_live_idx"):
        await limit(units, tenant, 20)


async def test_a_start_takes_one_statement_more_than_without_budgets(
    units: Units, database: Database, tenant: TenantId
) -> None:
    """Also with budgets, and however many there are."""
    await begin(units, tenant, 10)
    asked = []
    for budgets in range(3):
        before = database.statements
        await begin(units, tenant, 10)
        asked.append(database.statements - before)
        await limit(units, tenant, 1_000 * (budgets + 1), period=[*BudgetPeriod][budgets])
    assert len(set(asked)) == 1
    async with units(tenant) as uow:
        job_id, before = await _job(uow), database.statements
        await uow.billing.budgets.reserve(job_id, OF_ANNA, 10)
        assert database.statements - before == 1


@pytest.mark.parametrize("seed", range(3))
async def test_postgresql_and_the_memory_of_the_domains_tests_agree(
    units: Units, database: Database, tenant: TenantId, seed: int
) -> None:
    """Whatever happens in whatever order: what is refused, by which budget, with what left, and what is taken."""
    chance, memory = random.Random(seed), MemoryBilling()
    await memory.open_wallet()
    await memory.post(top_up_entry("first", 10_000))
    for subject, key in ((BudgetSubject.TENANT, ""), (BudgetSubject.MEMBER, ANNA), (BudgetSubject.MODEL, "writer")):
        micros = chance.randint(500, 1_500)
        budget_id = await limit(units, tenant, micros, subject, key)
        await memory.budgets.add(Budget(tenant, budget_id, subject, str(key), BudgetPeriod.MONTH, micros))
    async with units(tenant) as uow:
        memory.now = uow.now
    running: list[JobId] = []
    refused = 0
    for _ in range(60):
        step, micros = chance.choice(["start", "extend", "end"]), chance.randint(0, 400)
        spender = chance.choice([OF_ANNA, Spender(BERT, None, "writer"), Spender(ANNA, None, "another")])
        job_id = chance.choice(running) if running and step != "start" else None
        async with in_rollback(units, tenant) as uow:
            if job_id is None:
                job_id = await _job(uow)
            does = step if job_id in running else "start"
            said = [await outcome_of(billing, does, job_id, micros, spender) for billing in (uow.billing, memory)]
            if isinstance(said[0], tuple):
                refused += 1
                raise Undone
        assert said[0] == said[1]
        if step == "end" and job_id in running:
            running.remove(job_id)
        elif job_id not in running and not isinstance(said[0], tuple):
            running.append(job_id)
        kept = {key[0]: (one.reserved, one.spent) for key, one in memory.budgets.periods.items()}
        assert {key: one for key, one in kept.items() if one != (0, 0)} == {
            key: one for key, one in (await amounts(database, tenant)).items() if one != (0, 0)}  # fmt: skip
    assert refused > 5


class Undone(Exception):
    """What was refused is rolled back."""


@contextlib.asynccontextmanager
async def in_rollback(units: Units, tenant: TenantId) -> AsyncIterator[SqlUnitOfWork]:
    with contextlib.suppress(Undone):
        async with units(tenant) as uow:
            yield uow


async def outcome_of(billing: BillingStore, step: str, job_id: JobId, micros: int, spender: Spender) -> Any:
    """What was charged or held; of a budget's refusal, the budget and what is left."""
    try:
        if step == "start":
            return await take_hold(billing, job_id, micros, spender)
        if step == "extend":
            return await extend_hold(billing, job_id, max(micros, 1))
        return await close_hold(billing, job_id, 1, micros)
    except BudgetExceeded as refused:
        return refused.budget_id, refused.left.micros
