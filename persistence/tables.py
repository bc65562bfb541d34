"""Every table, so that importing this module completes the metadata and the mappings."""

from __future__ import annotations

from sqlalchemy.orm import configure_mappers

from persistence.accounts import tables as accounts
from persistence.billing import tables as billing
from persistence.generation import tables as generation
from persistence.integrations import tables as integrations
from persistence.jobs import tables as jobs
from persistence.metadata import mapper_registry, metadata
from persistence.projects import tables as projects
from persistence.story import tables as story

__all__ = [
    "accounts",
    "billing",
    "generation",
    "integrations",
    "jobs",
    "mapper_registry",
    "metadata",
    "projects",
    "story",
]

configure_mappers()
