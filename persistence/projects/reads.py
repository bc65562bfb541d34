"""Reads of the projects room: named columns as rows, one statement a level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, cast, func, literal, select, union_all

from domain.projects import OutlineKind
from persistence.paging import Keyset, SortColumn, moment, whole_number
from persistence.projects.tables import outline_nodes, passages, projects, text_versions

SEARCH_CHARS_MAX = 200
SNIPPET_OPTIONS = "StartSel=«, StopSel=», MaxWords=30, MinWords=10, MaxFragments=1"

_project = projects.c
_node = outline_nodes.c
_version = text_versions.c

PROJECT_ORDERS: dict[str, SortColumn] = {
    "UPDATED_AT": SortColumn("updated_at", _project.updated_at, moment),
    "CREATED_AT": SortColumn("created_at", _project.created_at, moment),
    "TITLE": SortColumn("title", _project.title),
}
CHAPTERS = Keyset("chapters", (SortColumn("path", _node.path), SortColumn("id", _node.id, UUID)))
VERSIONS = Keyset("versions", (SortColumn("number", _version.number, whole_number),), descending=True)

_PROJECT_COLUMNS = [column for column in projects.columns if column.name != "tenant_id"]
_NODE_COLUMNS = [column for column in outline_nodes.columns if column.name != "tenant_id"]
_VERSION_COLUMNS = [column for column in text_versions.columns if column.name != "tenant_id"]


def project_keyset(order: str, descending: bool) -> Keyset:
    way = "desc" if descending else "asc"
    return Keyset(
        f"projects:{order}:{way}", (PROJECT_ORDERS[order], SortColumn("id", _project.id, UUID)), descending=descending
    )


def project_rows(tenant_id: UUID) -> Select[Any]:
    return select(*_PROJECT_COLUMNS).where(_project.tenant_id == tenant_id)


def filtered_projects(
    tenant_id: UUID, *, status: str | None, deleted: bool, title_contains: str | None, language: str | None
) -> Select[Any]:
    statement = project_rows(tenant_id).where(
        _project.deleted_at.is_not(None) if deleted else _project.deleted_at.is_(None)
    )
    if status is not None:
        statement = statement.where(_project.status == status)
    if language is not None:
        statement = statement.where(_project.language == language)
    if title_contains:
        statement = statement.where(_project.title.icontains(title_contains, autoescape=True))
    return statement


def projects_by_id(tenant_id: UUID, ids: Sequence[UUID]) -> Select[Any]:
    return project_rows(tenant_id).where(_project.id.in_(ids))


def project_words(tenant_id: UUID, ids: Sequence[UUID]) -> Select[Any]:
    """Rows (id, words) of projects that have any."""
    return (
        select(_node.project_id.label("id"), func.sum(_node.word_count).label("words"))
        .where(_node.tenant_id == tenant_id, _node.project_id.in_(ids), _node.deleted_at.is_(None))
        .group_by(_node.project_id)
    )


def chapter_rows(tenant_id: UUID) -> Select[Any]:
    return select(*_NODE_COLUMNS).where(
        _node.tenant_id == tenant_id, _node.kind == OutlineKind.CHAPTER, _node.deleted_at.is_(None)
    )


def _live_node(tenant_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """Conditions on a node that can be seen, which one of a deleted project cannot."""
    live_project = select(_project.id).where(_project.tenant_id == tenant_id, _project.deleted_at.is_(None))
    return _node.tenant_id == tenant_id, _node.deleted_at.is_(None), _node.project_id.in_(live_project)


def nodes_by_id(tenant_id: UUID, ids: Sequence[UUID]) -> Select[Any]:
    return select(*_NODE_COLUMNS).where(*_live_node(tenant_id), _node.id.in_(ids))


def outline(tenant_id: UUID, project_ids: Sequence[UUID], limit: int) -> Select[Any]:
    """The whole outline of each project in reading order, at most `limit` nodes each."""
    turn = func.row_number().over(partition_by=_node.project_id, order_by=_node.path).label("turn")
    ranked = (
        select(*_NODE_COLUMNS, turn)
        .where(_node.tenant_id == tenant_id, _node.project_id.in_(project_ids), _node.deleted_at.is_(None))
        .subquery()
    )
    return select(ranked).where(ranked.c.turn <= limit).order_by(ranked.c.project_id, ranked.c.path)


def version_rows(tenant_id: UUID) -> Select[Any]:
    return select(*_VERSION_COLUMNS).where(_version.tenant_id == tenant_id)


def versions_by_id(tenant_id: UUID, ids: Sequence[UUID]) -> Select[Any]:
    live = select(_node.id).where(*_live_node(tenant_id))
    return version_rows(tenant_id).where(_version.id.in_(ids), _version.node_id.in_(live))


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
