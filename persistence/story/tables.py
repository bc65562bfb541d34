"""Tables of the story room."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, UniqueConstraint, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from domain import story
from persistence.metadata import mapper_registry, one_of, references, tenant_table, text, timestamp

codex_entries = tenant_table(
    "codex_entries",
    Column("id", Uuid, nullable=False),
    Column("project_id", Uuid, nullable=False),
    text("kind"),
    text("name"),
    text("summary", ""),
    Column("aliases", JSONB, nullable=False, server_default=sql("'[]'")),
    Column("attributes", JSONB, nullable=False, server_default=sql("'[]'")),
    text("inclusion", "DETECTED"),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("kind", story.CodexKind),
    one_of("inclusion", story.CodexInclusion),
    references("project_id", "projects"),
)
Index(None, codex_entries.c.tenant_id, codex_entries.c.project_id, codex_entries.c.name, codex_entries.c.id)

codex_relations = tenant_table(
    "codex_relations",
    Column("id", Uuid, nullable=False),
    Column("project_id", Uuid, nullable=False),
    Column("from_id", Uuid, nullable=False),
    Column("to_id", Uuid, nullable=False),
    text("kind"),
    text("note", ""),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "from_id", "to_id", "kind"),
    CheckConstraint("from_id <> to_id", name="not_itself"),
    references("project_id", "projects"),
    references("from_id", "codex_entries"),
    references("to_id", "codex_entries"),
)
Index(None, codex_relations.c.tenant_id, codex_relations.c.to_id)

mapper_registry.map_imperatively(story.CodexEntry, codex_entries)
mapper_registry.map_imperatively(story.CodexRelation, codex_relations)
