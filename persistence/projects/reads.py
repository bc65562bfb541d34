"""Reads of the projects room: named columns as rows, one statement a level."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn, moment, whole_number
from persistence.projects.tables import outline_nodes, passages, projects, text_versions
from persistence.shapes import IDS, TENANT, Shape

SEARCH_CHARS_MAX = 200
SNIPPET_OPTIONS = "StartSel=«, StopSel=», MaxWords=30, MinWords=10, MaxFragments=1"

_project = projects.c
_node = outline_nodes.c
_version = text_versions.c

_LIVE = (_node.deleted_at.is_(None),)
_CHAPTER: ColumnElement[Any] = literal_column("'CHAPTER'")

CHAPTERS = Listing(
    Keyset("chapters", (SortColumn("path", _node.path), SortColumn("id", _node.id, UUID))),
    outline_nodes,
    where=(_node.kind == _CHAPTER, *_LIVE),
    parent=_node.project_id,
)
VERSIONS = Listing(
    Keyset("versions", (SortColumn("number", _version.number, whole_number),), descending=True),
    text_versions,
    parent=_version.node_id,
)
PROJECT_ORDERS: dict[str, SortColumn] = {
    "UPDATED_AT": SortColumn("updated_at", _project.updated_at, moment),
    "CREATED_AT": SortColumn("created_at", _project.created_at, moment),
    "TITLE": SortColumn("title", _project.title),
}
PROJECT_FILTERS: dict[str, ColumnElement[bool]] = {
    "living": _project.deleted_at.is_(None),
    "deleted": _project.deleted_at.is_not(None),
    "status": _project.status == bindparam("status", type_=Text),
    "language": _project.language == bindparam("language", type_=Text),
    "title": _project.title.ilike(bindparam("title", type_=Text)),
}


@cache
def project_listing(order: str, descending: bool) -> Listing:
    """All projects; one of the filters `living` and `deleted` is to be given."""
    way = "desc" if descending else "asc"
    columns = (PROJECT_ORDERS[order], SortColumn("id", _project.id, UUID))
    return Listing(Keyset(f"projects:{order}:{way}", columns, descending=descending), projects, filters=PROJECT_FILTERS)


def _live_node(tenant: Any) -> tuple[ColumnElement[bool], ...]:
    """Conditions on a node that can be seen, which one of a deleted project cannot."""
    live_project = select(_project.id).where(_project.tenant_id == tenant, _project.deleted_at.is_(None))
    return _node.tenant_id == tenant, _node.deleted_at.is_(None), _node.project_id.in_(live_project)


PROJECTS_BY_ID = Lookup("Project", projects)
NODES_BY_ID = Lookup("OutlineNode", outline_nodes, *_live_node(TENANT))
CHAPTERS_BY_ID = Lookup("Chapter", outline_nodes, *_live_node(TENANT), _node.kind == _CHAPTER)
VERSIONS_BY_ID = Lookup("TextVersion", text_versions, _version.node_id.in_(select(_node.id).where(*_live_node(TENANT))))
PROJECT_WORDS = Shape(
    select(_node.project_id.label("id"), func.sum(_node.word_count).label("words"))
    .where(_node.tenant_id == TENANT, _node.project_id == any_(IDS), *_LIVE)
    .group_by(_node.project_id)
)
"""Rows (id, words) of projects that have any."""


def _outline() -> Select[Any]:
    turn = func.row_number().over(partition_by=_node.project_id, order_by=_node.path).label("turn")
    shown = [column for column in outline_nodes.columns if column.name != "tenant_id"]
    ranked = (
        select(*shown, turn)
        .where(_node.tenant_id == TENANT, _node.project_id == any_(IDS), *_LIVE)
        .subquery()
    )  # fmt: skip
    limit = bindparam("limit", type_=Integer)
    return select(ranked).where(ranked.c.turn <= limit).order_by(ranked.c.project_id, ranked.c.path)


OUTLINES = Shape(_outline())
"""The whole outline of each project in reading order, at most `limit` nodes each."""


def search(tenant_id: UUID, query: str, project_id: UUID | None, *, whole_passages: bool) -> tuple[Select[Any], Keyset]:
    """Hits in titles of projects and of outline nodes, and in current texts: best first.

    A snippet has Latin words marked; PostgreSQL cannot mark CJK ones, so their caller asks for `whole_passages`.

    Rows (kind, title, snippet, project_id, node_id, score, key); ranks never leave this statement as numbers that
    mean something to a client.
    """
    sought = func.app.search_query(query)
    live = select(_node.id).where(*_live_node(tenant_id))
    titles = [
        _title_hits("PROJECT", projects, _project.id, literal(None), _project.deleted_at.is_(None), sought, tenant_id),
        _title_hits("CHAPTER", outline_nodes, _node.project_id, _node.id, _node.id.in_(live), sought, tenant_id),
    ]
    texts = (
        select(
            literal("TEXT").label("kind"),
            select(_node.title)
            .where(_node.tenant_id == passages.c.tenant_id, _node.id == passages.c.node_id)
            .scalar_subquery()
            .label("title"),
            (
                passages.c.text
                if whole_passages
                else func.ts_headline("english", passages.c.text, sought, SNIPPET_OPTIONS)
            ).label("snippet"),
            passages.c.project_id,
            passages.c.node_id,
            func.ts_rank(passages.c.tsv, sought).label("score"),
            func.concat("t", passages.c.node_id, ":", passages.c.ordinal).label("key"),
        )
        .where(passages.c.tenant_id == tenant_id, passages.c.tsv.op("@@")(sought), passages.c.node_id.in_(live))
    )  # fmt: skip
    hits = union_all(*titles, texts).subquery("hits")
    rounded = cast(func.round(hits.c.score * 1_000_000), Integer).label("score")
    statement = select(
        hits.c.kind, hits.c.title, hits.c.snippet, hits.c.project_id, hits.c.node_id, rounded, hits.c.key
    )
    if project_id is not None:
        statement = statement.where(hits.c.project_id == project_id)
    keyset = Keyset(
        "search", (SortColumn("score", rounded, whole_number), SortColumn("key", hits.c.key)), descending=True
    )
    return statement, keyset


def _title_hits(
    kind: str,
    table: Any,
    project_id: ColumnElement[Any],
    node_id: ColumnElement[Any],
    visible: ColumnElement[bool],
    sought: ColumnElement[Any],
    tenant_id: UUID,
) -> Select[Any]:
    vector = func.app.search_vector(table.c.title)
    return select(
        literal(kind).label("kind"),
        table.c.title.label("title"),
        table.c.title.label("snippet"),
        project_id.label("project_id"),
        node_id.label("node_id"),
        (literal(1.0) + func.ts_rank(vector, sought)).label("score"),
        func.concat(kind[0].lower(), table.c.id).label("key"),
    ).where(table.c.tenant_id == tenant_id, vector.op("@@")(sought), visible)
