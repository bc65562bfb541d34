"""The operations rooms, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.ids import MailId, UserId
from domain.operations.audit import AuditEntry
from domain.operations.mails import Mail, MailState
from domain.operations.notifications import Notification


class MemoryAudit:
    """Implements `domain.operations.audit.AuditStore`."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def add(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


class MemoryNotifications:
    """Implements `domain.operations.notifications.NotificationStore`."""

    def __init__(self) -> None:
        self.rows: list[Notification] = []

    async def add(self, notifications: Sequence[Notification]) -> None:
        self.rows.extend(notifications)

    async def mark_read(self, user_id: UserId, ids: Sequence[UUID], now: datetime) -> None:
        for one in self._unread(user_id):
            if one.id in ids:
                one.read_at = now

    async def count_unread(self, user_id: UserId) -> int:
        return len(self._unread(user_id))

    def _unread(self, user_id: UserId) -> list[Notification]:
        return [one for one in self.rows if one.user_id == user_id and one.read_at is None]


class MemoryMails:
    """Implements `domain.operations.mails.MailStore`; `waits_s` is how long each settled mail waits for its next try."""

    def __init__(self) -> None:
        self.rows: dict[MailId, Mail] = {}
        self.waits_s: list[float] = []

    async def add(self, mail: Mail) -> None:
        self.rows[mail.id] = mail

    async def claim(self, mail_id: MailId, claim_s: float) -> Mail | None:
        mail = self.rows.get(mail_id)
        if mail is None or mail.state != MailState.QUEUED:
            return None
        mail.attempts += 1
        return mail

    async def settle(self, mail: Mail, state: MailState, error: str | None, retry_s: float) -> None:
        mail.state, mail.last_error = state, error
        self.waits_s.append(retry_s)
