"""The wall between tenants, read from PostgreSQL's own catalogue. A table that forgets a part of it is named."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.settings import Settings
from domain.ids import TenantId, new_id
from domain.knowledge.embedding import INDEXED_DIMENSIONS
from persistence.database import Database, create_engine
from persistence.metadata import PLATFORM
from persistence.tables import metadata

WORD = re.compile(r"'(\w+)'")
PLATFORM_TABLES = {
    "users",
    "prices",
    "queue_controls",
    "workers",
    "platform_documents",
    "schedules",
    "invoice_counters",
    "plans",
    "plan_versions",
    "coupons",
    "payment_events",
    "public_assistants",
    "public_assistant_versions",
    "assistant_marks",
    "assistant_reports",
}

UNPROTECTED = """
    select c.relname from pg_class c
    where c.relnamespace = 'app'::regnamespace and c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity)
"""
UNGUARDED = """
    select c.relname from pg_class c
    where c.relnamespace = 'app'::regnamespace and c.relkind = 'r' and c.relrowsecurity and not exists (
        select 1 from pg_policy p where p.polrelid = c.oid and p.polcmd = '*'
        and pg_get_expr(p.polqual, p.polrelid) like '%tid()%' and pg_get_expr(p.polwithcheck, p.polrelid) like '%tid()%')
"""
UNLED_KEYS = """
    select conrelid::regclass || '.' || conname from pg_constraint
    join pg_class c on c.oid = conrelid and c.relrowsecurity
    where connamespace = 'app'::regnamespace and contype in ('p', 'u') and (
        select attname from pg_attribute where attrelid = conrelid and attnum = conkey[1]) <> 'tenant_id'
"""
UNLED_UNIQUE_INDEXES = """
    select i.indexrelid::regclass::text from pg_index i join pg_class c on c.oid = i.indrelid and c.relrowsecurity
    where c.relnamespace = 'app'::regnamespace and i.indisunique and (
        select attname from pg_attribute where attrelid = i.indrelid and attnum = i.indkey[0]) <> 'tenant_id'
"""
CROSSING_REFERENCES = """
    select k.conrelid::regclass || '.' || k.conname from pg_constraint k
    join pg_class target on target.oid = k.confrelid and target.relrowsecurity
    where k.connamespace = 'app'::regnamespace and k.contype = 'f' and not (
        (select attname from pg_attribute where attrelid = k.conrelid and attnum = k.conkey[1]) = 'tenant_id'
        and (select attname from pg_attribute where attrelid = k.confrelid and attnum = k.confkey[1]) = 'tenant_id')
"""
LEAKY_INDEXES = """
    select distinct i.indexrelid::regclass::text
    from pg_index i
    join pg_class c on c.oid = i.indrelid and c.relrowsecurity
    cross join unnest(i.indclass::oid[]) as used(opclass)
    join pg_opclass o on o.oid = used.opclass
    join pg_amop m on m.amopfamily = o.opcfamily and m.amoplefttype = o.opcintype and m.amoprighttype = o.opcintype
    join pg_operator op on op.oid = m.amopopr
    join pg_proc f on f.oid = op.oprcode
    where c.relnamespace = 'app'::regnamespace and not f.proleakproof
"""
WALK = (UNPROTECTED, UNGUARDED, UNLED_KEYS, UNLED_UNIQUE_INDEXES, CROSSING_REFERENCES)


async def faults(connection: AsyncConnection) -> set[str]:
    """Everything in the schema that is not as a tenant's table must be."""
    found: set[str] = set()
    for question in WALK:
        found |= {row[0] for row in await connection.execute(text(question))}
    return found - PLATFORM_TABLES


