"""Shapes: one statement that sets its tenant for itself alone, and reads no column that nobody asked for."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Text, bindparam, func, literal, select, text

from app.settings import Settings
from domain.ids import TenantId, new_id
from persistence import database as database_module
from persistence.database import Database, create_engine
from persistence.listing import page_values
from persistence.projects import reads
from persistence.projects.tables import projects
from persistence.shapes import IDS, TENANT, Row, Shape
from persistence.story import reads as story

TITLES = Shape(select(projects.c.title, projects.c.tenant_id).where(projects.c.tenant_id == TENANT))
EVERY_TITLE = Shape(select(projects.c.title, projects.c.tenant_id, TENANT.label("asked_by")))
"""Asks for no tenant's rows in particular: row security alone decides what it shows."""
BARE = "select title from app.projects"


@pytest.fixture(scope="module")
async def tenants(admin: Database) -> tuple[TenantId, TenantId]:
    """Two tenants with three and two projects, each titled as its tenant."""
    made = TenantId(new_id()), TenantId(new_id())
    async with admin.engine.begin() as connection:
        for tenant_id, count in zip(made, (3, 2), strict=True):
            await connection.execute(
                text("insert into app.tenants (tenant_id, slug, name) values (:t, :s, 't')"),
                {"t": tenant_id, "s": str(tenant_id)},
            )
            await connection.execute(
                text(
                    "insert into app.projects (tenant_id, id, title) select :t, gen_random_uuid(), :title "
                    "from generate_series(1, :n)"
                ),
                {"t": tenant_id, "title": str(tenant_id), "n": count},
            )
    return made


@pytest.fixture
async def reader(settings: Settings) -> AsyncIterator[Database]:
    """The application's role over a pool of its own."""
    one = Database(create_engine(settings.database_app_url.get_secret_value()))
    yield one
    await one.close()


