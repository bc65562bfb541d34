"""Statements that are asked again and again: written once, sent with new values.

A shape is a SELECT over named parameters, as text. What it costs to build and compile a statement is paid once; a
request pays for its values and its rows.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import asyncpg
from sqlalchemy import ARRAY, Select, Uuid, bindparam
from sqlalchemy import Row as SqlRow
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

TENANT = bindparam("tenant", type_=Uuid)
ACTOR = bindparam("actor", type_=Uuid)
"""The user who asks: for what only some of a tenant's members see. Whoever has an actor fills it in."""
IDS = bindparam("ids", type_=ARRAY(Uuid))
"""Parents, or the rows themselves: compare with `any_(IDS)`, or unnest."""

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):  # type: ignore[misc]
    """A row of a shape: its columns by name, as items and, slower, as attributes."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


ROW_CLASSES: tuple[type, ...] = (Row, SqlRow)
"""What rows are made of: their attributes are their columns and nothing else."""


class Shape:
    """`text` sets the tenant for itself and then selects, in one statement; `names` are its parameters in order.

    Raises ValueError, when it is first used, for a statement that does not compare with TENANT or has values.
    """

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(self._compiled.positiontup or ())

    @cached_property
    def text(self) -> str:
        if "tenant" not in self.names:
            raise ValueError("a shape compares tenant_id with TENANT")
        valued = [name for name, bind in self._compiled.binds.items() if not bind.required]
        if valued:
            raise ValueError(f"a shape has parameters and no values: {valued}")
        tenant = f"${self.names.index('tenant') + 1}"
        # The lateral subquery needs the setting's row, and OFFSET keeps the planner from looking into it: so the
        # tenant is set before row security first asks for it, and only for this statement.
        return (
            f"with scope_ as materialized (select set_config('app.tenant_id', {tenant}::uuid::text, true) as set_) "
            f"select rows_.* from scope_ cross join lateral "
            f"(select * from ({self._compiled}) as shape_ where scope_.set_ is not null offset 0) as rows_"
        )

    @cached_property
    def _compiled(self) -> Any:
        return self.statement.compile(dialect=_DIALECT)

    def values(self, given: dict[str, Any]) -> list[Any]:
        """Raises KeyError for a parameter without a value."""
        return [given[name] for name in self.names]
