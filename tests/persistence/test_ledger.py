"""What the database itself refuses, whatever the code above it does."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.billing import AccountKind, Entry, EntryKind, Posting, QuotaExhausted, hold_entry, top_up_entry
from domain.ids import JobId, TenantId, new_id
from domain.jobs import Job, JobKind
from persistence.accounts.tables import tenants
from persistence.database import Database
from persistence.unit_of_work import SqlUnitOfWork, Units


@pytest.fixture
async def tenant(units: Units) -> TenantId:
    """A tenant with a wallet of 1,000 micro-units."""
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        await uow.accounts._session.execute(tenants.insert().values(tenant_id=tenant_id, slug=str(tenant_id), name="t"))
        await uow.billing.open_wallet()
        await uow.billing.post(top_up_entry("first", 1_000))
    return tenant_id


async def _job(uow: SqlUnitOfWork) -> JobId:
    job = Job(uow.tenant_id, JobId(new_id()), JobKind.CHAPTER_GENERATE, "generation")
    await uow.jobs.enqueue(job, concurrency_max=1)
    return job.id


async def _balances(database: Database, tenant_id: TenantId) -> dict[str, int]:
    rows = await database.rows(tenant_id, text("select kind, balance from app.ledger_accounts where balance <> 0"))
    return {row.kind: row.balance for row in rows}


async def test_an_entry_that_does_not_balance_is_refused_at_the_commit(
    units: Units, tenant: TenantId, database: Database
) -> None:
    crooked = Entry(EntryKind.TOP_UP, "crooked", (Posting(AccountKind.FUNDING, -5), Posting(AccountKind.AVAILABLE, 6)))
    with pytest.raises(DBAPIError, match="does not balance"):
        async with units(tenant) as uow:
            await uow.billing.post(crooked)
    assert await _balances(database, tenant) == {"AVAILABLE": 1_000, "FUNDING": -1_000}


async def test_a_hold_takes_exactly_what_there_is_and_not_one_more(
    units: Units, tenant: TenantId, database: Database
) -> None:
    with pytest.raises(QuotaExhausted) as refused:
        async with units(tenant) as uow:
            await uow.billing.post(hold_entry(await _job(uow), 1_001))
    assert (refused.value.needed.micros, refused.value.available.micros) == (1_001, 1_000)
    async with units(tenant) as uow:
        await uow.billing.post(hold_entry(await _job(uow), 1_000))
    assert await _balances(database, tenant) == {"HELD": 1_000, "FUNDING": -1_000}


async def test_one_reference_is_posted_once(units: Units, tenant: TenantId) -> None:
    with pytest.raises(DBAPIError, match="ledger_entries_tenant_id_kind_reference_key"):
        async with units(tenant) as uow:
            await uow.billing.post(top_up_entry("first", 1_000))


@pytest.mark.parametrize("table", ["ledger_entries", "ledger_postings"])
async def test_what_was_posted_stays(admin: Database, tenant: TenantId, table: str) -> None:
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text(f"delete from app.{table} where tenant_id = :t"), {"t": tenant})


async def test_a_hold_closes_once(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        await uow.billing.open_hold(job_id, 10)
    async with units(tenant) as uow:
        assert await uow.billing.close_hold(job_id) == 10
    async with units(tenant) as uow:
        assert await uow.billing.close_hold(job_id) is None


@pytest.mark.parametrize(
    ("first", "then", "why"),
    [
        ("state = 'CANCELLED', finished_at = now()", "progress = 5", "has ended"),
        ("progress = 1", "state = 'SUCCEEDED', finished_at = now()", "cannot go from QUEUED to SUCCEEDED"),
        ("attempt = 2", "attempt = 1", "cannot go back an attempt"),
    ],
)
async def test_a_job_moves_only_forward(
    admin: Database, units: Units, tenant: TenantId, first: str, then: str, why: str
) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
    async with admin.engine.connect() as connection:
        await connection.execute(text(f"update app.jobs set {first} where id = :id"), {"id": job_id})
        with pytest.raises(DBAPIError, match=why):
            await connection.execute(text(f"update app.jobs set {then} where id = :id"), {"id": job_id})
