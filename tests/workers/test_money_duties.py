"""What the clock does with money: credit expires by itself, and old usage records go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import text

from app.relay import money_duties
from app.settings import Settings
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from persistence.unit_of_work import Units
from tests.workers.desk import CREDIT_MICROS, Desk


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


async def test_old_usage_is_forgotten_and_its_sums_stay(
    desk: Desk, due: DueTenants, units: Units, admin: Database
) -> None:
    forget = money_duties(due, units, 30)["usage.forget"].run
    one = await desk.write()
    assert await forget() == 0
    async with admin.engine.begin() as connection:
        await connection.execute(text("alter table app.usage_records disable trigger usage_records_append_only"))
        await connection.execute(
            text("update app.usage_records set occurred_at = now() - cast(:age as interval) where job_id = :j"),
            {"age": timedelta(days=31), "j": one.job.id},
        )
        await connection.execute(text("alter table app.usage_records enable trigger usage_records_append_only"))
    assert await forget() == 1
    [days] = await desk._rows("select count(*) as days from app.usage_days where tenant_id = :t")
    assert days.days == 1
