"""Answers written by PostgreSQL: a tree of objects, pages and references becomes one SELECT whose text is JSON.

A tree may meet something that it cannot say, such as null where none may be. Where that can happen, a condition for it
travels up beside the text and makes the whole answer null, which the caller then finds out otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql.visitors import replacement_traverse

from persistence.json_text import Said, Value, cursor, json_boolean, number, or_null, text
from persistence.listing import Listing, Lookup
from persistence.shapes import TENANT, Shape


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
WORKED_OUT = frozenset({CURSOR, *PAGE_INFO})
"""Members that are no constants."""
TURN, TOTAL = "turn_", "total_"
BODY, COST, LACKING = "body", "cost", "lacking"


class _Writing:
    """What is being written: its text, what it is selected from, and what the parts of it cost."""

    def __init__(self, source: Any = None) -> None:
        self.said = Said()
        self.source = source
        self.costs: list[ColumnElement[Any]] = []

    def members(self, members: Sequence[tuple[str, Any]], write: Callable[[Any], None]) -> None:
        """An object: its constants, and for all others what `write` adds."""
        self.said.add("{")
        for n, (key, member) in enumerate(members):
            self.said.add(("," if n else "") + json.dumps(key) + ":")
            if isinstance(member, str) and member not in WORKED_OUT:
                self.said.add(member)
            else:
                write(member)
        self.said.add("}")

    def hang(self, part: Any) -> None:
        """A part that is selected for each row of the source."""
        self.source = part if self.source is None else self.source.join(part, true())
        self.said.add(part.c[BODY])
        self.costs.append(part.c[COST])
        if LACKING in part.c:
            self.said.lacking.append(part.c[LACKING])


class Body:
    """One statement for a whole answer: one row (body, cost), whose body is UTF-8, or null."""

    def __init__(self, members: list[tuple[str, str | PageBody | ReferenceBody]], fixed_cost: int) -> None:
        self._count = 0
        answer = _Writing()
        answer.said.add('{"data":')
        answer.members(members, lambda member: answer.hang(self._part(member, None)))
        answer.said.add("}")
        whole: Any = answer.said.sql
        if answer.said.lacking:
            whole = case((or_(*answer.said.lacking), literal_column("null")), else_=whole)
        encoded = func.convert_to(whole, text("UTF8"))  # bytes: nobody has to decode and encode them again
        selected = select(encoded.label(BODY), _sum(number(fixed_cost), *answer.costs).label(COST))
        self.shape = Shape(selected.select_from(answer.source) if answer.source is not None else selected)

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _part(self, member: PageBody | ReferenceBody, parent: Any) -> Any:
        made = self._page(member, parent) if isinstance(member, PageBody) else self._reference(member, parent)
        return made.lateral(self._name("part"))

    def _object(self, body: ObjectBody, row: Any, writing: _Writing) -> None:
        def write(member: Value | PageBody | ReferenceBody) -> None:
            if isinstance(member, PageBody | ReferenceBody):
                writing.hang(self._part(member, row))
            else:
                writing.said.add(member(row))

        writing.members(body.members, write)

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
        writing = _Writing(one.outerjoin(row, true()))
        self._object(body.body, row.c, writing)
        said, missing = or_null(row.c.id, writing.said).sql, row.c.id.is_(None)
        columns = [said.label(BODY), _sum(*writing.costs).label(COST)]
        lacking = [and_(not_(missing), or_(*writing.said.lacking))] if writing.said.lacking else []
        lacking += [] if body.nullable else [missing]
        if lacking:
            columns.append(or_(*lacking).label(LACKING))
        return select(*columns).select_from(writing.source)

    def _page(self, body: PageBody, parent: Any) -> Select[Any]:
        rows = self._rows(body, parent)
        scope = parent[body.parent] if body.parent is not None else None
        page = _Writing(rows)

        def write(member: EdgesBody | PageInfoBody) -> None:
            if isinstance(member, PageInfoBody):
                _page_info(page, member, body, rows.c, scope)
                return
            entry = _Writing(page.source)
            self._edge(entry, member, body.listing, rows.c, scope)
            page.source = entry.source
            page.costs += [func.coalesce(func.sum(cost), number(0)) for cost in entry.costs]
            listed = func.string_agg(entry.said.sql, text(","))
            page.said.add(Said("[", func.coalesce(listed, text("")), "]"))
            if entry.said.lacking:
                page.said.lacking.append(func.coalesce(func.bool_or(or_(*entry.said.lacking)), false()))

        page.members(body.members, write)
        spent = _sum(func.count() * number(body.entry_cost), *page.costs)
        columns = [page.said.sql.label(BODY), cast(spent, Integer).label(COST)]
        if page.said.lacking:
            columns.append(or_(*page.said.lacking).label(LACKING))
        return select(*columns).select_from(page.source)

    def _rows(self, body: PageBody, parent: Any) -> Any:
        """The rows of a page; where its `pageInfo` is asked for, with their turns and one more in the total."""
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
        counted = select(*inner.c, turn, total).lateral(self._name("counted"))
        return select(*counted.c).where(counted.c[TURN] <= _first(body)).lateral(self._name("rows"))

    def _edge(self, entry: _Writing, edges: EdgesBody, listing: Listing, row: Any, scope: Any) -> None:
        def write(member: ObjectBody | str) -> None:
            if isinstance(member, ObjectBody):
                self._object(member, row, entry)
            else:
                entry.said.add(cursor(listing, row, scope))

        entry.members(edges.members, write)


def _sum(*costs: ColumnElement[Any]) -> ColumnElement[Any]:
    return reduce(add, costs) if costs else number(0)


def _page_info(writing: _Writing, body: PageInfoBody, page: PageBody, row: Any, scope: Any) -> None:
    first = _first(page)
    place = cursor(page.listing, row, scope).sql
    said: dict[str, Any] = {
        HAS_NEXT: json_boolean(func.coalesce(func.bool_or(row[TOTAL] > first), false())),
        HAS_PREVIOUS: "true" if page.after else "false",
        START: func.coalesce(func.max(place).filter(row[TURN] == number(1)), text("null")),
        END: func.coalesce(func.max(place).filter(row[TURN] == func.least(row[TOTAL], first)), text("null")),
    }
    writing.members(body.members, lambda member: writing.said.add(said[member]))


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
        if isinstance(element, BindParameter) and element.required and element.key not in {"tenant", "ids", "actor"}:
            return bindparam(f"{element.key}{suffix}", type_=element.type)
        return None

    return replacement_traverse(clause, {}, replace)
