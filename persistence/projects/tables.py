"""Tables of the projects room, and the passages that search reads."""

from __future__ import annotations

from sqlalchemy import Column, Computed, Index, Integer, UniqueConstraint, Uuid, literal_column
from sqlalchemy.dialects.postgresql import TSVECTOR

from domain import projects as domain
from persistence.metadata import mapper_registry, of_tenant, one_of, references, tenant_table, text, timestamp

projects = tenant_table(
    "projects",
    Column("id", Uuid, nullable=False),
    text("title"),
    text("language", "en"),
    text("genre", ""),
    text("premise", ""),
    text("style_guide", ""),
    text("status", "ACTIVE"),
    Column("target_words", Integer),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("status", domain.ProjectStatus),
    of_tenant(),
)
Index(None, projects.c.tenant_id, projects.c.updated_at, projects.c.id)
Index(None, projects.c.tenant_id, projects.c.created_at, projects.c.id)
Index(None, projects.c.tenant_id, projects.c.title, projects.c.id)

outline_nodes = tenant_table(
    "outline_nodes",
    Column("id", Uuid, nullable=False),
    Column("project_id", Uuid, nullable=False),
    Column("parent_id", Uuid),
    text("kind"),
    text("title"),
    text("summary", ""),
    text("plan", ""),
    text("position", collation="C"),
    text("path", collation="C"),
    text("status", "PLANNED"),
    Column("word_count", Integer, nullable=False, server_default="0"),
    Column("current_version_id", Uuid),
    Column("versions_made", Integer, nullable=False, server_default="0"),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("kind", domain.OutlineKind),
    one_of("status", domain.NodeStatus),
    references("project_id", "projects"),
    references("parent_id", "outline_nodes"),
    references("current_version_id", "text_versions", use_alter=True),
)
Index(
    "outline_nodes_siblings_idx",
    outline_nodes.c.tenant_id,
    outline_nodes.c.project_id,
    outline_nodes.c.parent_id,
    outline_nodes.c.position,
    outline_nodes.c.id,
)

Index(
    "outline_nodes_chapters_idx",
    outline_nodes.c.tenant_id,
    outline_nodes.c.project_id,
    outline_nodes.c.path,
    outline_nodes.c.id,
    postgresql_where=literal_column("kind = 'CHAPTER' and deleted_at is null"),
)
Index(None, outline_nodes.c.tenant_id, outline_nodes.c.project_id, outline_nodes.c.path)

text_versions = tenant_table(
    "text_versions",
    Column("id", Uuid, nullable=False),
    Column("node_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    text("text"),
    Column("word_count", Integer, nullable=False),
    text("origin"),
    text("state"),
    Column("base_version_id", Uuid),
    Column("generation_id", Uuid),
    Column("author_id", Uuid),
    text("model", nullable=True),
    text("channel", nullable=True),
    text("note", ""),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "node_id", "number"),
    one_of("origin", domain.VersionOrigin),
    one_of("state", domain.VersionState),
    references("node_id", "outline_nodes"),
    references("base_version_id", "text_versions"),
    references("generation_id", "generations", use_alter=True),
)
Index(
    "text_versions_one_current_idx",
    text_versions.c.tenant_id,
    text_versions.c.node_id,
    unique=True,
    postgresql_where=literal_column("state = 'CURRENT'"),
)

passages = tenant_table(
    "passages",
    Column("node_id", Uuid, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("project_id", Uuid, nullable=False),
    text("text"),
    Column("tsv", TSVECTOR, Computed("app.search_vector(text)", persisted=True)),
    references("node_id", "outline_nodes"),
    references("project_id", "projects"),
    key=("node_id", "ordinal"),
)
Index(None, passages.c.tenant_id, passages.c.project_id)
Index("passages_tsv_idx", passages.c.tsv, postgresql_using="gin")

mapper_registry.map_imperatively(domain.Project, projects)
mapper_registry.map_imperatively(domain.OutlineNode, outline_nodes)
mapper_registry.map_imperatively(domain.TextVersion, text_versions)
