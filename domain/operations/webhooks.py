"""Webhooks: events for a tenant's own programs, as signed HTTP requests with retries and a log.

An event becomes one delivery for each endpoint that wants it, in the transaction that the event tells of. What is sent
is the text in the row, byte for byte, at every try; a receiver knows an event again by its id.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from urllib.parse import urlsplit
from uuid import UUID

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import DeliveryId, EndpointId, TenantId, new_id
from domain.text import LINE_CHARS_MAX, clean_line

ENDPOINTS_MAX = 20
SEND_S = 10.0
CLAIM_S = 30.0
BACKOFF_S = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 21_600.0, 43_200.0, 86_400.0)
"""Between one try and the next. After the last the delivery is dead."""
ATTEMPTS_MAX = len(BACKOFF_S) + 1
FAILING_MAX = timedelta(days=3)
"""After so long without one success an endpoint is turned off."""
SECRET_OVERLAP = timedelta(hours=24)
"""For so long after a rotation the old secret signs as well."""
SECRET_PREFIX = "whsec_"
TOLERANCE_S = 300
"""How old a signature may be when it is checked, as receivers are told."""
ERROR_CHARS_MAX = 200
SIGNATURE = "Fabula-Signature"
EVENT_ID, EVENT_TYPE = "Fabula-Event-Id", "Fabula-Event-Type"


class WebhookEvent(StrEnum):
    """What an endpoint may be told of. The value is the `type` in the body."""

    TEST = "webhook.test"
    AUDIT_RECORDED = "audit.recorded"
    CHANNEL_DOWN = "channel.down"
    CHANNEL_BACK = "channel.back"
    BUDGET_THRESHOLD = "budget.threshold"
    WALLET_LOW = "wallet.low"
    SUBSCRIPTION_STARTED = "subscription.started"
    SUBSCRIPTION_CHANGED = "subscription.changed"
    SUBSCRIPTION_CANCELLED = "subscription.cancelled"
    SUBSCRIPTION_ENDED = "subscription.ended"
    INVOICE_ISSUED = "invoice.issued"
    INVOICE_PAID = "invoice.paid"
    INVOICE_OVERDUE = "invoice.overdue"
    INVOICE_VOIDED = "invoice.voided"


class DeliveryState(StrEnum):
    """How far a delivery is."""

    QUEUED = "QUEUED"
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"


@dataclass(eq=False)
class WebhookEndpoint:
    """`failing_since`: when the first failure came after which nothing has arrived. Secrets are sealed."""

    tenant_id: TenantId
    id: EndpointId
    url: str
    events: list[str]
    secret: bytes = field(repr=False)
    enabled: bool = True
    previous_secret: bytes | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def host(self) -> str:
        """Where it leads. The rest of an address may hold a secret of its own, and is told to nobody."""
        return urlsplit(self.url).netloc


@dataclass(eq=False)
class WebhookDelivery:
    """One event for one endpoint. `body` is what is sent; `log` has an entry a try: at, status, error, duration_ms."""

    tenant_id: TenantId
    id: DeliveryId
    endpoint_id: EndpointId
    event_id: UUID
    type: str
    body: str
    state: str = DeliveryState.QUEUED
    attempts: int = 0
    next_try_at: datetime | None = None
    log: list[dict[str, Any]] = field(default_factory=list)
    created_at: datetime | None = None
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A request to be made: POST `body` to `url` with these headers."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call: the status, or why there is none."""

    status: int | None
    error: str | None
    duration_ms: int

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Caller(Protocol):
    """Makes webhook requests."""

    async def call(self, call: Call) -> Answer:
        """Never raises, and answers within SEND_S."""
        ...


class SecretVault(Protocol):
    """Seals secrets so that only this operator's processes can open them."""

    def seal(self, tenant_id: TenantId, endpoint_id: EndpointId, secret: str) -> bytes:
        """Raises Rejected when there is no key to seal with."""
        ...

    def open(self, tenant_id: TenantId, endpoint_id: EndpointId, sealed: bytes) -> str:
        """Raises ValueError when no key of the operator's opens it."""
        ...


