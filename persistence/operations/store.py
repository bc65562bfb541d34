"""The operations rooms of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import TenantId, UserId
from domain.operations.audit import AuditEntry
from domain.operations.notifications import Notification
from persistence.operations.tables import notifications


class SqlAudit:
    """Implements `domain.operations.audit.AuditStore`."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, entry: AuditEntry) -> None:
        self._session.add(entry)
        await self._session.flush()


class SqlNotifications:
    """Implements `domain.operations.notifications.NotificationStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, notifications: Sequence[Notification]) -> None:
        self._session.add_all(notifications)
        await self._session.flush()

    async def mark_read(self, user_id: UserId, ids: Sequence[UUID], now: datetime) -> None:
        own = notifications.c.tenant_id == self._tenant_id, notifications.c.user_id == user_id
        unread = notifications.c.id.in_(ids), notifications.c.read_at.is_(None)
        await self._session.execute(update(notifications).where(*own, *unread).values(read_at=now))

    async def count_unread(self, user_id: UserId) -> int:
        unread = select(func.count()).where(
            notifications.c.tenant_id == self._tenant_id, notifications.c.user_id == user_id,
            notifications.c.read_at.is_(None),
        )  # fmt: skip
        return await self._session.scalar(unread) or 0
