"""Answers written by PostgreSQL: a tree of objects, pages and references becomes one SELECT whose text is JSON.

An expression here is the text of a JSON value. SQL null is no JSON: it means that the tree met something it cannot
say, such as null where none may be, and it makes the whole answer null, which the caller then finds out otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import (
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.visitors import replacement_traverse

from persistence.listing import Listing, Lookup
from persistence.shapes import TENANT, Shape

Value = Callable[[Any], ColumnElement[Any]]
"""The columns of a row -> the JSON text of a value."""


def text(said: str) -> ColumnElement[str]:
    """A constant piece of the answer."""
    quoted = said.replace("'", "''")
    return literal_column(f"'{quoted}'", type_=Text())


def number(value: int) -> ColumnElement[int]:
    return literal_column(str(value), type_=Integer())


def joined(pieces: Sequence[ColumnElement[Any] | str]) -> ColumnElement[Any]:
    """The pieces one after the other; null when one of them is. Neighbouring constants become one."""
    merged: list[Any] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    every = [text(piece) if isinstance(piece, str) else piece for piece in merged]
    whole = every[0]
    for piece in every[1:]:
        whole = whole.op("||")(piece)
    return whole


# -- values ----------------------------------------------------------------------------------------------------------


def or_null(column: ColumnElement[Any], said: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((column.is_(None), text("null")), else_=said)


def json_string(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.to_json(column), Text)


def as_is(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Integers, and JSON itself."""
    return cast(column, Text)


