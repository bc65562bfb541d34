"""The operations rooms of a unit of work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.ids import DeliveryId, EndpointId, MailId, TenantId, UserId
from domain.operations.audit import AuditEntry
from domain.operations.mails import Mail, MailState
from domain.operations.notifications import Notification
from domain.operations.webhooks import DeliveryState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from persistence.operations.tables import mails, notifications, webhook_deliveries, webhook_endpoints

_FORGET_AUDIT = text("select app.forget_audit(:before, :batch)")


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

    async def forget(self, before: datetime, batch: int) -> int:
        return await self._session.scalar(_FORGET_AUDIT, {"before": before, "batch": batch}) or 0


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


class SqlWebhooks:
    """Implements `domain.operations.webhooks.WebhookStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self._live = webhook_endpoints.c.tenant_id == tenant_id, webhook_endpoints.c.deleted_at.is_(None)

    async def add_endpoint(self, endpoint: WebhookEndpoint) -> None:
        self._session.add(endpoint)
        await self._session.flush()

    async def endpoint(self, endpoint_id: EndpointId) -> WebhookEndpoint | None:
        key = self._tenant_id, endpoint_id
        found = await self._session.get(WebhookEndpoint, key, with_for_update=True, populate_existing=True)
        return found if found is not None and found.deleted_at is None else None

    async def endpoints(self) -> Sequence[WebhookEndpoint]:
        found = await self._session.scalars(select(WebhookEndpoint).where(*self._live).with_for_update())
        return found.all()

    async def count_endpoints(self) -> int:
        return await self._session.scalar(select(func.count()).where(*self._live)) or 0

    async def listeners(self, event: WebhookEvent) -> list[EndpointId]:
        endpoint = webhook_endpoints.c
        wanted = select(endpoint.id).where(*self._live, endpoint.enabled, endpoint.events.contains([event]))
        return list(await self._session.scalars(wanted.order_by(endpoint.id)))

    async def add_deliveries(self, deliveries: Sequence[WebhookDelivery]) -> None:
        self._session.add_all(deliveries)
        await self._session.flush()

    async def delivery(self, delivery_id: DeliveryId) -> WebhookDelivery | None:
        return await self._session.get(WebhookDelivery, (self._tenant_id, delivery_id))

    async def claim(self, delivery_id: DeliveryId, claim_s: float) -> WebhookDelivery | None:
        delivery = webhook_deliveries.c
        statement = (
            update(WebhookDelivery)
            .where(
                delivery.tenant_id == self._tenant_id, delivery.id == delivery_id,
                delivery.state == DeliveryState.QUEUED, delivery.next_try_at <= func.clock_timestamp(),
            )
            .values(attempts=delivery.attempts + 1, next_try_at=after(claim_s))
            .returning(WebhookDelivery)
            .execution_options(populate_existing=True, synchronize_session=False)
        )  # fmt: skip
        return (await self._session.scalars(statement)).one_or_none()

    async def settle(
        self, delivery: WebhookDelivery, state: DeliveryState, entry: Mapping[str, Any], retry_s: float
    ) -> bool:
        row = webhook_deliveries.c
        settled = await self._session.execute(
            update(webhook_deliveries)
            .where(
                row.tenant_id == self._tenant_id, row.id == delivery.id, row.state == DeliveryState.QUEUED,
                row.attempts == delivery.attempts,
            )
            .values(
                state=state, next_try_at=after(retry_s), log=row.log.concat([dict(entry)]),
                delivered_at=func.now() if state is DeliveryState.DELIVERED else None,
            )
            .returning(row.id)
        )  # fmt: skip
        return settled.first() is not None


async def tenants_with_endpoints(engine: AsyncEngine) -> list[TenantId]:
    """As the application's role: which tenants have webhook endpoints, and nothing else of them."""
    async with engine.connect() as connection:
        rows = await connection.scalars(text("select tenant_id from app.tenants_with_endpoints() as tenant_id"))
        return [TenantId(one) for one in rows]
