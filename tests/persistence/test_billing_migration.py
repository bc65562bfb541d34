"""A ledger from before there were grants keeps its money, and its usage gets its days."""

from __future__ import annotations

from typing import Any

from alembic import command
from sqlalchemy import Connection, text

from persistence.database import create_engine
from persistence.migrate import config
from tests.conftest import Servers

BEFORE = """
    insert into app.tenants (tenant_id, slug, name) values ('{one}', 'one', 'One'), ('{two}', 'two', 'Two');
    insert into app.ledger_accounts (tenant_id, kind)
        select tenant_id, kind from app.tenants, unnest(array['AVAILABLE', 'HELD', 'SPENT', 'FUNDING', 'OVERRUN']) kind;
    insert into app.ledger_entries (tenant_id, id, kind, reference) values ('{one}', '{one}', 'TOP_UP', 'first');
    insert into app.ledger_postings values
        ('{one}', '{one}', 'AVAILABLE', 700), ('{one}', '{one}', 'HELD', 300), ('{one}', '{one}', 'FUNDING', -1000);
    insert into app.jobs (tenant_id, id, kind, queue, principal, requested_by)
        values ('{one}', '{job}', 'generation.chapter', 'generation', 'token:{two}', '{job}');
    insert into app.usage_records (tenant_id, job_id, attempt, kind, model, channel, input_tokens, cached_input_tokens,
        output_tokens, reasoning_tokens, source, cost_micros, billed, occurred_at)
        select '{one}', '{job}', n, 'LLM', 'm', 'c', 10, 1, 5, 0, 'ESTIMATE', 7, true, '2026-01-02T23:59:59Z'
        from generate_series(1, 2) as n;
    insert into app.prices (id, model, input_micros, cached_input_micros, output_micros, valid_from) values
        (gen_random_uuid(), 'm', 1, 1, 1, '2026-01-01T00:00:00Z'), (gen_random_uuid(), 'm', 2, 2, 2, '2026-02-01T00:00:00Z');
"""
ONE, TWO, JOB = (f"00000000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))


def _upgrade(connection: Connection, revision: str) -> None:
    command.upgrade(config(connection), revision)


async def test_what_a_wallet_had_becomes_a_grant_and_what_was_used_its_day(servers: Servers, template: str) -> None:
    postgres = create_engine(servers.postgres.url(database="postgres"), pool_size=0)
    async with postgres.connect() as server:
        autocommit = await server.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("create database before_grants"))
    engine = create_engine(servers.postgres.url(database="before_grants"), pool_size=0)

    async def rows(statement: str) -> list[tuple[Any, ...]]:
        async with engine.connect() as connection:
            return [tuple(one) for one in await connection.execute(text(statement))]

    async with engine.connect() as connection:
        await connection.run_sync(_upgrade, "0002")
        for statement in BEFORE.format(one=ONE, two=TWO, job=JOB).split(";\n")[:-1]:
            await connection.execute(text(statement))
        await connection.commit()
        await connection.run_sync(_upgrade, "0004")
        await connection.commit()
    assert await rows("select tenant_id::text, source, amount_micros, left_micros, expires_at from app.grants") == [
        (ONE, "TOPUP", 1_000, 1_000, None)]  # fmt: skip
    assert await rows("select count(*) from app.ledger_accounts group by tenant_id") == [(9,), (9,)]
    used = "select distinct user_id::text, api_token_id::text, channel_id from app.usage_records"
    assert await rows(used) == [(JOB, TWO, None)]
    days = "select day::text, input_tokens, cost_micros, records, user_id::text from app.usage_days"
    assert await rows(days) == [("2026-01-02", 20, 14, 2, JOB)]
    prices = "select input_micros, valid_to::text from app.prices where model = 'm' order by valid_from"
    assert await rows(prices) == [(1, "2026-02-01 00:00:00+00"), (2, None)]
    async with postgres.connect() as server:
        autocommit = await server.execution_options(isolation_level="AUTOCOMMIT")
        await autocommit.execute(text("drop database before_grants with (force)"))
    await engine.dispose()
    await postgres.dispose()
