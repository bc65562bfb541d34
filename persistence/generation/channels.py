"""The operator's channels as rows. Written by the migrator's role alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.generation.entities import Channel
from persistence.generation.tables import channels


async def sync_channels(engine: AsyncEngine, wanted: Sequence[Channel]) -> None:
    """Make the table say what the environment says. A channel that is gone is switched off: generations name it."""
    async with engine.begin() as connection:
        await connection.execute(update(channels).values(enabled=False, is_default=False))
        for one in wanted:
            values = {
                "name": one.name, "provider": one.provider, "model": one.model, "base_url": one.base_url,
                "secret_ref": one.secret_ref, "context_window": one.context_window, "is_default": one.is_default,
                "enabled": True,
            }  # fmt: skip
            statement = insert(channels).values(id=one.id, **values)
            await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
