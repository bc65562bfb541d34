"""Reads of the operations room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, Text, Uuid, bindparam, select

from persistence.listing import Listing, Lookup
from persistence.operations.tables import audit_entries, notifications, schedules, webhook_deliveries, webhook_endpoints
from persistence.paging import Keyset, SortColumn

_entry, _notification = audit_entries.c, notifications.c
_endpoint, _delivery = webhook_endpoints.c, webhook_deliveries.c
_SECRET = frozenset({"tenant_id", "secret", "previous_secret"})

AUDIT_ENTRIES = Listing(
    Keyset("auditEntries", (SortColumn("id", _entry.id, UUID),), descending=True),
    audit_entries,
    filters={
        "action": _entry.action == bindparam("action", type_=Text),
        "subject_id": _entry.subject_id == bindparam("subject_id", type_=Uuid),
    },
)

NOTIFICATIONS = Listing(
    Keyset("notifications", (SortColumn("id", _notification.id, UUID),), descending=True),
    notifications,
    filters={
        "user_id": _notification.user_id == bindparam("user_id", type_=Uuid),
        "unread": _notification.read_at.is_(None),
    },
)

ENDPOINTS = Listing(
    Keyset("webhookEndpoints", (SortColumn("id", _endpoint.id, UUID),), descending=True),
    webhook_endpoints,
    where=(_endpoint.deleted_at.is_(None),),
    hidden=_SECRET,
)
ENDPOINTS_BY_ID = Lookup("WebhookEndpoint", webhook_endpoints, _endpoint.deleted_at.is_(None), hidden=_SECRET)
DELIVERIES = Listing(
    Keyset("webhookDeliveries", (SortColumn("id", _delivery.id, UUID),), descending=True),
    webhook_deliveries,
    parent=_delivery.endpoint_id,
)
DELIVERIES_BY_ID = Lookup("WebhookDelivery", webhook_deliveries)


def all_schedules() -> Select[Any]:
    return select(schedules).order_by(schedules.c.name)
