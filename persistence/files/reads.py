"""Reads of the files room."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, literal_column, or_

from domain.files.entities import SHARED
from persistence.files.tables import files
from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn

_file = files.c
HIDDEN = frozenset({"tenant_id", "held"})

FILES = Listing(
    Keyset("files", (SortColumn("id", _file.id, UUID),), descending=True),
    files,
    where=(_file.deleted_at.is_(None),),
    filters={
        "viewer": or_(
            _file.purpose.in_([literal_column(f"'{one}'") for one in sorted(SHARED)]),
            _file.owner_id == bindparam("viewer", type_=Uuid),
        ),
        "purpose": _file.purpose == bindparam("purpose", type_=Text),
    },
    hidden=HIDDEN,
)
"""Files that the `viewer` sees: the filter is always to be given."""
FILES_BY_ID = Lookup("File", files, _file.deleted_at.is_(None), hidden=HIDDEN)
