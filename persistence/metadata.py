"""The one metadata and the helpers that give every tenant table its shape.

A tenant table has `tenant_id` first in its primary key, its unique indexes and its foreign keys, so a reference
across tenants cannot be stored. States are text with a CHECK: operators of enums are not leakproof, and under row
security their indexes would go unused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    func,
)
from sqlalchemy.orm import registry

SCHEMA = "app"

metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    },
)
mapper_registry = registry(metadata=metadata)

PLATFORM = {"platform": True}
"""Marks a table that belongs to no tenant; tests hold the list of them."""


def tenant_table(name: str, *parts: Any, key: tuple[str, ...] = ("id",)) -> Table:
    return Table(
        name, metadata, Column("tenant_id", Uuid, nullable=False), *parts, PrimaryKeyConstraint("tenant_id", *key)
    )


def references(column: str, target: str, target_column: str = "id", **options: Any) -> ForeignKeyConstraint:
    """A composite foreign key within the tenant."""
    return ForeignKeyConstraint(
        ["tenant_id", column], [f"{SCHEMA}.{target}.tenant_id", f"{SCHEMA}.{target}.{target_column}"], **options
    )


def of_tenant() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id"], [f"{SCHEMA}.tenants.tenant_id"])


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({listed})", name=column)


def timestamp(name: str, *, default: bool = False) -> Column[Any]:
    if default:
        return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())
    return Column(name, DateTime(timezone=True))


def text(name: str, default: str | None = None, *, nullable: bool = False, **options: Any) -> Column[str]:
    return Column(name, Text(**options), nullable=nullable, server_default=default)
