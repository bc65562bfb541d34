"""Connections: one engine a role, and the two scopes in which a tenant's rows can be seen.

    read scope      one short read-only transaction with the tenant set; for queries
    unit of work    one transaction that commits at its end; for use cases (persistence.unit_of_work)

Both set `app.tenant_id` transaction-locally, so a pooled connection never carries a tenant into another request.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg
import orjson
from opentelemetry import metrics
from sqlalchemy import Executable, Row, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from domain.ids import TenantId
from persistence.shapes import Row as ShapeRow
from persistence.shapes import Shape

SET_TENANT = text("select set_config('app.tenant_id', :tenant, true)")
POOL_SIZE = 20
POOL_WAIT_S = 10
UNCOUNTED = "fabula_uncounted"
"""An execution option: the statement belongs to no request."""
READ_POOL_SIZE = 10
_SHAPED = "shaped"
_READ_ONLY = {
    "application_name": "fabula-reads",
    "default_transaction_read_only": "on",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",  # the plans of shapes do not depend on their values
}


async def _read_json(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=orjson.dumps, decoder=orjson.loads)


async def _nothing_to_reset(_connection: Any) -> None:
    """A shape leaves nothing behind in its session."""


_sent: Counter[str] = Counter()
"""Statements by the part of the product that sends them: added up here, because a metric costs more than adding."""
metrics.get_meter("fabula.persistence").create_observable_counter(
    "fabula.sql.statements",
    [lambda _: [metrics.Observation(count, {"application": name}) for name, count in _sent.items()]],
    description="Statements sent to PostgreSQL, by the part of the product that sends them.",
)


def create_engine(url: str, *, pool_size: int = POOL_SIZE, application: str = "fabula") -> AsyncEngine:
    """An engine for `postgresql://role:password@host/database`; `pool_size` 0 opens a connection for each use."""
    options: dict[str, Any] = (
        {"poolclass": NullPool}
        if pool_size == 0
        else {"pool_size": pool_size, "max_overflow": 0, "pool_timeout": POOL_WAIT_S, "pool_pre_ping": False}
    )
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+asyncpg://", 1),
        connect_args={"ssl": False, "server_settings": {"application_name": application, "jit": "off"}},
        **options,
    )
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *_: _sent.update((application,)))
    return engine


PoolFull = PoolTimeout
"""No connection came free for as long as one waits: there is more to do than can be done."""
OUTAGES = (DBAPIError, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
"""What a statement raises while PostgreSQL is away. `is_outage` tells it from a statement that is wrong."""


_AWAY = ("08", "57P", "53300")
"""SQLSTATEs: connection exceptions, shutdown and start-up, too many connections."""


def is_outage(error: BaseException) -> bool:
    """A lost or refused connection, one that is not to be had, or a server that is starting or stopping."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate or "").startswith(_AWAY)
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return error.connection_invalidated or not state or state.startswith(_AWAY)


class Database:
    """Reads as one role. `statements` counts what was sent, without transaction control and tenant scoping."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.statements = 0
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()
        event.listen(engine.sync_engine, "before_cursor_execute", self._count)

    def _count(self, connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "set_config('app.tenant_id'" not in statement and not connection.get_execution_options().get(UNCOUNTED):
            self.statements += 1

    @asynccontextmanager
    async def read(self, tenant_id: TenantId) -> AsyncIterator[AsyncConnection]:
        connection = await self._scoped(tenant_id)
        try:
            yield connection
        finally:
            await connection.close()

    async def _scoped(self, tenant_id: TenantId, *, again: bool = True) -> AsyncConnection:
        """A connection inside the tenant. One that broke while it lay in the pool is replaced, once."""
        connection = await self.engine.connect()
        try:
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
        except DBAPIError as error:
            await connection.close()
            if not again or not is_outage(error):
                raise
            return await self._scoped(tenant_id, again=False)
        return connection

    async def rows(self, tenant_id: TenantId, statement: Executable) -> Sequence[Row[Any]]:
        async with self.read(tenant_id) as connection:
            return (await connection.execute(statement)).all()

    async def shaped(self, tenant_id: TenantId, asked: Shape, **values: Any) -> list[ShapeRow]:
        """The rows of one statement that sets the tenant for itself: a fifth of the cost of `rows`."""
        return await self._fetch(asked.text, asked.values({"tenant": tenant_id, **values}))

    async def _fetch(self, text: str, values: list[Any], *, again: bool = True) -> list[ShapeRow]:
        pool = self._pool or await self._open_pool()
        self.statements += 1
        _sent[_SHAPED] += 1
        try:
            connection = await pool.acquire(timeout=POOL_WAIT_S)
        except TimeoutError:
            raise PoolFull("no connection of the reads came free") from None
        try:
            return await connection.fetch(text, *values)  # type: ignore[no-any-return]
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if not again or not is_outage(error):
                raise
        finally:
            await pool.release(connection)
        return await self._fetch(text, values, again=False)  # it broke while it lay in the pool

    async def explained(
        self, tenant_id: TenantId, asked: Shape, form: Literal["json", "text"], *, analyze: bool = False, **values: Any
    ) -> str:
        """PostgreSQL's plan for what `shaped` sends, made as for `shaped`; with `analyze` the statement is run.

        The plan of EXPLAIN SELECT would be made for these values, and requests are answered by one for any values.
        """
        pool = self._pool or await self._open_pool()
        self.statements += 1
        options = f"format {form}, analyze {analyze}, buffers {analyze}"
        async with pool.acquire(timeout=POOL_WAIT_S) as connection:
            prepared = await connection.prepare(asked.text)
            types = [f"${n}::{one.schema}.{one.name}" for n, one in enumerate(prepared.get_parameters(), 1)]
            quoted = ", ".join(f"quote_nullable({one}::text)" for one in types)
            literals = await connection.fetchval(
                f"select array[{quoted}]", *asked.values({"tenant": tenant_id, **values})
            )
            command = f'explain ({options}) execute "{prepared.get_name()}" ({", ".join(literals)})'
            return "\n".join(row[0] for row in await connection.fetch(command))

    async def _open_pool(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
                    min_size=1, max_size=READ_POOL_SIZE, ssl=False, record_class=ShapeRow, init=_read_json, reset=_nothing_to_reset,
                    statement_cache_size=1_000, max_cached_statement_lifetime=0,
                    server_settings=_READ_ONLY,
                )  # fmt: skip
        return self._pool

    async def change(self, tenant_id: TenantId, statement: Executable) -> None:
        """One statement that belongs to no use case, such as noting that a token was used."""
        async with self.read(tenant_id) as connection:
            await connection.execute(statement)
            await connection.commit()

    async def platform_rows(self, statement: Executable) -> Sequence[Row[Any]]:
        """Rows of tables that belong to no tenant."""
        async with self.engine.connect() as connection:
            return (await connection.execute(statement)).all()

    async def ping(self) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(text("select 1"))

    async def close(self) -> None:
        await self.engine.dispose()
        if self._pool is not None:
            await self._pool.close()