@pytest.fixture
async def alone(reader: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Whose shapes have one connection between them."""
    monkeypatch.setattr(database_module, "READ_POOL_SIZE", 1)
    await reader._open_pool()
    return reader


async def titles(database: Database, tenant: TenantId, shape: Shape = TITLES) -> list[tuple[str, Any]]:
    return [(row.title, row.tenant_id) for row in await database.shaped(tenant, shape)]


async def session_of(database: Database) -> int:
    """The backend of the pool's next connection."""
    pid: int = await (await database._open_pool()).fetchval("select pg_backend_pid()")
    return pid


# -- tenants ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [TITLES, EVERY_TITLE], ids=["compared with its tenant", "by row security alone"])
async def test_two_tenants_in_turn_over_one_connection_never_see_each_other(
    alone: Database, tenants: tuple[TenantId, TenantId], shape: Shape
) -> None:
    session = await session_of(alone)
    for _ in range(20):
        for tenant, count in zip(tenants, (3, 2), strict=True):
            assert await titles(alone, tenant, shape) == [(str(tenant), tenant)] * count
    assert await session_of(alone) == session


async def test_after_a_shape_its_session_has_no_tenant_and_a_bare_read_fails(
    alone: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    await titles(alone, tenants[0])
    pool = await alone._open_pool()
    assert await pool.fetchval("select current_setting('app.tenant_id', true)") in (None, "")
    with pytest.raises(asyncpg.InvalidTextRepresentationError, match="uuid"):
        await pool.fetch(BARE)


async def test_a_shape_that_fails_leaves_no_tenant_either(alone: Database, tenants: tuple[TenantId, TenantId]) -> None:
    length = func.length(projects.c.title)
    broken = Shape(select(length / (length - length)).where(projects.c.tenant_id == TENANT))
    with pytest.raises(asyncpg.DivisionByZeroError):
        await alone.shaped(tenants[0], broken)
    with pytest.raises(asyncpg.InvalidTextRepresentationError, match="uuid"):
        await (await alone._open_pool()).fetch(BARE)


async def test_many_tenants_at_once_over_two_connections_see_their_own(
    reader: Database, tenants: tuple[TenantId, TenantId], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "READ_POOL_SIZE", 2)
    asked = [tenants[n % 2] for n in range(200)]
    answers = await asyncio.gather(*(titles(reader, tenant, EVERY_TITLE) for tenant in asked))
    assert [sorted(set(answer)) for answer in answers] == [[(str(tenant), tenant)] for tenant in asked]
    assert (await reader._open_pool()).get_size() == 2


async def test_a_tenant_that_does_not_exist_sees_nothing(reader: Database) -> None:
    assert await titles(reader, TenantId(new_id()), EVERY_TITLE) == []


def planted(shape: Shape, guard: str, instead: str) -> str:
    assert guard in shape.text
    return shape.text.replace(guard, instead)


@pytest.mark.parametrize(
    ("guard", "instead"),
    [
        (" where scope_.set_ is not null offset 0", ""),
        ("cross join lateral", "cross join"),
        (" offset 0", ""),
        ("set_config('app.tenant_id', $1::uuid::text, true)", "$1::uuid::text"),
    ],
    ids=["no guard", "not lateral", "no fence", "not set"],
)
async def test_a_shape_without_its_guard_fails_or_shows_the_tenants_own_rows_only(
    alone: Database, tenants: tuple[TenantId, TenantId], guard: str, instead: str
) -> None:
    """The defect that matters: what the session did before must not decide what the next statement sees."""
    pool = await alone._open_pool()
    for before, tenant in (tenants, tenants[::-1]) * 3:
        await titles(alone, before, EVERY_TITLE)
        try:
            shown = {row["tenant_id"] for row in await pool.fetch(planted(EVERY_TITLE, guard, instead), tenant)}
        except asyncpg.PostgresError:
            continue
        assert shown <= {tenant}


async def test_a_shape_that_set_its_tenant_for_the_session_would_be_seen_by_these_tests(
    alone: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    """The checks above can fail: with `set_config(..., false)` a bare read shows the last tenant's rows."""
    pool = await alone._open_pool()
    await pool.fetch(planted(TITLES, "::uuid::text, true)", "::uuid::text, false)"), tenants[0])
    assert len(await pool.fetch(BARE)) == 3


# -- what a shape may be ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        (select(projects.c.title), "TENANT"),
        (select(projects.c.title).where(projects.c.title == bindparam("title", type_=Text)), "TENANT"),
        (select(projects.c.title).where(projects.c.tenant_id == TENANT, projects.c.title == "mine"), "title_1"),
        (select(literal("x")).where(projects.c.tenant_id == TENANT), "param_1"),
        (select(projects.c.title).where(projects.c.tenant_id == TENANT).limit(5), "param_1"),
    ],
    ids=["no parameter", "no tenant", "a value", "a literal", "a limit"],
)
def test_a_shape_without_tenant_or_with_a_value_is_refused(statement: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        _ = Shape(statement).text


async def test_a_shape_asked_without_one_of_its_values_is_refused_before_it_is_sent(
    reader: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    with pytest.raises(KeyError, match="ids"):
        await reader.shaped(tenants[0], reads.PROJECTS_BY_ID.shape)
    assert reader.statements == 0


async def test_values_keep_to_their_parameters_whatever_the_order_they_come_in(
    reader: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    named = Shape(
        select(projects.c.title)
        .where(projects.c.title == bindparam("title", type_=Text), projects.c.tenant_id == TENANT)
        .where(projects.c.id != func.all(IDS))
    )
    rows = await reader.shaped(tenants[0], named, ids=[new_id()], title=str(tenants[0]))
    assert len(rows) == 3
    assert await reader.shaped(tenants[0], named, title="' or true --", ids=[new_id()]) == []


async def test_the_connections_of_shapes_are_read_only(alone: Database, tenants: tuple[TenantId, TenantId]) -> None:
    change = (
        "with scope_ as materialized (select set_config('app.tenant_id', $1::uuid::text, true)) "
        "delete from app.projects where tenant_id = $1 and (select count(*) from scope_) = 1"
    )
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await (await alone._open_pool()).execute(change, tenants[0])
    assert len(await titles(alone, tenants[0])) == 3


# -- rows and connections --------------------------------------------------------------------------------------------


async def test_a_row_has_its_columns_as_items_and_attributes_and_jsonb_is_decoded(
    reader: Database, admin: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    [project_id] = (
        await admin.platform_rows(select(projects.c.id).where(projects.c.tenant_id == tenants[0]).limit(1))
    )[0]
    async with admin.engine.begin() as connection:
        await connection.execute(
            text(
                "insert into app.codex_entries (tenant_id, id, project_id, kind, name, aliases, attributes) values "
                """(:t, gen_random_uuid(), :p, 'ITEM', 'n', '["a", "二"]', '[{"key": "k", "value": null}]')"""
            ),
            {"t": tenants[0], "p": project_id},
        )
    [row] = await reader.shaped(tenants[0], story.ENTRIES.page(None, after=False), **page_values(1, None))
    assert type(row) is Row
    assert row.aliases == row["aliases"] == ["a", "二"]
    assert row.attributes == [{"key": "k", "value": None}]
    assert not hasattr(row, "tenant_id")
    with pytest.raises(AttributeError, match="password"):
        _ = row.password


async def test_a_connection_that_broke_in_the_pool_is_replaced_once(
    alone: Database, tenants: tuple[TenantId, TenantId]
) -> None:
    session = await session_of(alone)
    # The session is held still until the shape has been sent to it: so nobody can know before that it is broken.
    os.kill(session, signal.SIGSTOP)
    os.kill(session, signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.1, os.kill, session, signal.SIGCONT)
    assert len(await titles(alone, tenants[0])) == 3
    assert alone.statements == 2  # one to the session that broke, and one that was answered
    assert await session_of(alone) != session


async def test_a_connection_that_breaks_twice_is_an_outage(alone: Database, tenants: tuple[TenantId, TenantId]) -> None:
    suicide = Shape(select(func.pg_terminate_backend(func.pg_backend_pid()), TENANT.label("asked_by")))
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as outage:
        await alone.shaped(tenants[0], suicide)
    assert database_module.is_outage(outage.value)
    assert alone.statements == 2
    assert len(await titles(alone, tenants[0])) == 3


async def test_a_statement_that_is_wrong_is_not_sent_again(alone: Database, tenants: tuple[TenantId, TenantId]) -> None:
    wrong = Shape(select(func.no_such_function(TENANT)))
    with pytest.raises(asyncpg.UndefinedFunctionError):
        await alone.shaped(tenants[0], wrong)
    assert alone.statements == 1
