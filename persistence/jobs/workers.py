"""Worker processes report that they live; those that have not for a minute are forgotten."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, literal
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from persistence.jobs.tables import workers

FORGET_S = 60


async def report_worker(engine: AsyncEngine, worker_id: str, threads: int, busy: int) -> None:
    seen = {"last_seen_at": func.now(), "busy": busy}
    async with engine.begin() as connection:
        await connection.execute(
            insert(workers)
            .values(id=worker_id, threads=threads, **seen)
            .on_conflict_do_update(index_elements=["id"], set_=seen)
        )
        gone = func.now() - literal(timedelta(seconds=FORGET_S))
        await connection.execute(delete(workers).where(workers.c.last_seen_at < gone))


async def forget_worker(engine: AsyncEngine, worker_id: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(workers).where(workers.c.id == worker_id))
