"""What stood in clear before 0009 is kept, and what was told too openly loses what may be secret."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.database import create_engine
from persistence.migrate import config
from tests.conftest import Servers

TENANT = "00000000-0000-7000-8000-000000000001"
URL = "https://app.example:8443/hooks/a-secret?key=another"
BEFORE = f"""
    insert into app.tenants (tenant_id, slug, name) values ('{TENANT}', 'one', 'One');
    insert into app.webhook_endpoints (tenant_id, id, url, events, secret)
        values ('{TENANT}', '{TENANT}', '{URL}', '[]', 'whsec_clear');
    insert into app.mails (tenant_id, id, recipient, locale, template, params)
        values ('{TENANT}', '{TENANT}', 'a@b', 'en', 'webhook_disabled', '{{"name": "Mei", "url": "{URL}"}}');
    insert into app.users (id, email, display_name, password_hash) values ('{TENANT}', 'a@b', 'Mei', '');
    insert into app.memberships (tenant_id, user_id, role) values ('{TENANT}', '{TENANT}', 'OWNER');
    insert into app.notifications (tenant_id, id, user_id, kind, params)
        values ('{TENANT}', '{TENANT}', '{TENANT}', 'WEBHOOK_DISABLED', '{{"url": "{URL}"}}')
"""


@pytest.fixture
async def before(servers: Servers, template: str) -> AsyncIterator[AsyncEngine]:
    """A database at 0008 with what was there then."""
    postgres = create_engine(servers.postgres.url(database="postgres"), pool_size=0)
    async with postgres.connect() as server:
        autocommit = await server.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("create database before_review"))
    engine = create_engine(servers.postgres.url(database="before_review"), pool_size=0)
    async with engine.connect() as connection:
        await connection.run_sync(_to, "0008")
        for statement in BEFORE.split(";\n"):
            await connection.exec_driver_sql(statement)
        await connection.commit()
    yield engine
    await engine.dispose()
    async with postgres.connect() as server:
        autocommit = await server.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("drop database before_review with (force)"))
    await postgres.dispose()


def _to(connection: Connection, revision: str) -> None:
    command.upgrade(config(connection), revision)


def _back(connection: Connection) -> None:
    command.downgrade(config(connection), "0008")


async def test_secrets_go_on_and_addresses_that_were_told_become_hosts(before: AsyncEngine) -> None:
    async with before.connect() as connection:
        await connection.run_sync(_to, "0009")
        await connection.commit()
        assert (await connection.scalar(text("select secret from app.webhook_endpoints"))) == b"whsec_clear"
        assert (await connection.scalar(text("select params from app.mails"))) == {
            "name": "Mei", "host": "app.example:8443"}  # fmt: skip
        assert (await connection.scalar(text("select params from app.notifications"))) == {"host": "app.example:8443"}


async def test_the_way_back_keeps_a_secret_in_clear_and_forgets_a_sealed_one(before: AsyncEngine) -> None:
    async with before.connect() as connection:
        await connection.run_sync(_to, "0009")
        await connection.execute(
            text(
                "insert into app.webhook_endpoints (tenant_id, id, url, events, secret) "
                "values (:t, gen_random_uuid(), 'x', '[]', '\\x01ff')"
            ),
            {"t": TENANT},
        )
        await connection.run_sync(_back)
        await connection.commit()
        secrets = await connection.scalars(text("select secret from app.webhook_endpoints order by secret"))
        assert list(secrets) == ["", "whsec_clear"]
        await connection.run_sync(_to, "0009")
        await connection.commit()
