"""What becomes of a webhook delivery: tried, tried again, given up; and of an endpoint that fails for days."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from domain.accounts import AccountStore, Permission
from domain.ids import DeliveryId, TenantId
from domain.operations import audit, mails
from domain.operations.audit import AuditStore, Subject
from domain.operations.mail_texts import MailTemplate
from domain.operations.mails import MailStore
from domain.operations.notifications import NotificationKind, NotificationStore, notify
from domain.operations.webhooks import (
    ATTEMPTS_MAX,
    BACKOFF_S,
    CLAIM_S,
    ERROR_CHARS_MAX,
    FAILING_MAX,
    Answer,
    Call,
    DeliveryState,
    SecretVault,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookStore,
    signed,
)


class Rooms(Protocol):
    """As much of a unit of work as deliveries need."""

    @property
    def tenant_id(self) -> TenantId: ...
    @property
    def now(self) -> datetime: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def notifications(self) -> NotificationStore: ...
    @property
    def mails(self) -> MailStore: ...
    @property
    def webhooks(self) -> WebhookStore: ...


async def begin(uow: Rooms, delivery_id: DeliveryId, vault: SecretVault) -> tuple[WebhookDelivery, Call] | None:
    """Claim a due delivery: what to send, or None. One that has nowhere to go, or kills who sends it, is dead.

    One that cannot be signed waits for its next try: the operator may have forgotten a key.
    """
    known = await uow.webhooks.delivery(delivery_id)
    if known is None:
        return None
    endpoint = await uow.webhooks.endpoint(known.endpoint_id)
    delivery = await uow.webhooks.claim(delivery_id, CLAIM_S)
    if delivery is None:
        return None
    if endpoint is not None and endpoint.enabled and delivery.attempts <= ATTEMPTS_MAX:
        try:
            return delivery, signed(endpoint, delivery, uow.now, vault)
        except ValueError:
            unsigned = Answer(None, "the endpoint's secret cannot be opened", 0)
            state, retry_s = next_step(delivery.attempts, unsigned)
            await uow.webhooks.settle(delivery, state, _entry(uow.now, unsigned), retry_s)
            return None
    why = "given up" if delivery.attempts > ATTEMPTS_MAX else "the endpoint is off"
    await uow.webhooks.settle(delivery, DeliveryState.DEAD, _entry(uow.now, Answer(None, why, 0)), 0.0)
    return None


def next_step(attempts: int, answer: Answer) -> tuple[DeliveryState, float]:
    """The state after so many tries, and how long to wait for the next."""
    if answer.good:
        return DeliveryState.DELIVERED, 0.0
    if attempts < ATTEMPTS_MAX:
        return DeliveryState.QUEUED, BACKOFF_S[attempts - 1]
    return DeliveryState.DEAD, 0.0


async def finish(uow: Rooms, delivery: WebhookDelivery, answer: Answer) -> None:
    """Write what came of a call, and turn the endpoint off when nothing has arrived for too long."""
    endpoint = await uow.webhooks.endpoint(delivery.endpoint_id)
    state, retry_s = next_step(delivery.attempts, answer)
    settled = await uow.webhooks.settle(delivery, state, _entry(uow.now, answer), retry_s)
    if endpoint is None or not settled:
        return
    if answer.good:
        endpoint.failing_since = None
        return
    endpoint.failing_since = endpoint.failing_since or uow.now
    if endpoint.enabled and uow.now - endpoint.failing_since >= FAILING_MAX:
        await _turn_off(uow, endpoint)


async def _turn_off(uow: Rooms, endpoint: WebhookEndpoint) -> None:
    endpoint.enabled, endpoint.disabled_at = False, uow.now
    await audit.record(uow, None, "webhook_endpoint.disable", Subject("WebhookEndpoint", endpoint.id))
    told = await notify(uow, Permission.ADMIN, NotificationKind.WEBHOOK_DISABLED, {"host": endpoint.host})
    for user in told:
        params = {"name": user.display_name, "host": endpoint.host, "days": str(FAILING_MAX.days)}
        await mails.write_mail(uow, user, MailTemplate.WEBHOOK_DISABLED, params)


def _entry(at: datetime, answer: Answer) -> dict[str, Any]:
    return {
        "at": at.isoformat(timespec="milliseconds"),
        "status": answer.status,
        "error": answer.error[:ERROR_CHARS_MAX] if answer.error else None,
        "duration_ms": answer.duration_ms,
    }
