"""What was published before 0028 is seen as it was, and what was surely said in public goes on being public."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.database import create_engine
from persistence.migrate import config
from tests.conftest import Servers

T, PRIVATE, SHARED, PUBLIC = (f"00000000-0000-7000-8000-00000000000{n}" for n in range(1, 5))
OLD, NEW = (f"00000000-0000-7000-8000-00000000001{n}" for n in range(2))
READERS = [f"00000000-0000-7000-8000-00000000002{n}" for n in range(2)]
USERS = ", ".join(f"('{one}', '{one}@b', 'Mei', '')" for one in (T, *READERS))
OWN = ", ".join(
    f"('{T}', '{one}', '{T}', 'x', '{who}', '{NEW}')"
    for one, who in ((PRIVATE, "PRIVATE"), (SHARED, "TENANT"), (PUBLIC, "PUBLIC"))
)
BEFORE = f"""
    insert into app.tenants (tenant_id, slug, name) values ('{T}', 'one', 'One');
    insert into app.users (id, email, display_name, password_hash) values {USERS};
    insert into app.memberships (tenant_id, user_id, role) values ('{T}', '{T}', 'OWNER');
    insert into app.assistants (tenant_id, id, owner_id, name, visibility, current_version_id) values {OWN};
    insert into app.public_assistants (id, publisher_id, publisher, name, category, current_version_id, updated_at)
        values ('{PUBLIC}', '{T}', 'Mei', 'x', 'OTHER', '{OLD}', now() - interval '1 day');
    insert into app.assistant_marks (assistant_id, user_id, stars, words, rated_at) values
        ('{PUBLIC}', '{READERS[0]}', 5, 'before', now() - interval '2 days'),
        ('{PUBLIC}', '{READERS[1]}', 5, 'since', now())
"""
STRANGER = text("select set_config('app.tenant_id', :id, false)").bindparams(id=READERS[0])
REVIEWS = text("select words from app.reviews_of(array[cast(:id as uuid)], 9)").bindparams(id=PUBLIC)


@pytest.fixture
async def before(servers: Servers, template: str) -> AsyncIterator[AsyncConnection]:
    """A database as it was before the migration, with what was there then."""
    postgres = create_engine(servers.postgres.url(database="postgres"), pool_size=0)
    async with postgres.connect() as server:
        autocommit = await server.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("create database before_shown"))
    engine = create_engine(servers.postgres.url(database="before_shown"), pool_size=0)
    async with engine.connect() as connection:
        await connection.run_sync(_to, "0028-1")
        for statement in BEFORE.split(";\n"):
            await connection.exec_driver_sql(statement)
        await connection.commit()
        yield connection
    await engine.dispose()
    async with postgres.connect() as server:
        autocommit = await server.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("drop database before_shown with (force)"))
    await postgres.dispose()


def _to(connection: Connection, revision: str) -> None:
    command.upgrade(config(connection), revision)


def _back(connection: Connection) -> None:
    command.downgrade(config(connection), "0028-1")


async def read(connection: AsyncConnection) -> list[str]:
    """What another tenant reads."""
    await connection.execute(STRANGER)
    return list(await connection.scalars(REVIEWS))


async def test_what_was_seen_is_seen_and_the_way_back_is_whole(before: AsyncConnection) -> None:
    await before.run_sync(_to, "0028")
    await before.commit()
    told = await before.execute(text("select id::text, published_version_id::text from app.assistants order by id"))
    assert [tuple(one) for one in told] == [(PRIVATE, None), (SHARED, NEW), (PUBLIC, OLD)]
    assert await read(before) == ["since"]
    await before.run_sync(_back)
    await before.commit()
    assert await read(before) == ["since", "before"]
    await before.run_sync(_to, "0028")
    await before.commit()
    assert await read(before) == ["since"]
