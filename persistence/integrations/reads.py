"""Reads of the integrations room: registries, and what of the schema is used."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    String,
    column,
    func,
    literal,
    literal_column,
    null,
    select,
    text,
    union_all,
)
from sqlalchemy.sql.selectable import Subquery

from domain.integrations import FIRST_PARTY, UseKind
from persistence.integrations.tables import client_apps, platform_documents, schema_uses, trusted_documents
from persistence.listing import Listing, Lookup, by_ids
from persistence.paging import Keyset, SortColumn
from persistence.shapes import TENANT

USAGE_ROWS_MAX = 1_000
"""As many fields, documents and operations as a report names, the most used first."""

_app = client_apps.c
_document = trusted_documents.c
_use = schema_uses.c

CLIENT_APPS = Keyset("clientApps", (SortColumn("id", _app.id, UUID),), descending=True)
_HIDDEN = frozenset({"tenant_id", "fields", "fingerprint"})
DOCUMENTS = Listing(
    Keyset("trustedDocuments", (SortColumn("hash", _document.hash),)), trusted_documents,
    parent=_document.client_app_id, hidden=_HIDDEN,
)  # fmt: skip
DOCUMENTS_BY_ID = Lookup("TrustedDocument", trusted_documents, hidden=_HIDDEN)

KNOWN_ORIGINS = text("select origin from app.known_origins() as origin")


def client_app_rows(tenant_id: UUID | BindParameter[UUID]) -> Select[Any]:
    return select(*(one for one in client_apps.columns if one.name not in {"tenant_id", "deleted_at"})).where(
        _app.tenant_id == tenant_id, _app.deleted_at.is_(None)
    )


CLIENT_APPS_BY_ID = by_ids("ClientApp", client_app_rows(TENANT), _app.id)


# -- the registry as the process asks it -----------------------------------------------------------------------------


def registered(tenant_id: UUID, app_id: UUID, hash_: str) -> Select[Any]:
    """The one live document of an application; none when it has no such document."""
    return select(_document.text, _document.fingerprint).where(
        _document.tenant_id == tenant_id, _document.client_app_id == app_id, _document.hash == hash_,
        _document.retired_at.is_(None),
    )  # fmt: skip


def registered_first_party(hash_: str) -> Select[Any]:
    document = platform_documents.c
    return select(document.text, document.fingerprint).where(document.hash == hash_, document.retired_at.is_(None))


# -- the usage report ------------------------------------------------------------------------------------------------


def _uses(tenant_id: UUID, kind: UseKind, since: date, until: date, app_id: UUID | None) -> Subquery:
    """(client_app_id, name, uses, last_used_at) over the days from `since` to `until`, both included."""
    wanted: list[ColumnElement[bool]] = [
        _use.tenant_id == tenant_id, _use.kind == kind, _use.day.between(since, until),
    ]  # fmt: skip
    if app_id is not None:
        wanted.append(_use.client_app_id == app_id)
    sums = func.sum(_use.uses).label("uses"), func.max(_use.last_used_at).label("last_used_at")
    return select(_use.client_app_id, _use.name, *sums).where(*wanted).group_by(
        _use.client_app_id, _use.name
    ).subquery()  # fmt: skip


def _documents(tenant_id: UUID) -> Subquery:
    """Everything that a use of a document may refer to: this tenant's registries and the platform's."""
    own = select(_document.client_app_id, _document.hash, _document.id, _document.name, _document.fields)
    shared = platform_documents.c
    first_party = literal(FIRST_PARTY, _document.client_app_id.type).label("client_app_id")
    return union_all(
        own.where(_document.tenant_id == tenant_id),
        select(first_party, shared.hash, null().cast(_document.id.type).label("id"), shared.name, shared.fields),
    ).subquery()


def document_usage(tenant_id: UUID, since: date, until: date, app_id: UUID | None, field: str | None) -> Select[Any]:
    """Documents in use, the most used first; with `field`, only those that name it."""
    uses, known = _uses(tenant_id, UseKind.DOCUMENT, since, until, app_id), _documents(tenant_id)
    same = (known.c.client_app_id == uses.c.client_app_id) & (known.c.hash == uses.c.name)
    statement = select(
        uses.c.client_app_id, uses.c.name.label("hash"), known.c.id, func.coalesce(known.c.name, "").label("name"),
        uses.c.uses, uses.c.last_used_at,
    ).outerjoin(known, same)  # fmt: skip
    if field is not None:
        statement = statement.where(known.c.fields.contains([field]))
    return statement.order_by(uses.c.uses.desc(), uses.c.name).limit(USAGE_ROWS_MAX)


def free_text_usage(tenant_id: UUID, since: date, until: date, app_id: UUID | None) -> Select[Any]:
    uses = _uses(tenant_id, UseKind.FREE_TEXT, since, until, app_id)
    return select(uses).order_by(uses.c.uses.desc(), uses.c.name).limit(USAGE_ROWS_MAX)


def field_usage(tenant_id: UUID, since: date, until: date, app_id: UUID | None, field: str | None) -> Select[Any]:
    """Fields in use: those of the documents in use, and those counted from free text."""
    uses, known = _uses(tenant_id, UseKind.DOCUMENT, since, until, app_id), _documents(tenant_id)
    same = (known.c.client_app_id == uses.c.client_app_id) & (known.c.hash == uses.c.name)
    named = func.jsonb_array_elements_text(known.c.fields).table_valued(column("value", String)).alias("named")
    of_documents = select(named.c.value.label("name"), uses.c.uses, uses.c.last_used_at).select_from(
        uses.join(known, same).join(named, literal_column("true"))
    )
    free = _uses(tenant_id, UseKind.FIELD, since, until, app_id)
    every = union_all(of_documents, select(free.c.name, free.c.uses, free.c.last_used_at)).subquery()
    sums = func.sum(every.c.uses).label("uses"), func.max(every.c.last_used_at).label("last_used_at")
    statement = select(every.c.name, *sums).group_by(every.c.name)
    if field is not None:
        statement = statement.where(every.c.name == field)
    return statement.order_by(literal_column("uses").desc(), every.c.name).limit(USAGE_ROWS_MAX)
