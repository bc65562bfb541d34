"""What the database itself refuses, whatever the code above it does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from domain.accounts import GRANTS, Actor, Role
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
from domain.ids import JobId, TenantId, UserId, new_id
from domain.jobs import Job, JobKind
from domain.projects import OutlineKind
from domain.projects import service as projects
from persistence.accounts.tables import tenants
from persistence.billing.tables import ledger_entries, ledger_postings
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


# Jobs and versions.


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


async def test_a_version_is_never_rewritten(admin: Database, units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        actor = Actor(tenant, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
        project = await projects.create_project(uow.projects, actor, projects.ProjectDraft("t"))
        node = await projects.create_node(
            uow.projects, actor, projects.NodeDraft(project.id, OutlineKind.CHAPTER, "One")
        )
        version = await projects.update_text(
            uow.projects, actor, node.id, text="first", base_version_id=None, note="", now=uow.now
        )
    async with admin.engine.connect() as connection:
        where = f"where id = '{version.id}'"
        await connection.execute(text(f"update app.text_versions set state = 'ARCHIVED' {where}"))
        for change in ("text = 'second'", "number = 7", "origin = 'AI'", "created_at = now() + interval '1 s'"):
            async with connection.begin_nested() as attempt:
                with pytest.raises(DBAPIError, match="a version's text never changes"):
                    await connection.execute(text(f"update app.text_versions set {change} {where}"))
                await attempt.rollback()


async def test_a_chapter_has_one_current_version(admin: Database, units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        actor = Actor(tenant, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
        project = await projects.create_project(uow.projects, actor, projects.ProjectDraft("t"))
        node = await projects.create_node(
            uow.projects, actor, projects.NodeDraft(project.id, OutlineKind.CHAPTER, "One")
        )
        for number in range(3):
            await projects.update_text(
                uow.projects, actor, node.id, text=f"{number}", base_version_id=node.current_version_id, note="",
                now=uow.now,
            )  # fmt: skip
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="text_versions_one_current_idx"):
            await connection.execute(
                text("update app.text_versions set state = 'CURRENT' where node_id = :n"), {"n": node.id}
            )
