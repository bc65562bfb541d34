"""Reads of the story room."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Text, bindparam

from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn
from persistence.story.tables import codex_entries, codex_relations

_entry = codex_entries.c
_relation = codex_relations.c

ENTRIES = Listing(
    Keyset("codexEntries", (SortColumn("name", _entry.name), SortColumn("id", _entry.id, UUID))),
    codex_entries,
    where=(_entry.deleted_at.is_(None),),
    filters={
        "kind": _entry.kind == bindparam("kind", type_=Text),
        "name": _entry.name.ilike(bindparam("name", type_=Text)),
    },
    parent=_entry.project_id,
)
RELATIONS = Listing(
    Keyset("codexRelations", (SortColumn("id", _relation.id, UUID),)), codex_relations, parent=_relation.from_id
)
ENTRIES_BY_ID = Lookup("CodexEntry", codex_entries, _entry.deleted_at.is_(None))
RELATIONS_BY_ID = Lookup("CodexRelation", codex_relations)
