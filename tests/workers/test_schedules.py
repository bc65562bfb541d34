"""Schedules over real rows: once a tick however many clocks there are, and never lost with a process."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cronsim import CronSimError
from sqlalchemy import text

from app.payments import payment_duties, payments_of
from app.relay import (
    audit_duties,
    conversation_duties,
    duties,
    invoice_duties,
    knowledge_duties,
    money_duties,
)
from app.settings import Settings
from domain.ids import TenantId, new_id
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from persistence.operations.housekeeping import KEPT, Housekeeping, Kept
from persistence.operations.schedules import Schedules
from persistence.payments.due import DuePayments
from persistence.unit_of_work import Units
from workers import jobs
from workers.jobs import LANES, RETRY_S, Clock, Duty, SomeFailed, in_each, in_lanes, next_tick

HOURLY = "0 * * * *"


@pytest.fixture(scope="module")
async def relay(settings: Settings) -> AsyncIterator[Database]:
    database = Database(create_engine(settings.database_relay_url.get_secret_value(), pool_size=8))
    yield database
    await database.close()


@pytest.fixture(autouse=True)
async def _no_schedules(admin: Database) -> AsyncIterator[None]:
    yield
    await change(admin, "delete from app.schedules")


async def change(admin: Database, statement: str, **values: Any) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(text(statement), values)


async def row_of(admin: Database, name: str = "chore") -> Any:
    [row] = await admin.platform_rows(text("select *, clock_timestamp() as now from app.schedules").bindparams())
    assert row.name == name
    return row


def clock(relay: Database, run: Callable[[], Awaitable[object]], cron: str = HOURLY, name: str = "chore") -> Clock:
    return Clock(Schedules(relay.engine), {name: Duty(cron, run)})


async def make_due(admin: Database, *, since: timedelta = timedelta(seconds=1)) -> None:
    await change(
        admin, "update app.schedules set next_run_at = clock_timestamp() - cast(:since as interval)", since=since
    )


class Chore:
    """Counts how often it ran."""

    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self) -> int:
        self.runs += 1
        await asyncio.sleep(0)
        return self.runs


# -- ticks -----------------------------------------------------------------------------------------------------------


def test_a_tick_is_the_first_behind_a_moment() -> None:
    at = datetime(2026, 2, 28, 23, 59, 30, tzinfo=UTC)
    assert next_tick("* * * * *", at) == datetime(2026, 3, 1, tzinfo=UTC)
    assert next_tick("0 * * * *", datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2026, 3, 1, 1, tzinfo=UTC)
    assert next_tick("0 0 29 2 *", at) == datetime(2028, 2, 29, tzinfo=UTC)
    with pytest.raises(CronSimError):
        next_tick("61 * * * *", at)


async def test_what_is_not_due_does_not_run(relay: Database, admin: Database) -> None:
    chore = Chore()
    one = clock(relay, chore)
    await one.announce()
    assert not await one.tick()
    row = await row_of(admin)
    assert (chore.runs, row.cron, row.last_run_at, row.enabled) == (0, HOURLY, None, True)
    assert row.next_run_at == next_tick(HOURLY, row.now)


async def test_missed_ticks_run_once(relay: Database, admin: Database) -> None:
    chore = Chore()
    one = clock(relay, chore)
    await one.announce()
    await make_due(admin, since=timedelta(days=3))
    assert [await one.tick(), await one.tick()] == [True, False]
    row = await row_of(admin)
    assert (chore.runs, row.last_error, row.next_run_at) == (1, None, next_tick(HOURLY, row.now))
    assert timedelta(0) <= row.now - row.last_run_at < timedelta(seconds=5)


async def test_many_clocks_run_a_tick_once(relay: Database, admin: Database) -> None:
    running, finish = asyncio.Event(), asyncio.Event()
    runs = 0

    async def slow() -> None:
        nonlocal runs
        runs += 1
        running.set()
        await finish.wait()

    clocks = [clock(relay, slow) for _ in range(4)]
    await asyncio.gather(*(one.announce() for one in clocks))
    await make_due(admin)
    first = asyncio.create_task(clocks[0].tick())
    await running.wait()
    assert await asyncio.gather(*(one.tick() for one in clocks[1:])) == [False] * 3
    finish.set()
    assert await first
    assert await asyncio.gather(*(one.tick() for one in clocks)) == [False] * 4
    assert runs == 1


async def test_a_row_with_a_broken_expression_runs_by_its_dutys_own_and_says_so(
    relay: Database, admin: Database
) -> None:
    chore = Chore()
    one = clock(relay, chore)
    await one.announce()
    await make_due(admin)
    await change(admin, "update app.schedules set cron = '61 * * * *'")
    assert [await one.tick(), await one.tick()] == [True, False]
    row = await row_of(admin)
    assert (chore.runs, row.next_run_at) == (1, next_tick(HOURLY, row.now))
    assert row.last_error == "'61 * * * *' is no cron expression: Bad minute"


async def test_a_tenant_in_which_a_duty_fails_keeps_no_other_waiting() -> None:
    tenants, done = [TenantId(new_id()) for _ in range(3)], []

    async def work(tenant_id: TenantId) -> int:
        if tenant_id == tenants[1]:
            raise ValueError("a row that cannot be")
        done.append(tenant_id)
        return 5

    with pytest.raises(SomeFailed, match=r"^not done in 1 of 3 tenants; 10 in the others$"):
        await in_each(tenants, work)
    assert done == [tenants[0], tenants[2]]
    assert await in_each([tenants[0], tenants[2]], work) == 10


async def test_a_statement_that_one_tenant_makes_wrong_is_no_outage(database: Database) -> None:
    tenants = [TenantId(new_id()) for _ in range(2)]

    async def work(tenant_id: TenantId) -> int:
        await database.rows(tenant_id, text("select 1 / cast(:n as int)").bindparams(n=tenants.index(tenant_id)))
        return 1

    with pytest.raises(SomeFailed, match=r"^not done in 1 of 2 tenants; 1 in the others$"):
        await in_each(tenants, work)


async def test_lanes_go_on_beside_each_other_and_all_to_their_ends() -> None:
    tenants, together, ended = [TenantId(new_id()) for _ in range(LANES)], asyncio.Barrier(LANES), []

    async def work(tenant_id: TenantId) -> int:
        async with asyncio.timeout(5):
            await together.wait()
        if tenant_id == tenants[0]:
            raise ValueError("a row that cannot be")
        await asyncio.sleep(0)
        ended.append(tenant_id)
        return 1

    assert await in_lanes([], work) == 0
    with pytest.raises(SomeFailed, match=r"^not done in 1 of 1 tenants; 0 in the others$"):
        await in_lanes(tenants, work)
    assert sorted(ended) == sorted(tenants[1:])


async def test_an_outage_ends_a_duty_at_once() -> None:
    async def work(tenant_id: TenantId) -> int:
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        await in_each([TenantId(new_id())], work)


async def test_a_clock_that_dies_gives_its_tick_back(relay: Database, admin: Database) -> None:
    running = asyncio.Event()

    async def stuck() -> None:
        running.set()
        await asyncio.Event().wait()

    one = clock(relay, stuck)
    await one.announce()
    await make_due(admin)
    doomed = asyncio.create_task(one.tick())
    await running.wait()
    doomed.cancel()
    await asyncio.wait([doomed])
    chore = Chore()
    assert await clock(relay, chore).tick()
    assert chore.runs == 1


async def test_a_failure_is_noted_and_tried_again_soon(relay: Database, admin: Database) -> None:
    async def fails() -> None:
        raise ZeroDivisionError("nothing to divide by")

    one = clock(relay, fails, "0 0 1 1 *")
    await one.announce()
    await make_due(admin)
    assert await one.tick()
    row = await row_of(admin)
    assert row.last_error == "ZeroDivisionError: nothing to divide by"
    assert timedelta(seconds=RETRY_S - 5) < row.next_run_at - row.now <= timedelta(seconds=RETRY_S)
    await make_due(admin)
    assert await clock(relay, Chore(), "0 0 1 1 *").tick()
    row = await row_of(admin)
    assert (row.last_error, row.next_run_at) == (None, next_tick("0 0 1 1 *", row.now))


async def test_what_takes_too_long_has_failed(
    relay: Database, admin: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RUN_S", 0.05)
    one = clock(relay, asyncio.Event().wait)
    await one.announce()
    await make_due(admin)
    assert await one.tick()
    assert (await row_of(admin)).last_error == "TimeoutError: "


async def test_what_is_off_or_unknown_to_this_process_does_not_run(relay: Database, admin: Database) -> None:
    chore = Chore()
    one = clock(relay, chore)
    await one.announce()
    await make_due(admin)
    assert not await clock(relay, chore, name="of another version").tick()
    await change(admin, "update app.schedules set enabled = false")
    assert not await one.tick()
    assert chore.runs == 0


async def test_a_new_expression_starts_anew_and_the_same_one_changes_nothing(relay: Database, admin: Database) -> None:
    await clock(relay, Chore()).announce()
    await make_due(admin)
    due = (await row_of(admin)).next_run_at
    await clock(relay, Chore()).announce()
    assert (await row_of(admin)).next_run_at == due
    await clock(relay, Chore(), "30 4 * * *").announce()
    row = await row_of(admin)
    assert (row.cron, row.next_run_at) == ("30 4 * * *", next_tick("30 4 * * *", row.now))


# -- housekeeping ----------------------------------------------------------------------------------------------------

INSERTS = {
    "idempotency_keys": "(tenant_id, principal, operation, key, body_hash, created_at) "
    "values (:t, 'user', 'x', gen_random_uuid()::text, '', now() - cast(:age as interval))",
    "feed_events": "(tenant_id, feed_id, seq, type, data, created_at) "
    "values (:t, :id, (random() * 1000000000)::bigint, 'x', '{{}}', now() - cast(:age as interval))",
    "mails": "(tenant_id, id, recipient, locale, template, state, created_at) "
    "values (:t, gen_random_uuid(), 'a@b', 'en', 'x', '{state}', now() - cast(:age as interval))",
    "notifications": "(tenant_id, id, user_id, kind, created_at) "
    "values (:t, gen_random_uuid(), :id, 'x', now() - cast(:age as interval))",
    "webhook_deliveries": "(tenant_id, id, endpoint_id, event_id, type, body, state, created_at) "
    "values (:t, gen_random_uuid(), :id, gen_random_uuid(), 'x', '{{}}', '{state}', now() - cast(:age as interval))",
}
ENDED = {"mails": "SENT", "webhook_deliveries": "DEAD"}


@pytest.fixture(scope="module")
async def tenants(admin: Database) -> list[TenantId]:
    """Two, each with a user, a feed and an endpoint of the tenant's own id."""
    made = [TenantId(new_id()) for _ in range(2)]
    for one in made:
        for statement in (
            "insert into app.tenants (tenant_id, slug, name) values (:t, cast(:t as text), 'x')",
            "insert into app.users (id, email, display_name, password_hash) values (:t, cast(:t as text), 'x', '')",
            "insert into app.memberships (tenant_id, user_id, role) values (:t, :t, 'OWNER')",
            "insert into app.feeds (tenant_id, id, last_seq) values (:t, :t, 1)",
            "insert into app.webhook_endpoints (tenant_id, id, url, events, secret) values (:t, :t, 'x', '[]', '')",
        ):
            await change(admin, statement.replace("cast(:t as text)", f"'{one}'"), t=one)
    return made


