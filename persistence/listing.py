"""Lists that can be paged: whose rows, narrowed by what, in which order, under which parent.

A listing makes the statement for one page of itself, or for a page under each of many parents, with the columns that
are wanted and no others. Statements are kept: there are as many as there are ways in which clients ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Label,
    Select,
    Table,
    any_,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
)

from persistence.paging import Keyset
from persistence.shapes import IDS, TENANT, Shape

FIRST = bindparam("first", type_=Integer)
"""One more than a page has: the row that tells whether more follow."""
PARENT = "parent_"
SHAPES_MAX = 500
TENANT_ID = frozenset({"tenant_id"})


@dataclass(frozen=True, eq=False)
class Listing:
    """`filters` are conditions by name, over parameters that `values` knows how to fill; `more` are columns beside
    the table's.
    """

    keyset: Keyset
    table: Table
    where: tuple[ColumnElement[bool], ...] = ()
    filters: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    parent: Column[Any] | None = None
    hidden: frozenset[str] = TENANT_ID
    more: tuple[Label[Any], ...] = ()
    _shapes: dict[Any, Shape] = field(default_factory=dict, repr=False)

    def select(self, columns: frozenset[str] | None, filters: frozenset[str], *, after: bool) -> Select[Any]:
        """One page over the parameters `tenant`, `first`, those of its filters, and `after_0`, `after_1` ..."""
        statement = select(*self.shown(columns)).where(self.table.c.tenant_id == TENANT, *self.where)
        statement = statement.where(*(self.filters[name] for name in sorted(filters)))
        if after:
            statement = statement.where(self.after())
        return statement.order_by(*self.keyset.order()).limit(FIRST)

    def shown(self, columns: frozenset[str] | None) -> list[ColumnElement[Any]]:
        """The wanted columns of the table, all that are not hidden for None; always with the sort key."""
        key = {part.label for part in self.keyset.columns}
        return [
            column
            for column in (*self.table.columns, *self.more)
            if column.name not in self.hidden and (columns is None or column.name in columns or column.name in key)
        ]

    def after(self) -> ColumnElement[bool]:
        parts = self.keyset.columns
        key = tuple_(*(bindparam(f"after_{n}", type_=part.column.type) for n, part in enumerate(parts)))
        left = tuple_(*(part.column for part in parts))
        return left < key if self.keyset.descending else left > key

    def page(self, columns: frozenset[str] | None, filters: frozenset[str] = frozenset(), *, after: bool) -> Shape:
        return self._kept(("page", columns, filters, after), lambda: self.select(columns, filters, after=after))

    def pages(self, columns: frozenset[str] | None, filters: frozenset[str] = frozenset(), *, after: bool) -> Shape:
        """A page under each of the parents `ids`; rows carry their parent's id in `parent_`."""
        return self._kept(("pages", columns, filters, after), lambda: self._of_parents(columns, filters, after))

    def _of_parents(self, columns: frozenset[str] | None, filters: frozenset[str], after: bool) -> Select[Any]:
        wanted = func.unnest(IDS).table_valued(PARENT).render_derived(name="wanted")
        mine: ColumnElement[bool] = cast("Column[Any]", self.parent) == wanted.c[PARENT]
        under = self.select(columns, filters, after=after).where(mine)
        part = under.lateral("part")
        return select(wanted.c[PARENT], *part.c).select_from(wanted.join(part, true()))

    def _kept(self, key: Any, make: Any) -> Shape:
        known = self._shapes.get(key)
        if known is None:
            known = Shape(make())
            if len(self._shapes) < SHAPES_MAX:
                self._shapes[key] = known
        return known


TYPENAME = "typename_"
"""A row that was found by its id says of which type it stands in this column."""


class Lookup:
    """How things of one type are found by their ids."""

    def __init__(
        self, type_name: str, table: Table, *where: ColumnElement[bool], hidden: frozenset[str] = TENANT_ID,
        more: tuple[Label[Any], ...] = (),
    ) -> None:  # fmt: skip
        self.type_name = type_name
        self.table = table
        self.where = where
        shown = [column for column in table.columns if column.name not in hidden]
        mine = select(*shown, *more).where(table.c.tenant_id == TENANT, *where)
        self.shape = by_ids(type_name, mine, table.c.id)
        """The rows with one of the `ids`."""


def by_ids(type_name: str, statement: Select[Any], id_: ColumnElement[Any]) -> Shape:
    """The rows of a statement with one of the `ids`, marked with their type."""
    marked: ColumnElement[Any] = literal_column(f"'{type_name}'").label(TYPENAME)
    return Shape(statement.add_columns(marked).where(id_ == any_(IDS)))


def page_values(first: int, after: tuple[Any, ...] | None) -> dict[str, Any]:
    """The values of one page's parameters."""
    return {"first": first + 1, **{f"after_{n}": part for n, part in enumerate(after or ())}}


def contains(value: str) -> str:
    """A pattern for ILIKE that finds the text anywhere."""
    return "%" + value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
