"""Every table, so that importing this module completes the metadata and the mappings."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import configure_mappers

from persistence.accounts import tables as accounts
from persistence.assistants import tables as assistants
from persistence.billing import budget_tables as budgets
from persistence.billing import tables as billing
from persistence.channels import tables as channels
from persistence.conversations import tables as conversations
from persistence.feeds import tables as feeds
from persistence.files import tables as files
from persistence.generation import tables as generation
from persistence.integrations import tables as integrations
from persistence.invoices import tables as invoices
from persistence.jobs import tables as jobs
from persistence.knowledge import search_tables as knowledge_search
from persistence.knowledge import tables as knowledge
from persistence.metadata import mapper_registry, metadata
from persistence.operations import tables as operations
from persistence.payments import tables as payments
from persistence.plans import tables as plans
from persistence.projects import tables as projects
from persistence.shapes import Row
from persistence.story import tables as story

__all__ = [
    "accounts",
    "assistants",
    "billing",
    "budgets",
    "channels",
    "conversations",
    "feeds",
    "files",
    "generation",
    "integrations",
    "invoices",
    "jobs",
    "knowledge",
    "knowledge_search",
    "mapper_registry",
    "metadata",
    "operations",
    "payments",
    "plans",
    "projects",
    "story",
]

configure_mappers()


def _attribute(column: str) -> property:
    def read(row: Row) -> Any:
        try:
            return row[column]
        except KeyError:
            raise AttributeError(column) from None

    return property(read)


# Python asks `__getattr__` after it has made an exception, which costs four times what this does.
for _column in {column.name for table in metadata.tables.values() for column in table.columns} - set(dir(Row)):
    setattr(Row, _column, _attribute(_column))