@pytest.mark.parametrize("kept", KEPT, ids=lambda one: one.table)
async def test_what_is_old_is_forgotten_in_every_tenant_and_what_is_young_stays(
    kept: Kept, relay: Database, database: Database, admin: Database, tenants: list[TenantId]
) -> None:
    for tenant_id in tenants:
        for age in (kept.age + timedelta(minutes=1), kept.age - timedelta(minutes=1)):
            for state in {ENDED.get(kept.table, ""), "QUEUED"} if kept.table in ENDED else {""}:
                insert = INSERTS[kept.table].format(state=state)
                values = {"t": tenant_id, "age": age} | ({"id": tenant_id} if ":id" in insert else {})
                await change(admin, f"insert into app.{kept.table} {insert}", **values)
    forget = duties(Housekeeping(relay.engine, database.engine))[f"{kept.table}.forget"].run
    assert [await forget(), await forget()] == [2, 0]
    rows = await admin.platform_rows(
        text(f"select * from app.{kept.table} where created_at < now() - interval '1 hour'")
    )
    young = [row for row in rows if datetime.now(UTC) - row.created_at < kept.age]
    assert len(young) == (4 if kept.table in ENDED else 2)
    assert all(row.state == "QUEUED" for row in rows if row not in young)


def test_the_docs_name_every_schedule_and_no_other(settings: Settings, relay: Database, database: Database) -> None:
    units = Units(database.engine)
    known = {**duties(Housekeeping(relay.engine, database.engine)),
             **money_duties(DueTenants(relay.engine), units, 400),
             **audit_duties(DueTenants(relay.engine), units, 400),
             **knowledge_duties(DueTenants(relay.engine), units),
             **conversation_duties(DueTenants(relay.engine), units),
             **invoice_duties(DueTenants(relay.engine), units, settings.invoice_terms),
             **payment_duties(DuePayments(relay.engine, database.engine), payments_of(settings, units))}  # fmt: skip
    table = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`(\w+\.(?:expire|forget|ask|top_up|issue|remind))`", table)) == known.keys()


async def test_the_relay_keeps_house_every_hour(relay: Database, database: Database, admin: Database) -> None:
    one = Clock(Schedules(relay.engine), duties(Housekeeping(relay.engine, database.engine)))
    await one.announce()
    rows = await admin.platform_rows(text("select name, cron from app.schedules order by name"))
    assert [tuple(row) for row in rows] == [
        ("feed_events.forget", "21 * * * *"),
        ("idempotency_keys.forget", "17 * * * *"),
        ("mails.forget", "18 * * * *"),
        ("notifications.forget", "19 * * * *"),
        ("webhook_deliveries.forget", "20 * * * *"),
    ]
    await make_due(admin)
    assert [await one.tick() for _ in range(6)] == [True] * 5 + [False]
    failed = await admin.platform_rows(text("select name from app.schedules where last_error is not null"))
    assert failed == []
