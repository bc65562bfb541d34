"""Reads of the operations room."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam

from persistence.listing import Listing
from persistence.operations.tables import audit_entries, notifications
from persistence.paging import Keyset, SortColumn

_entry, _notification = audit_entries.c, notifications.c

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
