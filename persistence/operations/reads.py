"""Reads of the operations room."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam

from persistence.listing import Listing
from persistence.operations.tables import audit_entries
from persistence.paging import Keyset, SortColumn

_entry = audit_entries.c

AUDIT_ENTRIES = Listing(
    Keyset("auditEntries", (SortColumn("id", _entry.id, UUID),), descending=True),
    audit_entries,
    filters={
        "action": _entry.action == bindparam("action", type_=Text),
        "subject_id": _entry.subject_id == bindparam("subject_id", type_=Uuid),
    },
)