class WebhookStore(Protocol):
    """The webhooks room of a unit of work. Locks are taken on the endpoint, then on its deliveries."""

    async def add_endpoint(self, endpoint: WebhookEndpoint) -> None: ...
    async def endpoint(self, endpoint_id: EndpointId) -> WebhookEndpoint | None:
        """The locked row; None when it is missing or deleted."""
        ...

    async def count_endpoints(self) -> int: ...
    async def endpoints(self) -> Sequence[WebhookEndpoint]:
        """Every endpoint that is not deleted, held against changes until the end of the transaction."""
        ...

    async def listeners(self, event: WebhookEvent) -> list[EndpointId]:
        """The enabled endpoints that want such events."""
        ...

    async def add_deliveries(self, deliveries: Sequence[WebhookDelivery]) -> None: ...
    async def delivery(self, delivery_id: DeliveryId) -> WebhookDelivery | None: ...
    async def claim(self, delivery_id: DeliveryId, claim_s: float) -> WebhookDelivery | None:
        """A due delivery, counted as tried and not due again for so long; None when it is not due."""
        ...

    async def settle(
        self, delivery: WebhookDelivery, state: DeliveryState, entry: Mapping[str, Any], retry_s: float
    ) -> bool:
        """Say what came of a claimed delivery; False when somebody else has claimed it since."""
        ...


class WebhookRooms(Protocol):
    """As much of a unit of work as an event needs."""

    @property
    def tenant_id(self) -> TenantId: ...
    @property
    def now(self) -> datetime: ...
    @property
    def webhooks(self) -> WebhookStore: ...


# -- signatures ------------------------------------------------------------------------------------------------------


def new_secret() -> str:
    return f"{SECRET_PREFIX}{secrets.token_urlsafe(32)}"


def in_clear(secret: bytes) -> bool:
    """Whether it was written before secrets were sealed; `channels rekey` seals it."""
    return secret.startswith(SECRET_PREFIX.encode())


def opened(vault: SecretVault, endpoint: WebhookEndpoint, secret: bytes) -> str:
    """Raises ValueError when no key opens it."""
    return secret.decode() if in_clear(secret) else vault.open(endpoint.tenant_id, endpoint.id, secret)


def signature(secret: str, at_s: int, body: bytes) -> str:
    """HMAC-SHA-256 in hexadecimal over the time in decimal, a dot, and the body."""
    return hmac.new(secret.encode(), b"%d." % at_s + body, hashlib.sha256).hexdigest()


def signed(endpoint: WebhookEndpoint, delivery: WebhookDelivery, now: datetime, vault: SecretVault) -> Call:
    """The request of this moment. While two secrets are good there are two signatures.

    Raises ValueError when a secret cannot be opened.
    """
    body, at_s = delivery.body.encode(), int(now.timestamp())
    good = [endpoint.secret]
    if endpoint.previous_secret and endpoint.previous_until and now < endpoint.previous_until:
        good.append(endpoint.previous_secret)
    parts = [f"t={at_s}", *(f"v1={signature(opened(vault, endpoint, one), at_s, body)}" for one in good)]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Fabula-Webhooks",
        SIGNATURE: ",".join(parts),
        EVENT_ID: str(delivery.event_id),
        EVENT_TYPE: delivery.type,
    }
    return Call(endpoint.url, headers, body)


# -- events ----------------------------------------------------------------------------------------------------------


async def publish(uow: WebhookRooms, event: WebhookEvent, data: Mapping[str, Any]) -> None:
    """Have an event told to every endpoint that wants it, once this transaction commits. `data` must be JSON."""
    listeners = await uow.webhooks.listeners(event)
    if listeners:
        event_id = new_id()
        body = event_body(event_id, event, uow.now, data)
        await uow.webhooks.add_deliveries([_delivery(uow, one, event_id, event, body) for one in listeners])


