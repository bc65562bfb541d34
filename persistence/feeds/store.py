"""The feeds room of a unit of work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import TenantId
from persistence.feeds.tables import feed_events, feeds


class SqlFeeds:
    """Implements `domain.feeds.FeedStore`. `grown` are the feeds that this unit of work has written to."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self.grown: dict[UUID, None] = {}

    async def append(self, feed_id: UUID, type_: str, data: Mapping[str, Any]) -> int:
        first = upsert(feeds).values(tenant_id=self._tenant_id, id=feed_id, last_seq=1)
        following = first.on_conflict_do_update(
            index_elements=["tenant_id", "id"], set_={"last_seq": feeds.c.last_seq + 1}
        )
        seq: int = (await self._session.execute(following.returning(feeds.c.last_seq))).scalar_one()
        event = {"tenant_id": self._tenant_id, "feed_id": feed_id, "seq": seq, "type": type_, "data": dict(data)}
        await self._session.execute(insert(feed_events).values(**event))
        self.grown[feed_id] = None
        return seq