def json_boolean(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((column, text("true")), else_=text("false"))


def json_moment(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """RFC 3339 in UTC, cut to milliseconds."""
    utc = func.timezone(text("UTC"), column)
    return func.to_char(utc, text('"\\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\\""'))


def global_id(code: bytes, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The opaque id of a row: two bytes for its type and the sixteen of its UUID, in the alphabet of URLs."""
    raw = literal_column(f"'\\x{code.hex()}'::bytea").op("||")(func.uuid_send(column))
    return joined(['"', func.translate(func.encode(raw, text("base64")), text("+/"), text("-_")), '"'])


Kind = Literal["string", "integer", "boolean", "moment", "id", "json"]
"""What a value is to GraphQL."""


def writer(column: Column[Any], kind: Kind) -> Value | None:
    """How a column is written as a value of a kind; None when it is not stored as one."""
    stored = column.type
    match kind:
        case "string" if isinstance(stored, Text):
            return json_string
        case "integer" if stored.__class__ is Integer:
            return as_is
        case "boolean" if isinstance(stored, Boolean):
            return json_boolean
        case "moment" if isinstance(stored, DateTime):
            return json_moment
        case "id" if isinstance(stored, Uuid):
            return lambda value: joined(['"', as_is(value), '"'])
        case "json" if isinstance(stored, JSONB):
            return as_is
    return None


def _cursor(listing: Listing, row: Any, scope: ColumnElement[Any] | None) -> ColumnElement[Any]:
    """As `Keyset.cursor` writes it."""
    pieces: list[Any] = [json.dumps([listing.keyset.name], separators=(",", ":"))[:-1], ',"']
    pieces += [cast(scope, Text) if scope is not None else "", '"']
    for part in listing.keyset.columns:
        pieces += [",", _as_string(row[part.label], part.column.type)]
    encoded = func.encode(func.convert_to(joined([*pieces, "]"]), text("UTF8")), text("base64"))
    return joined(['"', func.translate(encoded, literal_column("E'+/=\\n'"), text("-_")), '"'])


def _as_string(column: ColumnElement[Any], type_: Any) -> ColumnElement[Any]:
    if type_.python_type.__name__ == "datetime":
        utc = func.timezone(text("UTC"), column)
        whole = func.to_char(utc, text("YYYY-MM-DD HH24:MI:SS"))
        part = func.to_char(utc, text(".US"))
        return joined(['"', whole, case((part == text(".000000"), text("")), else_=part), '+00:00"'])
    if isinstance(type_, Text):
        return json_string(column)
    return joined(['"', cast(column, Text), '"'])


# -- trees -----------------------------------------------------------------------------------------------------------


@dataclass
class ObjectBody:
    """An object of a row: constants, values, and what hangs on the row. `needs` are the columns of it."""

    members: list[tuple[str, str | Value | PageBody | ReferenceBody]] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)


@dataclass
class ReferenceBody:
    """The row that a column of the parent names, or at the root a parameter. Null where there is none, if it may be."""

    lookup: Lookup
    column: str
    body: ObjectBody
    nullable: bool


@dataclass
class PageBody:
    """A page of a listing, with the members of its connection in order.

    `parent` is the column of the parent that the listing is under; None for a list of the whole tenant. `suffix`
    tells its parameters from those of other pages. `entry_cost` is what one entry costs, without pages in it.
    """

    listing: Listing
    parent: str | None
    suffix: str
    filters: frozenset[str]
    after: bool
    entry_cost: int
    members: list[tuple[str, EdgesBody | PageInfoBody | str]] = field(default_factory=list)

    @property
    def counted(self) -> bool:
        return any(isinstance(member, PageInfoBody) for _, member in self.members)


@dataclass
class EdgesBody:
    """Each edge: `cursor` members and `node` objects."""

    members: list[tuple[str, str | ObjectBody]] = field(default_factory=list)


@dataclass
class PageInfoBody:
    members: list[tuple[str, str]] = field(default_factory=list)


CURSOR = "\0cursor"
HAS_NEXT, HAS_PREVIOUS, START, END = PAGE_INFO = ("\0next", "\0previous", "\0start", "\0end")
"""Members that are worked out, told from constants by their first character."""
TURN, TOTAL = "turn_", "total_"


class Body:
    """One statement for a whole answer: one row (body, cost), whose body may be null."""

    def __init__(self, members: list[tuple[str, str | PageBody | ReferenceBody]], fixed_cost: int) -> None:
        self._count = 0
        pieces: list[Any] = ['{"data":{']
        source: Any = None
        cost: Any = number(fixed_cost)
        for n, (key, member) in enumerate(members):
            pieces.append(("," if n else "") + json.dumps(key) + ":")
            if isinstance(member, str):
                pieces.append(member)
                continue
            part = self._part(member, None)
            source = part if source is None else source.join(part, true())
            pieces.append(part.c.body)
            cost = cost + part.c.cost
        whole = select(joined([*pieces, "}}"]).label("body"), cost.label("cost"))
        self.shape = Shape(whole.select_from(source) if source is not None else whole)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _part(self, member: PageBody | ReferenceBody, parent: Any) -> Any:
        made = self._page(member, parent) if isinstance(member, PageBody) else self._reference(member, parent)
        return made.lateral(self._name("part"))

    def _object(self, body: ObjectBody, row: Any, source: Any) -> tuple[ColumnElement[Any], Any, Any]:
        """An object's text; what it is selected from; what it costs beyond its own."""
        pieces: list[Any] = ["{"]
        cost: Any = None
        for n, (key, member) in enumerate(body.members):
            pieces.append(("," if n else "") + json.dumps(key) + ":")
            if isinstance(member, str):
                pieces.append(member)
            elif isinstance(member, PageBody | ReferenceBody):
                part = self._part(member, row)
                source = source.join(part, true())
                pieces.append(part.c.body)
                cost = part.c.cost if cost is None else cost + part.c.cost
            else:
                pieces.append(member(row))
        return joined([*pieces, "}"]), source, cost

    def _reference(self, body: ReferenceBody, parent: Any) -> Select[Any]:
        lookup = body.lookup
        table = lookup.table.alias(self._name("r"))
        where = [_adapted(one, lookup.table, table, "") for one in lookup.where]
        wanted: Any = parent[body.column] if parent is not None else bindparam(body.column, type_=Uuid)
        mine = and_(table.c.tenant_id == TENANT, table.c.id == wanted, *where)
        found = select(*(table.c[name] for name in sorted(body.body.needs | {"id"}))).where(mine)
        if parent is not None:
            found = found.correlate(wanted.table)
        row = found.lateral(self._name("row"))
        one = select(number(1).label("one")).subquery(self._name("one"))
        said, source, cost = self._object(body.body, row.c, one.outerjoin(row, true()))
        if body.nullable:
            said = or_null(row.c.id, said)
        else:
            said = case((row.c.id.is_(None), literal_column("null")), else_=said)
        return select(said.label("body"), func.coalesce(cost, number(0)).label("cost")).select_from(source)

    def _page(self, body: PageBody, parent: Any) -> Select[Any]:
        rows = self._rows(body, parent)
        scope = parent[body.parent] if body.parent is not None else None
        source: Any = rows
        pieces: list[Any] = ["{"]
        cost: Any = None
        kept = rows.c[TURN] <= _first(body) if body.counted else true()
        for n, (key, member) in enumerate(body.members):
            pieces.append(("," if n else "") + json.dumps(key) + ":")
            if isinstance(member, str):
                pieces.append(member)
            elif isinstance(member, PageInfoBody):
                pieces.append(_page_info(member, body, rows.c, scope))
            else:
                entry, source, beyond = self._edge(member, body.listing, rows.c, source, scope)
                cost = beyond if cost is None else (cost if beyond is None else cost + beyond)
                every = func.string_agg(entry, text(",")).filter(kept)
                missing = func.count().filter(and_(kept, entry.is_(None))) > number(0)
                listed = joined(["[", func.coalesce(every, text("")), "]"])
                pieces.append(case((missing, literal_column("null")), else_=listed))
        entries = func.count().filter(kept) * number(body.entry_cost)
        spent = entries if cost is None else entries + func.coalesce(func.sum(cost).filter(kept), number(0))
        return select(joined([*pieces, "}"]).label("body"), spent.label("cost")).select_from(source)

    def _rows(self, body: PageBody, parent: Any) -> Any:
        """The rows of a page; with their turns, and one more than the page has, where its `pageInfo` is asked for."""
        listing = body.listing
        table = listing.table.alias(self._name("t"))
        page = listing.select(_wanted(body), body.filters, after=body.after)
        page = _adapted(page, listing.table, table, body.suffix)
        if body.parent is not None and listing.parent is not None:
            above = parent[body.parent]
            page = page.where(table.c[listing.parent.name] == above).correlate(above.table)
        if not body.counted:
            return page.limit(_first(body)).lateral(self._name("rows"))
        inner = page.lateral(self._name("p"))
        turn, total = func.row_number().over().label(TURN), func.count().over().label(TOTAL)
        return select(*inner.c, turn, total).lateral(self._name("rows"))

    def _edge(
        self, edges: EdgesBody, listing: Listing, row: Any, source: Any, scope: Any
    ) -> tuple[ColumnElement[Any], Any, Any]:
        pieces: list[Any] = ["{"]
        cost: Any = None
        for n, (key, member) in enumerate(edges.members):
            pieces.append(("," if n else "") + json.dumps(key) + ":")
            if isinstance(member, ObjectBody):
                said, source, beyond = self._object(member, row, source)
                pieces.append(said)
                cost = beyond if cost is None else (cost if beyond is None else cost + beyond)
            else:
                pieces.append(_cursor(listing, row, scope) if member == CURSOR else member)
        return joined([*pieces, "}"]), source, cost


def _page_info(body: PageInfoBody, page: PageBody, row: Any, scope: Any) -> ColumnElement[Any]:
    first = _first(page)
    cursor = _cursor(page.listing, row, scope)
    said: dict[str, Any] = {
        HAS_NEXT: json_boolean(func.coalesce(func.bool_or(row[TOTAL] > first), literal_column("false"))),
        HAS_PREVIOUS: "true" if page.after else "false",
        START: func.coalesce(func.max(cursor).filter(row[TURN] == number(1)), text("null")),
        END: func.coalesce(func.max(cursor).filter(row[TURN] == func.least(row[TOTAL], first)), text("null")),
    }
    pieces: list[Any] = ["{"]
    for n, (key, member) in enumerate(body.members):
        pieces += [("," if n else "") + json.dumps(key) + ":", said.get(member, member)]
    return joined([*pieces, "}"])


def _first(page: PageBody) -> ColumnElement[int]:
    """How many entries a page has: its statement asks for one more."""
    return bindparam(f"first{page.suffix}", type_=Integer) - number(1)


def _wanted(body: PageBody) -> frozenset[str]:
    """The columns of the rows that anything in the page reads."""
    wanted = {"id"}
    for _, member in body.members:
        for _, node in member.members if isinstance(member, EdgesBody) else ():
            if isinstance(node, ObjectBody):
                wanted |= node.needs
    return frozenset(wanted)


def _adapted(clause: Any, table: Any, alias: Any, suffix: str) -> Any:
    """The same about another name of the table, with parameters of its own."""

    def replace(element: Any, **_: Any) -> Any:
        if getattr(element, "table", None) is table:
            return alias.c[element.name]
        if element is table:
            return alias
        if isinstance(element, BindParameter) and element.required and element.key not in {"tenant", "ids"}:
            return bindparam(f"{element.key}{suffix}", type_=element.type)
        return None

    return replacement_traverse(clause, {}, replace)
