"""What the clock does with money: credit expires by itself, and old usage records go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.relay import audit_duties, money_duties
from app.settings import Settings
from domain.ids import TenantId, new_id
from domain.operations.audit import Subject, forget, record
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from persistence.unit_of_work import Units
from tests.workers.desk import CREDIT_MICROS, Desk
from workers.jobs import SomeFailed, in_batches


@pytest.fixture
async def due(settings: Settings) -> AsyncIterator[DueTenants]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=0)
    yield DueTenants(engine)
    await engine.dispose()


async def test_credit_expires_once_and_only_where_its_time_has_come(
    desk: Desk, due: DueTenants, units: Units, admin: Database
) -> None:
    expire = money_duties(due, units, 400)["grants.expire"].run
    assert await expire() == 0
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.grants set expires_at = now() - interval '1 second' where tenant_id = :t"),
            {"t": desk.tenant_id},
        )
    assert await expire() == CREDIT_MICROS
    assert (await desk.books()).available == 0
    assert await expire() == 0


async def test_credit_expires_where_it_can_when_it_cannot_elsewhere(
    desk: Desk, due: DueTenants, units: Units, admin: Database
) -> None:
    """A grant of a tenant without a wallet cannot be there, but what cannot be was there before."""
    broken = TenantId(new_id())
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("insert into app.tenants (tenant_id, slug, name) values (:t, :s, 'Broken')"),
            {"t": broken, "s": str(broken)},
        )
        await connection.execute(
            text(
                "insert into app.grants (tenant_id, id, source, amount_micros, left_micros, priority, expires_at) "
                "values (:t, :t, 'GIFT', 5, 5, 1, now() - interval '1 day')"
            ),
            {"t": broken},
        )
        await connection.execute(
            text("update app.grants set expires_at = now() - interval '1 second' where tenant_id = :t"),
            {"t": desk.tenant_id},
        )
    with pytest.raises(SomeFailed, match="not done in 1 of 2 tenants"):
        await money_duties(due, units, 400)["grants.expire"].run()
    assert (await desk.books()).available == 0
    async with admin.engine.begin() as connection:
        await connection.execute(text("delete from app.grants where tenant_id = :t"), {"t": broken})


async def test_old_usage_is_forgotten_and_its_sums_stay(
    desk: Desk, due: DueTenants, units: Units, admin: Database
) -> None:
    clock = money_duties(due, units, 30)["usage.forget"].run
    one = await desk.write()
    assert await clock() == 0
    async with admin.engine.begin() as connection:
        await connection.execute(text("alter table app.usage_records disable trigger usage_records_append_only"))
        await connection.execute(
            text("update app.usage_records set occurred_at = now() - cast(:age as interval) where job_id = :j"),
            {"age": timedelta(days=31), "j": one.job.id},
        )
        await connection.execute(text("alter table app.usage_records enable trigger usage_records_append_only"))
    assert await clock() == 1
    [days] = await desk._rows("select count(*) as days from app.usage_days where tenant_id = :t")
    assert days.days == 1


async def test_old_entries_of_the_audit_log_are_forgotten_in_batches_and_young_ones_stay(
    desk: Desk, due: DueTenants, units: Units, admin: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with admin.engine.begin() as connection:
        for days in (401, 401, 401, 399):
            await connection.execute(
                text(
                    "insert into app.audit_entries (tenant_id, id, actor_kind, action, subject_type, subject_id, at) "
                    "values (:t, :id, 'PLATFORM', 'x.y', 'Tenant', :t, now() - cast(:age as interval))"
                ),
                {"t": desk.tenant_id, "id": new_id(), "age": timedelta(days=days)},
            )
    async with units(desk.tenant_id) as uow:
        assert [await forget(uow, 400, batch=2) for _ in range(2)] == [2, 1]
        with pytest.raises(ValueError, match="at least 90 days"):
            await forget(uow, 89)
    assert await audit_duties(due, units, 400)["audit_entries.forget"].run() == 0
    assert await audit_duties(due, units, 90)["audit_entries.forget"].run() == 1


async def test_an_entry_of_the_audit_log_stays_for_ninety_days_whoever_asks(
    desk: Desk, units: Units, admin: Database
) -> None:
    async with units(desk.tenant_id) as uow:
        await record(uow, None, "x.y", Subject("Tenant", desk.tenant_id))
    with pytest.raises(DBAPIError, match="is append-only"):
        async with units(desk.tenant_id) as uow:
            await uow.audit.forget(uow.now + timedelta(days=1), 1)
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"app\.audit_entries is append-only"):
            await connection.execute(text("delete from app.audit_entries where tenant_id = :t"), {"t": desk.tenant_id})


async def test_batches_follow_each_other_until_one_is_not_full() -> None:
    left = [3, 3, 2, 9]

    async def some() -> int:
        return left.pop(0)

    assert (await in_batches(some, 3), left) == (8, [9])