@pytest.fixture
async def scratch(admin: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction to plant defects in, rolled back."""
    async with admin.engine.connect() as connection:
        yield connection
        await connection.rollback()


async def test_every_tenant_table_stands_behind_the_wall(scratch: AsyncConnection) -> None:
    assert await faults(scratch) == set()


async def test_the_tables_without_a_tenant_are_these_and_no_others(scratch: AsyncConnection) -> None:
    rows = await scratch.execute(text(UNPROTECTED))
    assert {row[0] for row in rows} == PLATFORM_TABLES
    assert {table.name for table in metadata.tables.values() if table.info == PLATFORM} == PLATFORM_TABLES


@pytest.mark.parametrize(
    ("defect", "named"),
    [
        ("create table app.loose (tenant_id uuid, id uuid, primary key (tenant_id, id))", "loose"),
        ("alter table app.projects no force row level security", "projects"),
        ("drop policy tenant on app.jobs", "jobs"),
        ("alter policy tenant on app.jobs with check (true)", "jobs"),
        ("alter table app.projects add unique (id)", "app.projects.projects_id_key"),
        ("create unique index stray on app.projects (title)", "app.stray"),
        (
            "alter table app.codex_entries add foreign key (project_id) references app.projects (id)",
            "app.codex_entries.codex_entries_project_id_fkey",
        ),
    ],
)
async def test_a_planted_hole_in_the_wall_is_found(scratch: AsyncConnection, defect: str, named: str) -> None:
    if "references app.projects (id)" in defect:
        await scratch.execute(text("alter table app.projects add unique (id)"))
    await scratch.execute(text(defect))
    assert named in await faults(scratch)


async def test_no_index_needs_an_operator_that_row_security_distrusts(scratch: AsyncConnection) -> None:
    """Under row security such an index goes unused. `@@` is made leakproof by the migration where that is allowed."""
    rows = await scratch.execute(text(LEAKY_INDEXES))
    nearest = {
        f"app.chunk_vectors_near_{length}_idx" for length in INDEXED_DIMENSIONS
    }  # these order, and select nothing
    assert {row[0] for row in rows} - nearest <= {"app.passages_tsv_idx", "app.knowledge_chunks_tsv_idx"}
    await scratch.execute(text("create index distrusted on app.codex_entries (tenant_id, aliases)"))
    rows = await scratch.execute(text(LEAKY_INDEXES))
    assert "app.distrusted" in {row[0] for row in rows}


async def test_the_application_owns_nothing_and_cannot_climb_the_wall(scratch: AsyncConnection) -> None:
    owned = text("select relname from pg_class where relowner in ('fabula_app'::regrole, 'fabula_relay'::regrole)")
    assert (await scratch.execute(owned)).all() == []
    roles = text("select rolname from pg_roles where rolname like 'fabula%' and (rolbypassrls or rolsuper)")
    assert (await scratch.execute(roles)).all() == []


async def test_a_forgotten_scope_fails_closed(database: Database) -> None:
    for statement in ("select * from app.projects", "select * from app.jobs"):
        with pytest.raises(DBAPIError, match=r"app\.tenant_id|invalid input syntax for type uuid"):
            await database.platform_rows(text(statement))


async def test_a_row_of_another_tenant_can_be_neither_written_nor_seen(database: Database) -> None:
    mine, other = TenantId(new_id()), TenantId(new_id())
    insert = text("insert into app.tenants (tenant_id, slug, name) values (:id, :slug, 'x')")
    async with database.read(mine) as connection:
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(insert, {"id": other, "slug": "other"})
    async with database.read(mine) as connection:
        await connection.execute(insert, {"id": mine, "slug": "mine"})
        await connection.commit()
    assert len(await database.rows(mine, text("select 1 from app.tenants"))) == 1
    assert await database.rows(other, text("select 1 from app.tenants")) == []


async def test_a_row_cannot_be_moved_to_another_tenant(database: Database) -> None:
    mine = TenantId(new_id())
    async with database.read(mine) as connection:
        await connection.execute(
            text("insert into app.tenants (tenant_id, slug, name) values (:id, 'm', 'x')"), {"id": mine}
        )
        with pytest.raises(DBAPIError, match="row-level security"):
            await connection.execute(text("update app.tenants set tenant_id = :other"), {"other": new_id()})


async def test_another_tenants_row_can_be_neither_changed_nor_deleted(database: Database, admin: Database) -> None:
    mine, theirs = TenantId(new_id()), TenantId(new_id())
    async with admin.engine.begin() as connection:
        for tenant in (mine, theirs):
            await connection.execute(
                text("insert into app.tenants (tenant_id, slug, name) values (:id, :s, 'x')"),
                {"id": tenant, "s": str(tenant)},
            )
        await connection.execute(
            text("insert into app.idempotency_keys values (:t, 'p', 'o', 'k', '', null, now())"), {"t": theirs}
        )
    async with database.read(mine) as connection:
        assert (await connection.execute(text("update app.tenants set name = 'y'"))).rowcount == 1
        assert (await connection.execute(text("delete from app.idempotency_keys"))).rowcount == 0


async def test_a_reference_to_another_tenants_row_cannot_be_stored(admin: Database) -> None:
    """Foreign keys see through row security: only a composite key stops this."""
    one, two, project = TenantId(new_id()), TenantId(new_id()), new_id()
    async with admin.engine.connect() as connection:
        for tenant in (one, two):
            await connection.execute(
                text("insert into app.tenants (tenant_id, slug, name) values (:id, :s, 'x')"),
                {"id": tenant, "s": str(tenant)},
            )
        await connection.execute(
            text("insert into app.projects (tenant_id, id, title) values (:t, :p, 'x')"), {"t": one, "p": project}
        )
        with pytest.raises(DBAPIError, match="outline_nodes_tenant_id_project_id_fkey"):
            await connection.execute(
                text(
                    "insert into app.outline_nodes (tenant_id, id, project_id, kind, title, position, path) "
                    "values (:t, :n, :p, 'CHAPTER', 'x', 'V', 'V')"
                ),
                {"t": two, "n": new_id(), "p": project},
            )


async def test_the_relay_sees_only_where_work_waits(settings: Settings) -> None:
    relay = Database(create_engine(settings.database_relay_url.get_secret_value(), pool_size=1))
    await relay.platform_rows(text("select tenant_id, id, state from app.jobs"))
    for statement in (
        "select error_message from app.jobs",
        "select title from app.projects",
        "select text from app.text_versions",
        "update app.jobs set state = 'FAILED'",
        "delete from app.outbox",
        "select email from app.users",
        "select recipient from app.mails",
        "update app.mails set state = 'SENT'",
        "select secret from app.webhook_endpoints",
        "select body from app.webhook_deliveries",
        "select params from app.notifications",
        "select body_hash from app.idempotency_keys",
        "delete from app.idempotency_keys",
        "select action from app.audit_entries",
        "select plan_version_id from app.subscriptions",
        "update app.schedules set enabled = false",
        "select amount_micros from app.payments",
        "select threshold_micros from app.automatic_top_ups",
        "select event_id from app.payment_events",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            await relay.platform_rows(text(statement))
    await relay.close()


async def test_the_application_may_not_write_what_the_platform_decides(database: Database) -> None:
    for statement in (
        "update app.prices set input_micros = 0",
        "update app.prices set valid_to = now()",
        "delete from app.prices",
        "update app.platform_documents set text = 'x'",
        "update app.plans set public = true",
        "update app.plan_versions set price_micros = 0",
        "delete from app.plan_versions",
        "update app.coupons set value = 1",
        "update app.coupon_redemptions set coupon_id = id",
        "delete from app.users",
        "update app.schedules set enabled = false",
        "update app.payments set amount_micros = 1",
        "delete from app.payments",
        "select publisher_id from app.public_assistants",
        "update app.public_assistants set likes = 1",
        "update app.assistants set likes = 1",
        "update app.assistant_versions set prompt = ''",
        "insert into app.public_assistant_versions (id, assistant_id, number, prompt) select id, id, 1, '' from app.users",
        "select stars from app.assistant_marks",
        "select words from app.assistant_reports",
        "select app.count_for_assistant(gen_random_uuid(), 1)",
        "update app.payment_refunds set amount_micros = 1",
        "create table app.mine (id int)",
        "alter table app.projects disable row level security",
        "set role fabula_owner",
    ):
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await database.platform_rows(text(statement))


async def test_the_migrations_make_what_the_code_maps(admin: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        options = {"include_schemas": True, "include_name": lambda name, kind, _: name == "app" or kind != "schema"}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with admin.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_column_of_choices_allows_the_same_words_in_the_code_and_in_the_database(admin: Database) -> None:
    found = await admin.platform_rows(
        text(
            "select conname, pg_get_constraintdef(oid) as rule from pg_constraint "
            "where connamespace = 'app'::regnamespace and contype = 'c'"
        )
    )
    in_database = {one.conname: set(WORD.findall(one.rule)) for one in found}
    in_code = {
        str(rule.name): set(WORD.findall(str(rule.sqltext)))
        for table in metadata.tables.values()
        for rule in table.constraints
        if isinstance(rule, CheckConstraint) and " in (" in str(rule.sqltext)
    }
    assert "channels_provider_check" in in_code
    assert {name: words for name, words in in_code.items() if in_database.get(name) != words} == {}
