"""Keyset pages: a cursor is the sort key of a row, and a page is what comes after it, by index.

`listing` makes the statements: one serves a level of a query, whatever the number of parents.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Select, tuple_

from domain.errors import ErrorCode, Rejected

PAGE_DEFAULT = 20
PAGE_MAX = 100
FOREIGN_CURSOR = "This cursor belongs to another list."


def storable(value: str) -> str:
    if "\0" in value:
        raise ValueError("PostgreSQL stores no NUL")
    return value


def whole_number(value: str) -> int:
    """As a column of type integer can hold it."""
    number = int(value)
    if not -(2**31) <= number < 2**31:
        raise ValueError(value)
    return number


def moment(value: str) -> datetime:
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError("a moment needs an offset")
    return parsed


@dataclass(frozen=True, slots=True)
class SortColumn:
    """One part of a sort key; `label` is the row's attribute.

    `parse` reads its `str` back from a cursor. Raises ValueError for what PostgreSQL would refuse: anybody may have
    written the cursor.
    """

    label: str
    column: ColumnElement[Any]
    parse: Callable[[str], Any] = storable


@dataclass(frozen=True, slots=True)
class Keyset:
    """An order that ends in a unique column. `name` goes into cursors, so that one of another list is refused."""

    name: str
    columns: tuple[SortColumn, ...]
    descending: bool = False

    def cursor(self, row: Any, scope: str) -> str:
        parts = [self.name, scope, *(str(getattr(row, part.label)) for part in self.columns)]
        return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")

    def read(self, cursor: str | None, scope: str) -> tuple[Any, ...] | None:
        """The sort key of a cursor. Raises Rejected for garbage and for a cursor of another list."""
        if cursor is None:
            return None
        found, key = self.decode(cursor)
        if found != scope:
            raise Rejected(ErrorCode.BAD_USER_INPUT, FOREIGN_CURSOR, "after")
        return key

    def decode(self, cursor: str) -> tuple[str, tuple[Any, ...]]:
        """Scope and sort key of a cursor. Raises Rejected for garbage and for a cursor of another kind of list."""
        try:
            name, of, *parts = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
            if not all(isinstance(part, str) for part in parts):
                raise TypeError(parts)
            key = tuple(part.parse(value) for part, value in zip(self.columns, parts, strict=True))
        except (binascii.Error, ValueError, TypeError):
            raise Rejected(ErrorCode.BAD_USER_INPUT, "This is not a cursor of this API.", "after") from None
        if name != self.name:
            raise Rejected(ErrorCode.BAD_USER_INPUT, FOREIGN_CURSOR, "after")
        return str(of), key

    def after(self, key: tuple[Any, ...]) -> ColumnElement[bool]:
        left = tuple_(*(part.column for part in self.columns))
        return left < tuple_(*key) if self.descending else left > tuple_(*key)

    def order(self) -> list[ColumnElement[Any]]:
        return [part.column.desc() if self.descending else part.column.asc() for part in self.columns]


def check_first(first: int) -> int:
    if not 1 <= first <= PAGE_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {PAGE_MAX} at a time.", "first")
    return first


def one_list(statement: Select[Any], keyset: Keyset, first: int, key: tuple[Any, ...] | None) -> Select[Any]:
    """The statement for one page of one list, with the row that tells whether more follow."""
    if key is not None:
        statement = statement.where(keyset.after(key))
    return statement.order_by(*keyset.order()).limit(first + 1)
