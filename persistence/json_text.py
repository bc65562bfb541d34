"""JSON as PostgreSQL writes it: the text of a value as an SQL expression over a row's columns.

PostgreSQL works an expression out as often as it is written: so a text is written once, and conditions look at columns.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from sqlalchemy import Boolean, Column, ColumnElement, DateTime, Integer, Text, Uuid, case, cast, func, literal_column
from sqlalchemy.dialects.postgresql import JSONB

from persistence.listing import Listing


def text(said: str) -> ColumnElement[str]:
    """A constant piece of the answer."""
    quoted = said.replace("'", "''")
    return literal_column(f"'{quoted}'", type_=Text())


def number(value: int) -> ColumnElement[int]:
    return literal_column(str(value), type_=Integer())


class Said:
    """JSON text in pieces, constants and expressions; `lacking` are conditions under which there is no such text."""

    __slots__ = ("lacking", "pieces")

    def __init__(self, *pieces: str | ColumnElement[Any] | Said) -> None:
        self.pieces: list[str | ColumnElement[Any]] = []
        self.lacking: list[ColumnElement[bool]] = []
        for piece in pieces:
            self.add(piece)

    def add(self, piece: str | ColumnElement[Any] | Said) -> None:
        """Neighbouring constants become one."""
        if isinstance(piece, Said):
            self.lacking += piece.lacking
            for one in piece.pieces:
                self.add(one)
        elif isinstance(piece, str) and self.pieces and isinstance(self.pieces[-1], str):
            self.pieces[-1] += piece
        else:
            self.pieces.append(piece)

    @property
    def sql(self) -> ColumnElement[Any]:
        whole, *others = [text(piece) if isinstance(piece, str) else piece for piece in self.pieces]
        for piece in others:
            whole = whole.op("||")(piece)
        return whole


Value = Callable[[Any], Said]
"""The columns of a row -> the JSON text of a value."""
Writer = Callable[[ColumnElement[Any]], Said]
"""A column that is not null -> the JSON text of its value."""


def or_null(column: ColumnElement[Any], said: Said) -> Said:
    return Said(case((column.is_(None), text("null")), else_=said.sql))


def never_null(column: ColumnElement[Any], said: Said) -> Said:
    said.lacking.append(column.is_(None))
    return said


def json_string(column: ColumnElement[Any]) -> Said:
    return Said(cast(func.to_json(column), Text))


def as_is(column: ColumnElement[Any]) -> Said:
    """Integers, and JSON itself."""
    return Said(cast(column, Text))


def json_boolean(column: ColumnElement[Any]) -> Said:
    return Said(case((column, text("true")), else_=text("false")))


def json_moment(column: ColumnElement[Any]) -> Said:
    """RFC 3339 in UTC, cut to milliseconds."""
    utc = func.timezone(text("UTC"), column)
    return Said(func.to_char(utc, text('"\\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\\""')))


def url_base64(base64: ColumnElement[Any]) -> ColumnElement[Any]:
    """In the alphabet of URLs. Two replacements cost a third of one `translate`."""
    return func.replace(func.replace(base64, text("+"), text("-")), text("/"), text("_"))


def global_id(code: bytes, column: ColumnElement[Any]) -> Said:
    """The opaque id of a row: two bytes for its type and the sixteen of its UUID."""
    raw = literal_column(f"'\\x{code.hex()}'::bytea").op("||")(func.uuid_send(column))
    return Said('"', url_base64(func.encode(raw, text("base64"))), '"')


Kind = Literal["string", "integer", "boolean", "moment", "id", "json"]
"""What a value is to GraphQL."""


def writer(column: Column[Any], kind: Kind) -> Writer | None:
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
            return lambda value: Said('"', as_is(value), '"')
        case "json" if isinstance(stored, JSONB):
            return as_is
    return None


def cursor(listing: Listing, row: Any, scope: ColumnElement[Any] | None) -> Said:
    """As `Keyset.cursor` writes it, in quotes."""
    said = Said(json.dumps([listing.keyset.name], separators=(",", ":"))[:-1], ',"')
    said.add(cast(scope, Text) if scope is not None else "")
    said.add('"')
    for part in listing.keyset.columns:
        said.add(",")
        said.add(_as_string(row[part.label], part.column.type))
    said.add("]")
    encoded: Any = func.encode(func.convert_to(said.sql, text("UTF8")), text("base64"))
    for dropped in (text("="), literal_column("E'\\n'")):
        encoded = func.replace(encoded, dropped, text(""))
    return Said('"', url_base64(encoded), '"')


def _as_string(column: ColumnElement[Any], type_: Any) -> Said:
    if type_.python_type.__name__ == "datetime":
        utc = func.timezone(text("UTC"), column)
        whole = func.to_char(utc, text("YYYY-MM-DD HH24:MI:SS"))
        part = func.to_char(utc, text(".US"))
        return Said('"', whole, case((part == text(".000000"), text("")), else_=part), '+00:00"')
    if isinstance(type_, Text):
        return json_string(column)
    return Said('"', cast(column, Text), '"')
