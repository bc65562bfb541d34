"""The operations rooms, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.ids import DeliveryId, EndpointId, MailId, TenantId, UserId
from domain.operations.audit import AuditEntry
from domain.operations.mails import Mail, MailState
from domain.operations.notifications import Notification
from domain.operations.webhooks import DeliveryState, WebhookDelivery, WebhookEndpoint, WebhookEvent


class MemoryAudit:
    """Implements `domain.operations.audit.AuditStore`."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def add(self, entry: AuditEntry) -> None:
        self.entries.append(entry)

    async def forget(self, before: datetime, batch: int) -> int:
        old = [one for one in self.entries if one.at is not None and one.at < before][:batch]
        self.entries = [one for one in self.entries if one not in old]
        return len(old)


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


class MemoryVault:
    """Implements `domain.operations.webhooks.SecretVault`; with `lost` it has forgotten its key."""

    lost = False

    def seal(self, tenant_id: TenantId, endpoint_id: EndpointId, secret: str) -> bytes:
        return f"{tenant_id}:{endpoint_id}:{secret}".encode()

    def open(self, tenant_id: TenantId, endpoint_id: EndpointId, sealed: bytes) -> str:
        place = f"{tenant_id}:{endpoint_id}:"
        if self.lost or not sealed.decode().startswith(place):
            raise ValueError("sealed elsewhere")
        return sealed.decode().removeprefix(place)


class MemoryWebhooks:
    """Implements `domain.operations.webhooks.WebhookStore`; `waits_s` is how long each settled one waits."""

    def __init__(self) -> None:
        self.endpoints_by_id: dict[EndpointId, WebhookEndpoint] = {}
        self.deliveries: dict[DeliveryId, WebhookDelivery] = {}
        self.waits_s: list[float] = []

    async def add_endpoint(self, endpoint: WebhookEndpoint) -> None:
        self.endpoints_by_id[endpoint.id] = endpoint

    async def endpoint(self, endpoint_id: EndpointId) -> WebhookEndpoint | None:
        found = self.endpoints_by_id.get(endpoint_id)
        return found if found is not None and found.deleted_at is None else None

    async def endpoints(self) -> list[WebhookEndpoint]:
        return [one for one in self.endpoints_by_id.values() if one.deleted_at is None]

    async def count_endpoints(self) -> int:
        return sum(1 for one in self.endpoints_by_id.values() if one.deleted_at is None)

    async def listeners(self, event: WebhookEvent) -> list[EndpointId]:
        return [
            one.id
            for one in self.endpoints_by_id.values()
            if one.enabled and not one.deleted_at and event in one.events
        ]

    async def add_deliveries(self, deliveries: Sequence[WebhookDelivery]) -> None:
        self.deliveries |= {one.id: one for one in deliveries}

    async def delivery(self, delivery_id: DeliveryId) -> WebhookDelivery | None:
        return self.deliveries.get(delivery_id)

    async def claim(self, delivery_id: DeliveryId, claim_s: float) -> WebhookDelivery | None:
        found = self.deliveries.get(delivery_id)
        if found is None or found.state != DeliveryState.QUEUED:
            return None
        found.attempts += 1
        return found

    async def settle(
        self, delivery: WebhookDelivery, state: DeliveryState, entry: Mapping[str, Any], retry_s: float
    ) -> bool:
        if delivery.state != DeliveryState.QUEUED:
            return False
        delivery.state = state
        delivery.log.append(dict(entry))
        self.waits_s.append(retry_s)
        return True
