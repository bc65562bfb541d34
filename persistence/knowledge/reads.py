"""Reads of the knowledge room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, Text, Uuid, any_, bindparam, func, literal_column, or_, select

from persistence.feeds.reads import feed_end
from persistence.knowledge.tables import knowledge_bases, knowledge_chunks, knowledge_documents
from persistence.listing import Listing, by_ids
from persistence.paging import Keyset, SortColumn, whole_number
from persistence.projects.tables import projects
from persistence.shapes import IDS, TENANT, Shape

_base, _document, _chunk = knowledge_bases.c, knowledge_documents.c, knowledge_chunks.c
_FEED_END = feed_end(_base.id)
_OF_DOCUMENT = frozenset({"tenant_id", "text", "content_hash", "embedded_tokens", "embedded_micros"})
_OF_CHUNK = frozenset({"tenant_id", "tsv", "text_hash"})
USER_SCOPE: ColumnElement[Any] = literal_column("'USER'")

_living_project = or_(
    _base.project_id.is_(None),
    _base.project_id.in_(select(projects.c.id).where(projects.c.tenant_id == TENANT, projects.c.deleted_at.is_(None))),
)
_living = _base.deleted_at.is_(None), _living_project

BASES = Listing(
    Keyset("knowledgeBases", (SortColumn("id", _base.id, UUID),), descending=True),
    knowledge_bases,
    where=_living,
    filters={
        "viewer": or_(_base.scope != USER_SCOPE, _base.owner_id == bindparam("viewer", type_=Uuid)),
        "scope": _base.scope == bindparam("scope", type_=Text),
        "project_id": _base.project_id == bindparam("project_id", type_=Uuid),
    },
    more=(_FEED_END,),
)
"""Bases that the `viewer` sees: the filter is always to be given."""
DOCUMENTS = Listing(
    Keyset("documents", (SortColumn("id", _document.id, UUID),), descending=True),
    knowledge_documents,
    where=(_document.deleted_at.is_(None),),
    filters={"state": _document.state == bindparam("state", type_=Text)},
    parent=_document.base_id,
    hidden=_OF_DOCUMENT,
)
CHUNKS = Listing(
    Keyset("chunks", (SortColumn("position", _chunk.position, whole_number),)),
    knowledge_chunks,
    parent=_chunk.document_id,
    hidden=_OF_CHUNK,
)
BASES_BY_ID = by_ids(
    "KnowledgeBase",
    select(*(column for column in knowledge_bases.columns if column.name != "tenant_id"), _FEED_END).where(
        _base.tenant_id == TENANT, *_living
    ),
    _base.id,
)


def _in_base(table: Any, hidden: frozenset[str], *where: ColumnElement[bool]) -> Select[Any]:
    """Rows of living bases, with whose base it is: who may see it is told by that."""
    shown = [column for column in table.columns if column.name not in hidden]
    return (
        select(*shown, _base.scope.label("base_scope"), _base.owner_id.label("base_owner_id"))
        .join(knowledge_bases, (_base.tenant_id == table.c.tenant_id) & (_base.id == table.c.base_id))
        .where(table.c.tenant_id == TENANT, *_living, *where)
    )


_shown_documents = _in_base(knowledge_documents, _OF_DOCUMENT, _document.deleted_at.is_(None))
DOCUMENTS_BY_ID = by_ids("Document", _shown_documents, _document.id)
_living_document = select(_document.id).where(
    _document.tenant_id == _chunk.tenant_id, _document.id == _chunk.document_id, _document.deleted_at.is_(None)
)
CHUNKS_BY_ID = by_ids("Chunk", _in_base(knowledge_chunks, _OF_CHUNK, _living_document.exists()), _chunk.id)
DOCUMENT_COUNTS = Shape(
    select(_document.base_id.label("id"), func.count().label("documents"))
    .where(_document.tenant_id == TENANT, _document.base_id == any_(IDS), _document.deleted_at.is_(None))
    .group_by(_document.base_id)
)
"""Rows (id, documents) of bases that have any."""
TEXTS = Shape(
    select(
        _document.id,
        func.substr(
            _document.text, bindparam("start", type_=Integer) + literal_column("1"), bindparam("length", type_=Integer)
        ).label("text"),
    ).where(_document.tenant_id == TENANT, _document.id == any_(IDS))
)
"""Rows (id, text): `length` characters from `start`."""
