"""The channels room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.channels.entities import PLATFORM_TENANT, Channel
from domain.ids import ChannelId, TenantId
from persistence.channels.tables import channels, routing_policies


async def tenants_with_sealed_keys(engine: AsyncEngine) -> list[TenantId]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("select tenant_id from app.tenants_with_sealed_keys() as tenant_id"))
        return [TenantId(row.tenant_id) for row in rows]


async def provider_kinds(engine: AsyncEngine) -> list[str]:
    """The protocols that the channels of all tenants speak."""
    async with engine.connect() as connection:
        return list(await connection.scalars(text("select app.provider_kinds()")))


class SqlChannels:
    """Implements `domain.channels.service.ChannelStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, channel: Channel) -> None:
        self._session.add(channel)
        await self._session.flush()

    async def channel(self, channel_id: ChannelId) -> Channel | None:
        return await self._session.scalar(
            select(Channel).where(
                channels.c.tenant_id.in_((self._tenant_id, PLATFORM_TENANT)),
                channels.c.id == channel_id,
                channels.c.deleted_at.is_(None),
            )
        )

    async def offered(self) -> Sequence[Channel]:
        found = await self._session.scalars(
            select(Channel)
            .where(
                channels.c.tenant_id.in_((self._tenant_id, PLATFORM_TENANT)),
                channels.c.enabled,
                channels.c.deleted_at.is_(None),
            )
            .order_by(channels.c.tenant_id == PLATFORM_TENANT, channels.c.name, channels.c.id)
        )
        return found.all()

    async def sealed(self) -> Sequence[Channel]:
        """The tenant's own channels with a sealed key, held against changes until the end of the transaction."""
        mine = channels.c.tenant_id == self._tenant_id
        found = await self._session.scalars(
            select(Channel).where(mine, channels.c.sealed_key.is_not(None)).with_for_update()
        )
        return found.all()

    async def count(self) -> int:
        mine = select(func.count()).where(channels.c.tenant_id == self._tenant_id, channels.c.deleted_at.is_(None))
        return await self._session.scalar(mine) or 0

    async def policy(self) -> dict[str, Any] | None:
        mine = routing_policies.c.tenant_id == self._tenant_id
        known: dict[str, Any] | None = await self._session.scalar(
            select(routing_policies.c.policy)
            .where(mine | (routing_policies.c.tenant_id == PLATFORM_TENANT))
            .order_by(mine.desc())
            .limit(1)
        )
        return known

    async def set_policy(self, policy: dict[str, Any]) -> None:
        statement = insert(routing_policies).values(tenant_id=self._tenant_id, policy=policy)
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id"], set_={"policy": policy, "updated_at": func.now()}
            )
        )

    async def drop_default(self, except_id: ChannelId) -> None:
        await self._session.execute(
            update(channels)
            .where(channels.c.tenant_id == self._tenant_id, channels.c.id != except_id, channels.c.is_default)
            .values(is_default=False)
        )
