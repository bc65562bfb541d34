"""The channels that the operator's environment sets up, as rows of the platform. Written by the migrator's role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import case, exists, func, literal, null, select, true, update
from sqlalchemy.dialects.postgresql import JSONB, Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.channels.entities import PLATFORM_TENANT, SWITCHED_OFF, Channel
from domain.ids import ChannelId
from persistence.channels.tables import channels
from persistence.database import SET_TENANT

_SAID = ("name", "provider", "offers", "base_url", "secret_ref", "cancel_policy", "is_default")
"""What the environment decides. Weight, limits and the rest are the administrators' to set."""
ENVIRONMENT = {"from": "environment"}
"""Marks these channels in their options: others of the platform are left alone."""
_GONE = {SWITCHED_OFF: "environment"}

_channel = channels.c
_MARKED = _channel.options.contains(ENVIRONMENT)
_OF_PLATFORM = _channel.tenant_id == PLATFORM_TENANT


async def sync_channels(engine: AsyncEngine, wanted: Sequence[Channel]) -> None:
    """Make the table say what the environment says. A channel that is gone is switched off: generations name it.

    What administrators have switched off or deleted stays so; only what was switched off here comes back.
    """
    async with engine.begin() as connection:
        await connection.execute(SET_TENANT, {"tenant": str(PLATFORM_TENANT)})
        await _switch_off(connection, [one.id for one in wanted])
        chosen = _channel.is_default & _channel.enabled & ~_MARKED
        kept = await connection.scalar(select(exists().where(_OF_PLATFORM, chosen)))
        others = _MARKED if kept else true()
        await connection.execute(update(channels).where(_OF_PLATFORM, others).values(is_default=False))
        for one in wanted:
            said = {name: getattr(one, name) for name in _SAID} | {"is_default": one.is_default and not kept}
            await connection.execute(_upsert(one, said))


async def _switch_off(connection: AsyncConnection, wanted: Sequence[ChannelId]) -> None:
    gone = _OF_PLATFORM & _MARKED & _channel.id.not_in(wanted)
    await connection.execute(update(channels).where(gone).values(is_default=False))
    off = {"enabled": False, "options": _channel.options.concat(literal(_GONE, JSONB))}
    await connection.execute(update(channels).where(gone, _channel.enabled).values(**off))


def _upsert(one: Channel, said: dict[str, Any]) -> Insert:
    """An administrator's key stays until the environment has one of its own, or leads to another server."""
    said = said | {"options": {**one.options, **ENVIRONMENT}}
    statement = insert(channels).values(tenant_id=PLATFORM_TENANT, id=one.id, **said)
    moved = _channel.base_url.is_distinct_from(one.base_url)
    taken = moved if one.secret_ref is None else true()
    changed = {
        **said,
        "sealed_key": case((taken, null()), else_=_channel.sealed_key),
        "enabled": _channel.enabled | _channel.options.contains(_GONE),
        "updated_at": func.now(),
    }
    return statement.on_conflict_do_update(
        index_elements=["tenant_id", "id"], set_=changed, where=_channel.deleted_at.is_(None)
    )
