"""Alembic's environment. The connection comes from `persistence.migrate`, never from a file."""

from __future__ import annotations

from typing import Any

from alembic import context

from persistence.tables import metadata


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    return name == "app" if kind == "schema" else True


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_schemas=True,
    include_name=include_name,
    compare_server_default=False,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
