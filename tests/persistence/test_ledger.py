"""What the database itself refuses, whatever the code above it does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from domain.billing import (
    AccountKind,
    QuotaExhausted,
    Usage,
    UsageRecord,
    book_usage,
    close_hold,
    extend_hold,
    take_hold,
    top_up_entry,
)
from domain.billing.grants import GrantSource, Move
from domain.billing.holds import expire_credit
from domain.billing.ledger import Entry, EntryKind, Posting, grant_entry, hold_entry, release_entry, settle_entry
from domain.errors import NotFound
from domain.ids import JobId, TenantId, new_id
from domain.jobs import Job, JobKind
from persistence.accounts.tables import tenants
from persistence.billing.tables import ledger_entries, ledger_postings
from persistence.database import Database
from persistence.generation.reads import USAGE
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


@pytest.mark.parametrize("postings", [(), ((AccountKind.AVAILABLE, 1),)], ids=["none", "one"])
async def test_an_entry_has_at_least_two_sides(
    units: Units, tenant: TenantId, postings: tuple[tuple[AccountKind, int], ...]
) -> None:
    with pytest.raises(DBAPIError, match="does not balance"):
        async with units(tenant) as uow:
            entry = ledger_entries.insert().values(tenant_id=tenant, id=(id_ := new_id()), kind="TOP_UP", reference="x")
            await uow.billing._session.execute(entry)
            for account, micros in postings:
                posting = ledger_postings.insert().values(
                    tenant_id=tenant, entry_id=id_, account=account, micros=micros
                )
                await uow.billing._session.execute(posting)


async def test_a_posting_added_to_an_old_entry_is_refused(units: Units, tenant: TenantId) -> None:
    with pytest.raises(DBAPIError, match="does not balance"):
        async with units(tenant) as uow:
            old = await uow.billing._session.scalar(select(ledger_entries.c.id))
            posting = ledger_postings.insert().values(tenant_id=tenant, entry_id=old, account="SPENT", micros=5)
            await uow.billing._session.execute(posting)


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


@pytest.mark.parametrize("table", ["ledger_entries", "ledger_postings", "grant_moves", "usage_records"])
@pytest.mark.parametrize("change", ["delete from app.{}", "update app.{} set tenant_id = tenant_id"])
async def test_what_was_booked_stays_even_for_its_owner(
    admin: Database, units: Units, tenant: TenantId, table: str, change: str
) -> None:
    async with units(tenant) as uow:
        await uow.billing.record_usage(usage_of(await _job(uow)))
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match=f"app.{table} is append-only"):
            await connection.execute(text(f"{change.format(table)} where tenant_id = :t"), {"t": tenant})


async def test_the_application_may_not_even_ask_to_change_what_was_booked(database: Database, tenant: TenantId) -> None:
    for change in ("delete from app.ledger_entries", "update app.ledger_postings set micros = 1"):
        with pytest.raises(DBAPIError, match="permission denied"):
            await database.change(tenant, text(change))


@pytest.mark.parametrize(
    "change",
    [
        "update app.ledger_accounts set balance = balance + 5 where kind = 'AVAILABLE'",
        "update app.ledger_accounts set currency = 'EUR'",
        "insert into app.ledger_accounts (tenant_id, kind, balance) values (app.tid(), 'AVAILABLE', 5)",
        "delete from app.ledger_accounts",
        "select 1 from app.ledger_accounts for no key update",
    ],
)
async def test_a_balance_is_written_by_postings_alone(database: Database, tenant: TenantId, change: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        await database.change(tenant, text(change))
    assert await _balances(database, tenant) == {"AVAILABLE": 1_000, "FUNDING": -1_000}


async def test_a_wallet_is_taken_by_one_at_a_time_and_only_by_its_tenant(units: Units, tenant: TenantId) -> None:
    order = []

    async def other() -> None:
        async with units(tenant) as uow:
            await uow.billing.lock_wallet()
            order.append("other")

    async with units(tenant) as uow:
        await uow.billing.lock_wallet()
        waiting = asyncio.create_task(other())
        async with units(stranger := TenantId(new_id())) as elsewhere:
            with pytest.raises(NotFound):
                await elsewhere.billing.lock_wallet()
        await uow.billing._session.execute(text("select pg_sleep(0.2)"))
        order.append("first")
    await waiting
    assert (order, stranger != tenant) == (["first", "other"], True)


def usage_of(job_id: JobId, attempt: int = 1) -> UsageRecord:
    return UsageRecord(job_id, attempt, "LLM", "m", "c", Usage(1, 1), 1, True, datetime.now(UTC))


async def test_an_attempt_is_counted_once(units: Units, tenant: TenantId, database: Database) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        await uow.billing.record_usage(usage_of(job_id, 1))
        await uow.billing.record_usage(usage_of(job_id, 2))
    with pytest.raises(DBAPIError, match="usage_records_pkey"):
        async with units(tenant) as uow:
            await uow.billing.record_usage(usage_of(job_id, 2))
    assert len(await database.rows(tenant, text("select 1 from app.usage_records"))) == 2


async def test_a_job_is_settled_or_released_and_never_both(units: Units, tenant: TenantId, database: Database) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        await take_hold(uow.billing, job_id, 100)
    async with units(tenant) as uow:
        await close_hold(uow.billing, job_id, 1, 30)
    for second in (release_entry(job_id, 100), settle_entry(job_id, 2, 100, 30)):
        with pytest.raises(DBAPIError, match="ledger_entries_hold_closes_once_idx"):
            async with units(tenant) as uow:
                await uow.billing.post(top_up_entry(second.reference, 1_000))  # so that credit is not what stops it
                await uow.billing.post(second)
    assert await _balances(database, tenant) == {"AVAILABLE": 970, "SPENT": 30, "FUNDING": -1_000}


async def test_of_twenty_holds_at_once_as_many_are_taken_as_there_is_credit_for(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async def hold() -> bool:
        try:
            async with units(tenant) as uow:
                await take_hold(uow.billing, await _job(uow), 150)
        except QuotaExhausted:
            return False
        return True

    assert sum(await asyncio.gather(*(hold() for _ in range(20)))) == 6
    assert await _balances(database, tenant) == {"AVAILABLE": 100, "HELD": 900, "FUNDING": -1_000}


async def test_a_hold_closes_once(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        await uow.billing.open_hold(job_id, 10)
    async with units(tenant) as uow:
        closed = await uow.billing.close_hold(job_id)
        assert closed is not None
        assert (closed.job_id, closed.micros) == (job_id, 10)
    async with units(tenant) as uow:
        assert await uow.billing.close_hold(job_id) is None


async def test_a_hold_grows_and_never_shrinks(
    units: Units, tenant: TenantId, database: Database, admin: Database
) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        await take_hold(uow.billing, job_id, 100)
    async with units(tenant) as uow:
        assert await extend_hold(uow.billing, job_id, 50) == 150
    with pytest.raises(QuotaExhausted) as refused:
        async with units(tenant) as uow:
            await extend_hold(uow.billing, job_id, 851)
    assert refused.value.available.micros == 850
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="is closed, or would shrink"):
            await connection.execute(text("update app.holds set micros = 149 where job_id = :id"), {"id": job_id})
    async with units(tenant) as uow:
        await close_hold(uow.billing, job_id, 1, 120)
    assert await _balances(database, tenant) == {"AVAILABLE": 880, "SPENT": 120, "FUNDING": -1_000}


async def test_a_job_that_had_no_hold_gets_one_and_an_ended_one_does_not(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        assert await extend_hold(uow.billing, job_id, 50) == 50
        assert await extend_hold(uow.billing, job_id, 7) == 57
    async with units(tenant) as uow:
        assert await close_hold(uow.billing, job_id, 1, 60) == 57
        assert await uow.billing.charged(job_id) == 57
        assert await extend_hold(uow.billing, job_id, 1) is None
    assert await _balances(database, tenant) == {
        "AVAILABLE": 943, "SPENT": 57, "OVERRUN": 3, "FUNDING": -1_003}  # fmt: skip


async def test_a_hold_that_the_wallet_does_not_cover_leaves_nothing_behind(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async with units(tenant) as uow:
        free, costly = await _job(uow), await _job(uow)
        await take_hold(uow.billing, costly, 10)
        for job_id in (free, costly):
            with pytest.raises(QuotaExhausted):
                await extend_hold(uow.billing, job_id, 991)
    async with units(tenant) as uow:
        assert [await uow.billing.held(job_id) for job_id in (free, costly)] == [0, 10]
    assert await _balances(database, tenant) == {"AVAILABLE": 990, "HELD": 10, "FUNDING": -1_000}


async def test_a_cost_without_a_hold_is_booked_once_and_to_the_operator(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
    for attempt in (1, 2):
        async with units(tenant) as uow:
            assert await close_hold(uow.billing, job_id, attempt, 30) == 0
            assert await uow.billing.charged(job_id) == 0
    assert await _balances(database, tenant) == {"AVAILABLE": 1_000, "OVERRUN": 30, "FUNDING": -1_030}


async def test_what_a_generation_cost_is_what_the_ledger_charged_and_not_what_was_reckoned(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async with units(tenant) as uow:
        held, free = await _job(uow), await _job(uow)
        await take_hold(uow.billing, held, 20)
        for job_id in (held, free):
            await book_usage(uow.billing, replace(usage_of(job_id), cost_micros=30))
            await close_hold(uow.billing, job_id, 1, 30)
    rows = await database.shaped(tenant, USAGE, ids=[held, free])
    assert {row.id: row.cost_micros for row in rows} == {held: 20, free: 0}


# Grants.


async def _left(database: Database, tenant_id: TenantId) -> dict[str, int]:
    rows = await database.rows(tenant_id, text("select source, left_micros from app.grants"))
    return {row.source: row.left_micros for row in rows}


async def test_what_is_left_of_grants_is_what_the_wallet_has(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async with units(tenant) as uow:
        await uow.billing.post(grant_entry("gift", 100, GrantSource.GIFT, expires_at=uow.now + timedelta(hours=1)))
        job_id = await _job(uow)
        await take_hold(uow.billing, job_id, 300)
    assert await _left(database, tenant) == {"TOPUP": 1_000, "GIFT": 100}
    async with units(tenant) as uow:
        await close_hold(uow.billing, job_id, 1, 250)
    assert await _left(database, tenant) == {"TOPUP": 850, "GIFT": 0}
    assert (await _balances(database, tenant))["AVAILABLE"] == 850


async def test_credit_cannot_move_without_its_grants_nor_grants_without_credit(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async with units(tenant) as uow:
        job_id = await _job(uow)
        await take_hold(uow.billing, job_id, 100)
        [grant] = await uow.billing.lock_wallet()
    for moves in ((), (Move(grant.id, -29),), (Move(grant.id, -31),)):
        with pytest.raises(DBAPIError, match="of the wallet and"):
            async with units(tenant) as uow:
                await uow.billing.post(settle_entry(job_id, 1, 100, 30, moves))
    with pytest.raises(DBAPIError, match="of the wallet and"):
        async with units(tenant) as uow:
            await uow.billing.post(replace(release_entry(job_id, 100), moves=(Move(grant.id, -1),)))
    assert await _left(database, tenant) == {"TOPUP": 1_000}


async def test_what_is_left_of_a_grant_is_changed_by_moves_alone(
    units: Units, tenant: TenantId, database: Database
) -> None:
    for change in (
        "update app.grants set left_micros = 5",
        "delete from app.grants",
        "insert into app.grants (tenant_id, id, source, amount_micros, left_micros, priority) "
        "values (app.tid(), gen_random_uuid(), 'GIFT', 5, 5, 1)",
        "update app.usage_days set cost_micros = 0",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            await database.change(tenant, text(change))


@pytest.mark.parametrize("micros", [-1_001, 1])
async def test_a_grant_has_neither_less_than_nothing_nor_more_than_was_granted(
    units: Units, tenant: TenantId, micros: int
) -> None:
    with pytest.raises(DBAPIError, match="grants_left_check"):
        async with units(tenant) as uow:
            [grant] = await uow.billing.lock_wallet()
            postings = (Posting(AccountKind.AVAILABLE, micros), Posting(AccountKind.OVERRUN, -micros))
            await uow.billing.post(top_up_entry("more", 1))
            await uow.billing.post(Entry(EntryKind.TOP_UP, "x", postings, moves=(Move(grant.id, micros),)))


async def test_credit_that_expired_while_it_was_held_is_settled_and_the_rest_of_it_goes(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async with units(tenant) as uow:
        soon = uow.now + timedelta(hours=1)
        await uow.billing.post(grant_entry("gift", 100, GrantSource.GIFT, expires_at=soon))
        job_id = await _job(uow)
        await take_hold(uow.billing, job_id, 60)
    for later, gone in ((1, 40), (2, 0)):
        async with units(tenant) as uow:
            assert await expire_credit(uow.billing, soon + timedelta(hours=later)) == gone
    async with units(tenant) as uow:
        await close_hold(uow.billing, job_id, 1, 50)
    async with units(tenant) as uow:
        assert await expire_credit(uow.billing, soon) == 10
    assert await _left(database, tenant) == {"TOPUP": 1_000, "GIFT": 0}
    assert await _balances(database, tenant) == {
        "AVAILABLE": 1_000, "SPENT": 50, "EXPIRED": 50, "FUNDING": -1_000, "PROMOTION": -100}  # fmt: skip


async def test_entries_of_every_kind_at_once_wait_for_each_other_and_never_for_ever(
    units: Units, tenant: TenantId, database: Database
) -> None:
    async def work(number: int) -> None:
        async with units(tenant) as uow:
            job_id = await _job(uow)
            await take_hold(uow.billing, job_id, 20)
        async with units(tenant) as uow:
            await book_usage(uow.billing, replace(usage_of(job_id), billed=False))
            await (extend_hold(uow.billing, job_id, 5) if number % 2 else expire_credit(uow.billing, uow.now))
        async with units(tenant) as uow:
            await uow.billing.post(top_up_entry(f"more:{number}", 3))
            await close_hold(uow.billing, job_id, 1, 10)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert await _balances(database, tenant) == {"AVAILABLE": 860, "SPENT": 200, "COST": 20, "FUNDING": -1_080}
    assert sum((await database.rows(tenant, text("select sum(left_micros) from app.grants")))[0]) == 860
