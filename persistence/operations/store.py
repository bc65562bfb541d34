"""The operations rooms of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import MailId, TenantId, UserId
from domain.operations.audit import AuditEntry
from domain.operations.mails import Mail, MailState
from domain.operations.notifications import Notification
from persistence.operations.tables import mails, notifications


def after(seconds: float) -> ColumnElement[Any]:
    """The wall clock from now: claims outlive transactions."""
    return func.clock_timestamp() + literal(timedelta(seconds=seconds))


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


class SqlMails:
    """Implements `domain.operations.mails.MailStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, mail: Mail) -> None:
        self._session.add(mail)
        await self._session.flush()

    async def claim(self, mail_id: MailId, claim_s: float) -> Mail | None:
        statement = (
            update(Mail)
            .where(
                mails.c.tenant_id == self._tenant_id, mails.c.id == mail_id, mails.c.state == MailState.QUEUED,
                mails.c.next_try_at <= func.clock_timestamp(),
            )
            .values(attempts=mails.c.attempts + 1, next_try_at=after(claim_s))
            .returning(Mail)
        )  # fmt: skip
        return (await self._session.scalars(statement)).one_or_none()

    async def settle(self, mail: Mail, state: MailState, error: str | None, retry_s: float) -> None:
        await self._session.execute(
            update(mails)
            .where(
                mails.c.tenant_id == self._tenant_id, mails.c.id == mail.id, mails.c.state == MailState.QUEUED,
                mails.c.attempts == mail.attempts,
            )
            .values(
                state=state, last_error=error, next_try_at=after(retry_s),
                sent_at=func.now() if state is MailState.SENT else None,
            )
        )  # fmt: skip
