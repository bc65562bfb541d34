"""What the platform does about published assistants: it reads what people report, and takes assistants off the market.

Both need the migrator's rights, which go on to the owner of the tables: the application may do neither.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.ids import AssistantId
from persistence.assistants.tables import assistant_reports, public_assistants

_public, _report = public_assistants.c, assistant_reports.c


@asynccontextmanager
async def _owner(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.begin() as connection:
        await connection.execute(text("set local role fabula_owner"))
        yield connection


async def reports(engine: AsyncEngine, most: int) -> list[Any]:
    """The newest reports of assistants that are not off the market yet."""
    found = (
        select(
            _report.assistant_id, _public.name, _public.publisher_id, _report.created_at, _report.user_id,
            _report.reason, _report.words,
        )
        .join(public_assistants, _public.id == _report.assistant_id)
        .where(_public.removed_at.is_(None))
        .order_by(_report.created_at.desc())
        .limit(most)
    )  # fmt: skip
    async with _owner(engine) as connection:
        return list((await connection.execute(found)).all())


async def withdraw(engine: AsyncEngine, assistant_id: AssistantId, *, removed: bool = True) -> bool:
    """Take it off the market, so that it cannot be published again; or let it be. False when it was never published."""
    change = {"withdrawn_at": func.coalesce(_public.withdrawn_at, func.now()), "removed_at": func.now()}
    values = change if removed else {"removed_at": None}
    async with _owner(engine) as connection:
        done = await connection.execute(update(public_assistants).where(_public.id == assistant_id).values(values))
    return done.rowcount > 0
