"""Prices in PostgreSQL: versions that follow each other and are never edited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.billing.service import import_prices
from domain.ids import TenantId, new_id
from persistence.database import Database
from persistence.unit_of_work import Units

ANYBODY = TenantId(new_id())
_numbers = iter(range(1_000))


@pytest.fixture
def model() -> Iterator[str]:
    """A model that no other test has heard of."""
    yield f"model-{next(_numbers)}"


def row(model: str, **values: Any) -> dict[str, Any]:
    return {"model": model, "input": 1, "output": 2} | values


async def _import(units: Units, *rows: dict[str, Any]) -> tuple[int, int]:
    async with units(ANYBODY) as uow:
        done = await import_prices(uow.billing, list(rows))
    return done.added, done.unchanged


async def _versions(database: Database, model: str) -> list[tuple[int, datetime, datetime | None]]:
    statement = text("select input_micros, valid_from, valid_to from app.prices where model = :m order by valid_from")
    return [tuple(one) for one in await database.platform_rows(statement.bindparams(m=model))]


async def test_a_new_version_ends_the_one_before_at_its_own_beginning(
    units: Units, database: Database, model: str
) -> None:
    assert await _import(units, row(model)) == (1, 0)
    assert await _import(units, row(model)) == (0, 1)
    assert await _import(units, row(model, input=3)) == (1, 0)
    [(_, first, ended), (second_price, second, open_)] = await _versions(database, model)
    assert (first < second, ended, second_price, open_) == (True, second, 3_000_000, None)


async def test_a_row_with_an_end_is_one_version_however_often_it_is_imported(
    units: Units, database: Database, model: str
) -> None:
    await _import(units, row(model), row(model, channel="eu"))
    async with units(ANYBODY) as uow:
        end = uow.now + timedelta(days=9)
    offer = row(model, input=3, validTo=end)
    assert [await _import(units, offer, row(model, channel="eu")) for _ in range(2)] == [(1, 1), (0, 2)]
    assert len(await _versions(database, model)) == 3


async def test_a_version_for_later_leaves_todays_in_force(units: Units, model: str) -> None:
    await _import(units, row(model))
    async with units(ANYBODY) as uow:
        later = uow.now + timedelta(days=1)
    await _import(units, row(model, input=9, validFrom=later))
    async with units(ANYBODY) as uow:
        assert (await uow.billing.price_of(model)).input_micros == 1_000_000


async def test_the_store_asks_for_the_rows_that_the_rule_chooses_from(units: Units, model: str) -> None:
    await _import(
        units, row(model), row(model, input=2, group="pro"), row(model, input=3, channel="eu"),
        row(model, input=4, channel="eu", group="pro"), row(model, input=5, priority=1), row(model, input=6, channel="us"),
    )  # fmt: skip
    found = []
    async with units(ANYBODY) as uow:
        for channel in (None, "eu", "asia"):
            price = await uow.billing.price_of(model, channel)
            found.append(price.input_micros // 1_000_000)
            assert price.id is not None
        assert (await uow.billing.price_of("nobody's")).model == "*"
    assert found == [5, 3, 5]


async def test_two_lists_at_once_become_two_versions(units: Units, database: Database, model: str) -> None:
    await _import(units, row(model))
    done = await asyncio.gather(*(_import(units, row(model, input=n)) for n in (5, 6, 7)), return_exceptions=True)
    versions = await _versions(database, model)
    assert len(versions) == 1 + sum(one == (1, 0) for one in done)
    assert [one[2] for one in versions] == [*(one[1] for one in versions[1:]), None]


@pytest.mark.parametrize(
    "change",
    ["set input_micros = 0", "set valid_to = now() + interval '1 day'", "set ratio = 2", "set model = 'other'"],
)
async def test_a_price_is_never_edited_not_even_by_its_owner(
    admin: Database, units: Units, model: str, change: str
) -> None:
    await _import(units, row(model))
    async with admin.engine.connect() as connection:
        for statement in (f"update app.prices {change}", "delete from app.prices"):
            async with connection.begin_nested() as attempt:
                with pytest.raises(DBAPIError, match=r"app\.prices is append-only"):
                    await connection.execute(text(f"{statement} where model = :m"), {"m": model})
                await attempt.rollback()


async def test_two_open_versions_of_one_price_cannot_be(admin: Database, units: Units, model: str) -> None:
    await _import(units, row(model))
    async with admin.engine.connect() as connection:
        await connection.execute(text("alter table app.prices disable trigger prices_succeed"))
        with pytest.raises(DBAPIError, match="prices_one_open_version_idx"):
            await connection.execute(
                text(
                    "insert into app.prices (id, model, input_micros, cached_input_micros, output_micros) "
                    "values (gen_random_uuid(), :m, 0, 0, 0)"
                ),
                {"m": model},
            )


async def test_a_price_below_nothing_cannot_be(admin: Database, model: str) -> None:
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="prices_amounts_check"):
            await connection.execute(
                text(
                    "insert into app.prices (id, model, input_micros, cached_input_micros, output_micros, "
                    "reasoning_micros) values (gen_random_uuid(), :m, 0, 0, 0, -1)"
                ),
                {"m": model},
            )
