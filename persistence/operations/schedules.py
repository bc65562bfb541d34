"""Schedules as the relay's role sees them: which is due, held by its row's lock while it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from persistence.operations.tables import schedules


@dataclass(frozen=True, slots=True)
class Tick:
    """A schedule whose time has come. Whoever has it keeps every other process from it until the block ends."""

    name: str
    cron: str
    now: datetime
    _connection: AsyncConnection

    async def done(self, next_run_at: datetime, error: str | None) -> None:
        row = {"last_run_at": func.clock_timestamp(), "next_run_at": next_run_at, "last_error": error}
        await self._connection.execute(update(schedules).where(schedules.c.name == self.name).values(row))


class Schedules:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def now(self) -> datetime:
        async with self._engine.connect() as connection:
            now: datetime = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        return now

    async def announce(self, crons: Mapping[str, tuple[str, datetime]]) -> None:
        """Add what is not there: cron expression and first time by name. One whose expression has changed starts anew."""
        rows = [{"name": name, "cron": cron, "next_run_at": first} for name, (cron, first) in sorted(crons.items())]
        statement = insert(schedules).values(rows)
        values = {"cron": statement.excluded.cron, "next_run_at": statement.excluded.next_run_at}
        async with self._engine.begin() as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["name"], set_=values, where=schedules.c.cron != statement.excluded.cron
                )
            )

    @asynccontextmanager
    async def due(self, names: list[str]) -> AsyncIterator[Tick | None]:
        """The one of these that has been due the longest, unless another process has it."""
        statement = (
            select(schedules.c.name, schedules.c.cron, func.clock_timestamp().label("now"))
            .where(
                schedules.c.enabled, schedules.c.next_run_at <= func.clock_timestamp(), schedules.c.name.in_(names),
            )
            .order_by(schedules.c.next_run_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )  # fmt: skip
        async with self._engine.begin() as connection:
            row = (await connection.execute(statement)).first()
            yield Tick(row.name, row.cron, row.now, connection) if row is not None else None