def event_body(event_id: UUID, event: WebhookEvent, at: datetime, data: Mapping[str, Any]) -> str:
    whole = {"id": str(event_id), "type": event, "at": at.isoformat(timespec="milliseconds"), "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))


def _delivery(uow: WebhookRooms, to: EndpointId, event_id: UUID, type_: str, body: str) -> WebhookDelivery:
    return WebhookDelivery(
        uow.tenant_id, DeliveryId(new_id()), to, event_id, type_, body, next_try_at=uow.now, created_at=uow.now
    )


async def send_test(uow: WebhookRooms, actor: Actor, endpoint_id: EndpointId) -> WebhookDelivery:
    """An event of type `webhook.test` for one endpoint, whatever events it wants."""
    endpoint = await enabled_endpoint(uow.webhooks, actor, endpoint_id)
    event_id = new_id()
    body = event_body(event_id, WebhookEvent.TEST, uow.now, {"url": endpoint.url})
    delivery = _delivery(uow, endpoint.id, event_id, WebhookEvent.TEST, body)
    await uow.webhooks.add_deliveries([delivery])
    return delivery


async def redeliver(uow: WebhookRooms, actor: Actor, delivery_id: DeliveryId) -> WebhookDelivery:
    """The same event once more, byte for byte, as a delivery of its own."""
    actor.require(Permission.ADMIN)
    old = await uow.webhooks.delivery(delivery_id)
    if old is None:
        raise NotFound("The delivery", "input", "id")
    await enabled_endpoint(uow.webhooks, actor, old.endpoint_id)
    delivery = _delivery(uow, old.endpoint_id, old.event_id, old.type, old.body)
    await uow.webhooks.add_deliveries([delivery])
    return delivery


# -- endpoints -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EndpointDraft:
    """What a person decides about an endpoint. None leaves a part as it is. `any_address`: HTTP will do, too."""

    url: str | None = None
    events: Sequence[WebhookEvent] | None = None
    enabled: bool | None = None
    any_address: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """An endpoint and its new secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str = field(repr=False)


async def create_endpoint(store: WebhookStore, actor: Actor, draft: EndpointDraft, vault: SecretVault) -> Secret:
    """Raises Rejected for a bad draft, too many endpoints, or without a key to seal with."""
    actor.require(Permission.ADMIN)
    if await store.count_endpoints() >= ENDPOINTS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A tenant has at most {ENDPOINTS_MAX} endpoints.")
    url = clean_url(draft.url or "", any_address=draft.any_address)
    endpoint_id, secret = EndpointId(new_id()), new_secret()
    sealed = vault.seal(actor.tenant_id, endpoint_id, secret)
    endpoint = WebhookEndpoint(actor.tenant_id, endpoint_id, url, _clean_events(draft.events or ()), sealed)
    await store.add_endpoint(endpoint)
    return Secret(endpoint, secret)


async def update_endpoint(
    store: WebhookStore, actor: Actor, endpoint_id: EndpointId, draft: EndpointDraft, now: datetime
) -> WebhookEndpoint:
    """Change what the draft names. Turning an endpoint on forgets its failures."""
    endpoint = await get_endpoint(store, actor, endpoint_id)
    if draft.url is not None:
        endpoint.url = clean_url(draft.url, any_address=draft.any_address)
    if draft.events is not None:
        endpoint.events = _clean_events(draft.events)
    if draft.enabled is not None:
        endpoint.enabled = draft.enabled
        endpoint.failing_since = endpoint.disabled_at = None
    endpoint.updated_at = now
    return endpoint


async def delete_endpoint(store: WebhookStore, actor: Actor, endpoint_id: EndpointId, now: datetime) -> None:
    endpoint = await get_endpoint(store, actor, endpoint_id)
    endpoint.deleted_at, endpoint.secret, endpoint.previous_secret = now, b"", None


async def rotate_secret(
    store: WebhookStore, actor: Actor, endpoint_id: EndpointId, now: datetime, vault: SecretVault
) -> Secret:
    """A new secret; the one before it signs as well for SECRET_OVERLAP."""
    endpoint, secret = await get_endpoint(store, actor, endpoint_id), new_secret()
    endpoint.previous_secret, endpoint.previous_until = endpoint.secret, now + SECRET_OVERLAP
    endpoint.secret, endpoint.updated_at = vault.seal(endpoint.tenant_id, endpoint.id, secret), now
    return Secret(endpoint, secret)


async def get_endpoint(store: WebhookStore, actor: Actor, endpoint_id: EndpointId) -> WebhookEndpoint:
    actor.require(Permission.ADMIN)
    endpoint = await store.endpoint(endpoint_id)
    if endpoint is None:
        raise NotFound("The endpoint", "input", "id")
    return endpoint


async def enabled_endpoint(store: WebhookStore, actor: Actor, endpoint_id: EndpointId) -> WebhookEndpoint:
    endpoint = await get_endpoint(store, actor, endpoint_id)
    if not endpoint.enabled:
        raise Rejected(ErrorCode.INVALID_STATE, "The endpoint is off: turn it on first.", "input", "id")
    return endpoint


def clean_url(value: str, *, any_address: bool) -> str:
    """An address to call: HTTPS, without credentials and without a fragment. Raises Rejected.

    Where its name leads is looked at when it is called.
    """
    url = clean_line(value, "url", chars_max=LINE_CHARS_MAX)
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0 and not parts.username and not parts.password
    except ValueError:
        good = False
    if not good or not url.isascii() or " " in url or parts.fragment:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "An endpoint looks like https://app.example/hooks.", "input", "url")
    if parts.scheme != "https" and not (any_address and parts.scheme == "http"):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "An endpoint's address begins with https://.", "input", "url")
    return url


def _clean_events(events: Sequence[WebhookEvent]) -> list[str]:
    if not events:
        raise Rejected(ErrorCode.EMPTY, "Choose at least one event.", "input", "events")
    return sorted(set(events))
