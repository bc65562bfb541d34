"""The invoice of a month: every record is billed once, in the month it occurred in, however late it was booked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import cast

import pytest
from sqlalchemy import text

from app.relay import invoice_duties
from app.settings import Settings
from domain.billing import Usage, UsageRecord
from domain.billing.store import BillingStore
from domain.generation.provider import UsageSource
from domain.ids import JobId, TenantId, new_id
from domain.invoices import Invoice, InvoiceState
from domain.invoices.monthly import bill_month, last_month, month_after
from domain.jobs import Job, JobKind
from persistence.database import Database, create_engine
from persistence.invoices import reads
from persistence.operations.due import LATE_USAGE_MAX, DueTenants
from persistence.unit_of_work import Units
from tests.persistence.test_invoices import TERMS, fee, new_tenant

OCTOBER, NOVEMBER = date(2025, 10, 1), date(2025, 11, 1)


@pytest.fixture
async def tenant(units: Units) -> TenantId:
    return await new_tenant(units)


@pytest.fixture
async def due(settings: Settings) -> AsyncIterator[DueTenants]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=0)
    yield DueTenants(engine)
    await engine.dispose()


async def use(units: Units, tenant: TenantId, at: datetime, cost_micros: int, *, billed: bool = True) -> None:
    """A call of ten input tokens, three of them cached, and five output tokens."""
    async with units(tenant) as uow:
        job = Job(tenant, JobId(new_id()), JobKind.CHAPTER_GENERATE, "generation")
        await uow.jobs.enqueue(job, concurrency_max=1)
        usage = Usage(input_tokens=10, cached_input_tokens=3, output_tokens=5, source=UsageSource.PROVIDER_FINAL)
        record = UsageRecord(job.id, 1, "LLM", "quill", "demo", usage, cost_micros, billed, occurred_at=at)
        billing: BillingStore = uow.billing
        await billing.record_usage(record)


async def bill(units: Units, tenant: TenantId, month: date) -> Invoice | None:
    async with units(tenant) as uow:
        return await bill_month(uow, month, TERMS)


async def lines(database: Database, invoice: Invoice) -> list[tuple[str, str, int, int]]:
    rows = await database.shaped(invoice.tenant_id, reads.LINES, ids=[invoice.id])
    return [(row.kind, str(row.starts_on), int(row.quantity), row.amount_micros) for row in rows]


async def test_a_month_ends_at_midnight_in_utc(units: Units, tenant: TenantId, database: Database) -> None:
    midnight = datetime(2025, 11, 1, tzinfo=UTC)
    await use(units, tenant, midnight - timedelta(milliseconds=1), 700)
    await use(units, tenant, midnight, 1_100)
    october, november = await bill(units, tenant, OCTOBER), await bill(units, tenant, NOVEMBER)
    assert october is not None and november is not None
    assert await lines(database, october) == [
        ("USAGE", "2025-10-01", 1, 700), ("CREDIT_USED", "2025-10-01", 1, -700)
    ]  # fmt: skip
    assert [line[3] for line in await lines(database, november)] == [1_100, -1_100]
    assert (october.state, october.total_micros) == (InvoiceState.PAID, 0)
    assert (october.starts_on, october.ends_on) == (OCTOBER, date(2025, 10, 31))


async def test_late_usage_is_billed_once_with_the_next_invoice_though_its_record_is_forgotten(
    units: Units, tenant: TenantId, database: Database
) -> None:
    await use(units, tenant, datetime(2025, 10, 7, tzinfo=UTC), 100)
    assert await bill(units, tenant, OCTOBER) is not None
    await use(units, tenant, datetime(2025, 10, 31, 23, 59, tzinfo=UTC), 30)
    async with units(tenant) as uow:
        assert await uow.billing.forget_usage(uow.now - timedelta(days=31), 10) == 2
    assert await bill(units, tenant, OCTOBER) is None
    november = await bill(units, tenant, NOVEMBER)
    assert november is not None
    assert await lines(database, november) == [("USAGE", "2025-10-01", 1, 30), ("CREDIT_USED", "2025-11-01", 1, -30)]
    assert (november.starts_on, november.ends_on) == (NOVEMBER, date(2025, 11, 30))
    assert await bill(units, tenant, month_after(NOVEMBER)) is None


async def test_what_nobody_is_billed_for_is_not_on_an_invoice(units: Units, tenant: TenantId) -> None:
    await use(units, tenant, datetime(2025, 10, 7, tzinfo=UTC), 100, billed=False)
    assert await bill(units, tenant, OCTOBER) is None


async def test_a_month_bills_what_was_waiting_before_it_ended(
    units: Units, tenant: TenantId, admin: Database, database: Database
) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(9_000_000, "december"))
    assert await bill(units, tenant, NOVEMBER) is None
    this_month = datetime.now(UTC).date().replace(day=1)
    invoice = await bill(units, tenant, this_month)
    assert invoice is not None and invoice.total_micros == 9_000_000


async def test_a_tenant_is_looked_at_for_what_it_used_lately_until_the_month_is_billed(
    units: Units, tenant: TenantId, due: DueTenants
) -> None:
    async def used_first(day: date) -> TenantId:
        made = await new_tenant(units)
        await use(units, made, datetime.combine(day, datetime.min.time(), UTC), 100)
        return made

    since, next_month = NOVEMBER - LATE_USAGE_MAX, month_after(NOVEMBER)
    days = [since - timedelta(days=1), since, next_month - timedelta(days=1), next_month]
    of_day = [await used_first(day) for day in days]
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(9_000_000, "not of November"))
    found = set(await due.without_invoice(NOVEMBER))
    assert [one in found for one in (*of_day, tenant)] == [False, True, True, False, False]
    assert await bill(units, of_day[2], NOVEMBER) is not None
    found = set(await due.without_invoice(NOVEMBER))
    assert [one in found for one in of_day] == [False, True, False, False]


async def test_the_duty_bills_the_last_month_once_though_it_runs_twice_at_once(
    units: Units, tenant: TenantId, due: DueTenants, admin: Database
) -> None:
    at = datetime.combine(last_month(datetime.now(UTC)), datetime.min.time(), UTC)
    other = await new_tenant(units)
    for one in (tenant, other):
        await use(units, one, at, 100)
    run = invoice_duties(due, units, TERMS)["invoices.issue"].run
    counts = cast("tuple[int, ...]", await asyncio.gather(run(), run(), run()))
    assert sum(counts) == 2
    assert await run() == 0
    [row] = await admin.platform_rows(
        text("select count(*) as n from app.invoices where tenant_id in (:a, :b)").bindparams(a=tenant, b=other)
    )
    assert row.n == 2
