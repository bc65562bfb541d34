"""The channels that the operator's environment sets up, as rows of the platform. Written by the migrator's role."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import exists, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.channels.entities import PLATFORM_TENANT, Channel
from persistence.channels.tables import channels
from persistence.database import SET_TENANT

_SAID = ("name", "provider", "offers", "base_url", "secret_ref", "cancel_policy", "is_default")
"""What the environment decides. Weight, limits and the rest are the administrators' to set."""
ENVIRONMENT = {"from": "environment"}
"""Marks these channels in their options: others of the platform are left alone."""


async def sync_channels(engine: AsyncEngine, wanted: Sequence[Channel]) -> None:
    """Make the table say what the environment says. A channel that is gone is switched off: generations name it."""
    async with engine.begin() as connection:
        await connection.execute(SET_TENANT, {"tenant": str(PLATFORM_TENANT)})
        marked = channels.c.options.contains(ENVIRONMENT)
        of_platform = channels.c.tenant_id == PLATFORM_TENANT
        gone = marked & channels.c.id.not_in([one.id for one in wanted])
        await connection.execute(update(channels).where(of_platform, gone).values(enabled=False, is_default=False))
        chosen = channels.c.is_default & channels.c.enabled & ~marked
        kept = await connection.scalar(select(exists().where(of_platform, chosen)))
        others = marked if kept else true()
        await connection.execute(update(channels).where(of_platform, others).values(is_default=False))
        for one in wanted:
            said = {name: getattr(one, name) for name in _SAID} | {"is_default": one.is_default and not kept}
            statement = insert(channels).values(tenant_id=PLATFORM_TENANT, id=one.id, options=ENVIRONMENT, **said)
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["tenant_id", "id"],
                    set_={**said, "enabled": True, "deleted_at": None, "updated_at": func.now()},
                )
            )
