"""Reads of the assistants room: a tenant's own assistants and the published ones of all, as rows of one kind.

Of its own a tenant sees what was written, of others' the published copy. What is shown depends on who reads: an
assistant may be its owner's alone, and each user installs his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    bindparam,
    case,
    column,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import JSONB

from domain.assistants.entities import Visibility
from persistence.accounts.reads import ADMINISTERS
from persistence.assistants.tables import (
    COUNTERS,
    assistant_installs,
    assistant_versions,
    assistants,
    public_assistant_versions,
    public_assistants,
)
from persistence.listing import FIRST, TENANT_ID, Listing, by_ids
from persistence.paging import Keyset, SortColumn, moment, whole_number
from persistence.shapes import ACTOR, IDS, TENANT, Shape

_own, _public, _install = assistants.c, public_assistants.c, assistant_installs.c
_PRIVATE: ColumnElement[Any] = literal_column(f"'{Visibility.PRIVATE}'")
_EVERYBODYS: ColumnElement[Any] = literal_column(f"'{Visibility.PUBLIC}'")
_SAME = ("name", "description", "category", "tags", "tsv")
_SCORE_MAX: ColumnElement[Any] = literal_column("1000000")

_SEEN = and_(
    _own.tenant_id == TENANT, _own.deleted_at.is_(None), or_(_own.visibility != _PRIVATE, _own.owner_id == ACTOR)
)
"""Of the tenant's own, what the reader sees."""
_EDITED = or_(_own.owner_id == ACTOR, ADMINISTERS)
"""Of what the reader sees, what he may change: of the rest he has the published version and those before it."""
_LISTED = _public.withdrawn_at.is_(None), ~exists().where(_own.tenant_id == TENANT, _own.id == _public.id)
"""Of what is published, what is not the tenant's own."""


