"""The integrations room in PostgreSQL: counts that add up, days that are forgotten, and what an operator reaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError

from app.settings import Settings, role_url
from domain.accounts import GRANTS, Actor, Role, Tenant
from domain.ids import ClientAppId, TenantId, UserId, new_id
from domain.integrations import (
    FIRST_PARTY,
    ClientApp,
    ClientAppDraft,
    Measured,
    UseKind,
    create_client_app,
    document_hash,
    enter_documents,
)
from persistence.database import Database, create_engine
from persistence.integrations import registry
from persistence.integrations.reads import KNOWN_ORIGINS
from persistence.integrations.usage import KEPT_DAYS, ROWS_MAX, Use, write_uses
from persistence.unit_of_work import Units

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def measured(text: str, fingerprint: str = "older") -> Measured:
    return Measured(document_hash(text), text, "Name", 1, ("read",), ("Query.projects",), fingerprint)


async def new_app(units: Units, **draft: Any) -> ClientApp:
    """An application in a tenant of its own."""
    tenant_id = TenantId(new_id())
    actor = Actor(tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
    async with units(tenant_id) as uow:
        await uow.accounts.add_tenant(Tenant(tenant_id, str(tenant_id), "Studio"))
        return await create_client_app(uow.integrations, actor, ClientAppDraft("Reader", **draft))


async def uses_of(admin: Database, tenant_id: TenantId) -> dict[tuple[str, str], int]:
    statement = sql("select * from app.schema_uses where tenant_id = :t").bindparams(t=tenant_id)
    return {(row.kind, row.name): row.uses for row in await admin.platform_rows(statement)}


async def test_writers_at_the_same_time_lose_no_count(units: Units, database: Database, admin: Database) -> None:
    app = await new_app(units)
    async with units(app.tenant_id) as uow:
        await enter_documents(uow.integrations, app.id, [measured("a"), measured("b")])
    uses = {
        Use(app.id, UseKind.DOCUMENT, document_hash("a")): 2,
        Use(app.id, UseKind.DOCUMENT, document_hash("b")): 1,
        Use(app.id, UseKind.FIELD, "Query.projects"): 3,
    }
    other_way = dict(reversed(uses.items()))
    await asyncio.gather(*(write_uses(database, app.tenant_id, one, NOW) for one in (uses, other_way) * 10))
    assert await uses_of(admin, app.tenant_id) == {
        ("DOCUMENT", document_hash("a")): 40, ("DOCUMENT", document_hash("b")): 20, ("FIELD", "Query.projects"): 60,
    }  # fmt: skip
    rows = await database.rows(app.tenant_id, sql("select hash, use_count, last_used_at from app.trusted_documents"))
    assert {row.hash: (row.use_count, row.last_used_at) for row in rows} == {
        document_hash("a"): (40, NOW), document_hash("b"): (20, NOW),
    }  # fmt: skip


async def test_more_rows_than_one_statement_writes_are_written(
    units: Units, database: Database, admin: Database
) -> None:
    app = await new_app(units)
    uses = {Use(FIRST_PARTY, UseKind.FIELD, f"T.f{number}"): 1 for number in range(ROWS_MAX + 1)}
    await write_uses(database, app.tenant_id, uses, NOW)
    assert len(await uses_of(admin, app.tenant_id)) == ROWS_MAX + 1


async def test_a_day_is_forgotten_after_a_year_and_some(units: Units, database: Database, admin: Database) -> None:
    app = await new_app(units)
    for days, name in ((KEPT_DAYS + 1, "Old.a"), (KEPT_DAYS, "Old.b"), (0, "New.c")):
        await write_uses(database, app.tenant_id, {Use(FIRST_PARTY, UseKind.FIELD, name): 1}, NOW - timedelta(days))
    assert set(await uses_of(admin, app.tenant_id)) == {("FIELD", "Old.b"), ("FIELD", "New.c")}


async def test_uses_are_written_behind_the_wall(units: Units, database: Database) -> None:
    app = await new_app(units)
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database.read(TenantId(new_id())) as connection:
            await connection.execute(
                sql("insert into app.schema_uses values (:t, '2026-01-01', :a, 'FIELD', 'x', 1, now())"),
                {"t": app.tenant_id, "a": app.id},
            )


async def test_writing_uses_is_nobodys_statement(units: Units, database: Database) -> None:
    app = await new_app(units)
    before = database.statements
    await write_uses(database, app.tenant_id, {Use(app.id, UseKind.FIELD, "T.f"): 1}, NOW)
    assert database.statements == before


async def test_the_world_learns_which_origins_are_allowed_and_not_by_whom(units: Units, database: Database) -> None:
    await new_app(units, allowed_origins=["https://a.example", "https://b.example"])
    await new_app(units, allowed_origins=["https://a.example"])
    rows = await database.platform_rows(KNOWN_ORIGINS)
    assert sorted(tuple(row) for row in rows) == [("https://a.example",), ("https://b.example",)]


@pytest.fixture
async def deployer(settings: Settings, admin: Database) -> AsyncIterator[Any]:
    """The engine of a migrator who is no superuser: a member of the roles that the first migration gives it."""
    async with admin.engine.begin() as connection:
        await connection.execute(sql("create role deployer login password 'deploys' nosuperuser nobypassrls"))
        await connection.execute(sql("grant fabula_owner, fabula_members to deployer"))
    secret = type(settings.app_password)("deploys")
    url = role_url(settings.database_url, "deployer", secret).get_secret_value()
    engine = create_engine(url, pool_size=0)
    yield engine
    await engine.dispose()
    async with admin.engine.begin() as connection:
        await connection.execute(sql("drop role deployer"))


async def test_an_operator_without_a_superusers_rights_reaches_every_registry(
    deployer: Any, units: Units, admin: Database
) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(sql("delete from app.trusted_documents"))
    one, other = await new_app(units), await new_app(units)
    for app in (one, other):
        async with registry.store_of(deployer, app.tenant_id) as store:
            await enter_documents(store, app.id, [measured("a"), measured("b", "today")])
    await registry.put_first_party(deployer, [measured("c"), measured("d", "today")], bundled=True)
    found = [entry async for entry in registry.outdated(deployer, "today")]
    assert {(entry.tenant_id, entry.app, entry.text) for entry in found} == {
        (one.tenant_id, "Reader", "a"), (other.tenant_id, "Reader", "a"), (None, "first-party", "c"),
    }  # fmt: skip
    for entry in found:
        await registry.renew(deployer, entry, measured(entry.text, "today"))
    assert [entry async for entry in registry.outdated(deployer, "today")] == []
    assert await registry.measured_bundle(deployer, "today") == {document_hash("c"), document_hash("d")}
    assert await registry.tenant_of(deployer, other.id) == other.tenant_id
    assert await registry.tenant_of(deployer, ClientAppId(new_id())) is None
