"""Reads of the story room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from persistence.paging import Keyset, SortColumn
from persistence.story.tables import codex_entries, codex_relations

_entry = codex_entries.c
_relation = codex_relations.c

ENTRIES = Keyset("codexEntries", (SortColumn("name", _entry.name), SortColumn("id", _entry.id, UUID)))
RELATIONS = Keyset("codexRelations", (SortColumn("id", _relation.id, UUID),))


def _columns(table: Any) -> list[Any]:
    return [column for column in table.columns if column.name != "tenant_id"]


def entry_rows(tenant_id: UUID) -> Select[Any]:
    return select(*_columns(codex_entries)).where(_entry.tenant_id == tenant_id, _entry.deleted_at.is_(None))


def filtered_entries(tenant_id: UUID, *, kind: str | None, name_contains: str | None) -> Select[Any]:
    statement = entry_rows(tenant_id)
    if kind is not None:
        statement = statement.where(_entry.kind == kind)
    if name_contains:
        statement = statement.where(_entry.name.icontains(name_contains, autoescape=True))
    return statement


def entries_by_id(tenant_id: UUID, ids: Sequence[UUID]) -> Select[Any]:
    return entry_rows(tenant_id).where(_entry.id.in_(ids))


def relation_rows(tenant_id: UUID) -> Select[Any]:
    return select(*_columns(codex_relations)).where(_relation.tenant_id == tenant_id)


def relations_by_id(tenant_id: UUID, ids: Sequence[UUID]) -> Select[Any]:
    return relation_rows(tenant_id).where(_relation.id.in_(ids))