def _installed(assistant_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(_install.tenant_id == TENANT, _install.user_id == ACTOR, _install.assistant_id == assistant_id)


def _own_rows() -> Select[Any]:
    """With the counters of its publication, where it has or had one."""
    counted = [func.coalesce(_public[name], _own[name]).label(name) for name in (*COUNTERS, "popularity", "standing")]
    listed = _public.withdrawn_at.is_(None)
    published_at = case((listed, _public.published_at))
    return (
        select(
            _own.tenant_id, _own.id, _own.owner_id, *(_own[name] for name in _SAME), _own.visibility,
            case((_EDITED, _own.current_version_id), else_=_own.published_version_id).label("current_version_id"),
            *counted, _own.created_at, _own.updated_at, published_at.label("published_at"),
            func.coalesce(published_at, _own.created_at).label("listed_at"), _own.published_version_id,
            null().cast(Text).label("publisher"), case((listed, _install.version_id)).label("installed_version_id"),
        )
        .select_from(assistants)
        .outerjoin(public_assistants, _public.id == _own.id)
        .outerjoin(assistant_installs, _installed(_own.id))
        .where(_SEEN)
    )  # fmt: skip


def _published_rows() -> Select[Any]:
    return (
        select(
            TENANT.label("tenant_id"), _public.id, null().cast(UuidType).label("owner_id"),
            *(_public[name] for name in _SAME), _EVERYBODYS.label("visibility"), _public.current_version_id,
            *(_public[name] for name in (*COUNTERS, "popularity", "standing")),
            _public.published_at.label("created_at"), _public.updated_at, _public.published_at,
            _public.published_at.label("listed_at"), _public.current_version_id.label("published_version_id"),
            _public.publisher, _install.version_id.label("installed_version_id"),
        )
        .select_from(public_assistants)
        .outerjoin(assistant_installs, _installed(_public.id))
        .where(*_LISTED)
    )  # fmt: skip


_all = union_all(_own_rows(), _published_rows()).subquery("assistants_")
ASSISTANTS_BY_ID = by_ids(
    "Assistant", select(*(one for one in _all.c if one.name not in ("tenant_id", "tsv"))), _all.c.id
)

_QUERY = select(func.app.search_query(bindparam("search", type_=Text))).scalar_subquery()
"""In a query of its own, so that it is made once and not for each row."""
_MARKS = func.app.marks_of(ACTOR, null()).table_valued(column("id", UuidType), column("favourite", Boolean))
_FAVOURITES = select(_MARKS.c.id).where(_MARKS.c.favourite)


def _filters(rows: FromClause) -> dict[str, ColumnElement[bool]]:
    of = rows.c
    return {
        "mine": of.owner_id == ACTOR,
        "tenants": of.owner_id.is_not(None),
        "market": of.published_at.is_not(None),
        "installed": of.installed_version_id.is_not(None),
        "favourites": of.id.in_(_FAVOURITES),
        "search": of.tsv.op("@@")(_QUERY),
        "tags": of.tags.op("?&")(bindparam("tags", type_=ARRAY(Text))),
        "category": of.category == bindparam("category", type_=Text),
    }


def _counter(value: str) -> int:
    """As a column of type bigint can hold it."""
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(value)
    return number


_PARSERS = {"score": whole_number, "popularity": _counter, "standing": _counter, "listed_at": moment}
ORDERS = {"RELEVANCE": "score", "POPULAR": "popularity", "NEWEST": "listed_at", "RATING": "standing"}


@dataclass(frozen=True, eq=False)
class _Market(Listing):
    """One page of each branch, by its own indexes, and of these the first: not a page of all that there is."""

    branches: tuple[Listing, ...] = ()

    def select(self, columns: frozenset[str] | None, filters: frozenset[str], *, after: bool) -> Select[Any]:
        pages = [one.select(columns, filters, after=after).subquery() for one in self.branches]
        rows = union_all(*(select(*page.c) for page in pages)).subquery("page_")
        order = [rows.c[part.label].desc() for part in self.keyset.columns]
        return select(*rows.c).order_by(*order).limit(FIRST)


def _branch(rows: Select[Any], order: str) -> Listing:
    shown: FromClause = rows.subquery("rows_")
    if order == "RELEVANCE":
        rank = func.round(func.ts_rank(shown.c.tsv, _QUERY) * _SCORE_MAX).cast(Integer).label("score")
        shown = select(*shown.c, rank).subquery("ranked_")
    key = shown.c[ORDERS[order]]
    columns = SortColumn(key.name, key, _PARSERS[key.name]), SortColumn("id", shown.c.id, UUID)
    return Listing(
        Keyset(f"assistants:{order}", columns, descending=True), cast("Table", shown), filters=_filters(shown),
        hidden=TENANT_ID | {"tsv"},
    )  # fmt: skip


@cache
def assistant_listing(order: str) -> Listing:
    """All that the reader sees. RELEVANCE goes with the filter `search`, which it ranks by."""
    own, published = _branch(_own_rows(), order), _branch(_published_rows(), order)
    return _Market(published.keyset, published.table, branches=(own, published))


# -- versions --------------------------------------------------------------------------------------------------------


def _versions() -> Subquery:
    own, public, published = assistant_versions.c, public_assistant_versions.c, assistant_versions.alias("published_")
    shared = [one.name for one in public if one.name not in ("id", "assistant_id")]
    told = and_(published.c.tenant_id == _own.tenant_id, published.c.id == _own.published_version_id)
    mine = (
        select(own.tenant_id, own.id, own.assistant_id, *(own[name] for name in shared), own.knowledge_base_ids)
        .join(assistants, and_(_own.tenant_id == own.tenant_id, _own.id == own.assistant_id))
        .outerjoin(published, told)
        .where(own.tenant_id == TENANT, _SEEN, or_(_EDITED, own.number <= published.c.number))
    )
    nothing: ColumnElement[Any] = literal_column("'[]'::jsonb", JSONB)
    others = select(
        TENANT.label("tenant_id"), public.id, public.assistant_id, *(public[name] for name in shared),
        nothing.label("knowledge_base_ids"),
    ).where(public.assistant_id.in_(select(_public.id).where(*_LISTED)))  # fmt: skip
    return union_all(mine, others).subquery("versions_")


_version = _versions()
VERSIONS_BY_ID = by_ids(
    "AssistantVersion", select(*(one for one in _version.c if one.name != "tenant_id")), _version.c.id
)
VERSIONS = Listing(
    Keyset("assistant_versions", (SortColumn("number", _version.c.number, whole_number),), descending=True),
    cast("Table", _version),
    parent=_version.c.assistant_id,  # type: ignore[arg-type]
)

# -- what a reader has said, and what there is -----------------------------------------------------------------------

_SAID = func.app.marks_of(ACTOR, IDS).table_valued(
    column("id", UuidType), column("liked", Boolean), column("favourite", Boolean), column("stars", Integer),
    column("words", Text),
)  # fmt: skip
MARKS = Shape(select(*_SAID.c).where(TENANT.is_not(None)))
"""What the reader says of assistants, where he has said anything."""

_REVIEWS = func.app.reviews_of(IDS, bindparam("first", type_=Integer)).table_valued(
    column("assistant_id", UuidType), column("stars", Integer), column("words", Text),
    column("rated_at", DateTime(timezone=True)),
)  # fmt: skip
REVIEWS = Shape(
    select(*_REVIEWS.c).where(TENANT.is_not(None)).order_by(_REVIEWS.c.assistant_id, _REVIEWS.c.rated_at.desc())
)
"""The newest ratings with words of assistants."""

_ANYBODY = TENANT.is_not(None), _public.withdrawn_at.is_(None)
CATEGORIES = Shape(select(_public.category, func.count().label("count")).where(*_ANYBODY).group_by(_public.category))
"""How many published assistants there are of each category that has any."""
_tag = func.jsonb_array_elements_text(_public.tags).table_valued(column("value", Text), name="tag_").lateral()
TAGS = Shape(
    select(_tag.c.value.label("tag"), func.count().label("count"))
    .select_from(public_assistants.join(_tag, literal_column("true")))
    .where(*_ANYBODY)
    .group_by(_tag.c.value)
    .order_by(func.count().desc(), _tag.c.value)
    .limit(bindparam("first", type_=Integer))
)
"""The tags of published assistants, the most used first."""
