"""Tables of the knowledge room."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Index,
    Integer,
    LargeBinary,
    UniqueConstraint,
    Uuid,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.orm import deferred

from domain.knowledge import entities as domain
from persistence.metadata import mapper_registry, of_tenant, one_of, references, tenant_table, text, timestamp

knowledge_bases = tenant_table(
    "knowledge_bases",
    Column("id", Uuid, nullable=False),
    text("name"),
    text("description", ""),
    text("scope", "TENANT"),
    Column("project_id", Uuid),
    Column("owner_id", Uuid, nullable=False),
    text("embedding_model"),
    Column("dimensions", Integer, nullable=False),
    Column("chunk_policy", JSONB, nullable=False),
    Column("retrieval_policy", JSONB, nullable=False),
    text("next_model", nullable=True),
    Column("next_dimensions", Integer),
    Column("job_id", Uuid),
    Column("embedded_tokens", BigInteger, nullable=False, server_default="0"),
    Column("embedded_micros", BigInteger, nullable=False, server_default="0"),
    Column("embedded_channel_id", Uuid),
    Column("embedded_price_id", Uuid),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("scope", domain.KnowledgeScope),
    CheckConstraint("(scope = 'PROJECT') = (project_id is not null)", name="project"),
    CheckConstraint("dimensions > 0", name="dimensions"),
    CheckConstraint("(next_model is null) = (next_dimensions is null)", name="next"),
    CheckConstraint("least(embedded_tokens, embedded_micros) >= 0", name="counts"),
    of_tenant(),
    references("project_id", "projects"),
    references("job_id", "jobs"),
)
Index(None, knowledge_bases.c.tenant_id, knowledge_bases.c.project_id)
Index(None, knowledge_bases.c.tenant_id, knowledge_bases.c.job_id)

knowledge_documents = tenant_table(
    "knowledge_documents",
    Column("id", Uuid, nullable=False),
    Column("base_id", Uuid, nullable=False),
    Column("file_id", Uuid),
    text("title"),
    text("mime"),
    Column("content_hash", LargeBinary, nullable=False),
    text("state", "PENDING"),
    Column("progress", Integer, nullable=False, server_default="0"),
    text("error_code", nullable=True),
    text("error_message", nullable=True),
    Column("job_id", Uuid),
    text("language", nullable=True),
    text("text", ""),
    Column("pages", JSONB, nullable=False, server_default="[]"),
    Column("characters", Integer, nullable=False, server_default="0"),
    Column("chunk_count", Integer, nullable=False, server_default="0"),
    Column("recut", Boolean, nullable=False, server_default="false"),
    Column("version", Integer, nullable=False, server_default="0"),
    Column("embedded_tokens", BigInteger, nullable=False, server_default="0"),
    Column("embedded_micros", BigInteger, nullable=False, server_default="0"),
    Column("embedded_channel_id", Uuid),
    Column("embedded_price_id", Uuid),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("ready_at"),
    timestamp("deleted_at"),
    one_of("state", domain.DocumentState),
    CheckConstraint("progress between 0 and 100", name="progress"),
    CheckConstraint("(state = 'FAILED') = (error_code is not null)", name="error"),
    CheckConstraint("least(characters, chunk_count, version, embedded_tokens, embedded_micros) >= 0", name="counts"),
    references("base_id", "knowledge_bases"),
    references("file_id", "files"),
    references("job_id", "jobs"),
)
Index(
    "knowledge_documents_one_live_idx",
    knowledge_documents.c.tenant_id,
    knowledge_documents.c.base_id,
    knowledge_documents.c.content_hash,
    unique=True,
    postgresql_where=knowledge_documents.c.deleted_at.is_(None),
)
Index(None, knowledge_documents.c.tenant_id, knowledge_documents.c.base_id, knowledge_documents.c.id)
Index(None, knowledge_documents.c.tenant_id, knowledge_documents.c.job_id)
Index(
    "knowledge_documents_file_idx",
    knowledge_documents.c.tenant_id,
    knowledge_documents.c.file_id,
    postgresql_where=knowledge_documents.c.file_id.is_not(None),
)
Index(
    "knowledge_documents_forgotten_idx",
    knowledge_documents.c.tenant_id,
    knowledge_documents.c.id,
    postgresql_where=literal_column("deleted_at is not null and characters > 0"),
)

knowledge_chunks = tenant_table(
    "knowledge_chunks",
    Column("id", Uuid, nullable=False),
    Column("base_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("heading_path", JSONB, nullable=False),
    text("text"),
    Column("start_char", Integer, nullable=False),
    Column("end_char", Integer, nullable=False),
    Column("page", Integer),
    Column("tokens", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default="true"),
    Column("edited", Boolean, nullable=False, server_default="false"),
    Column("indexed", Boolean, nullable=False, server_default="false"),
    Column("text_hash", LargeBinary, nullable=False),
    Column("tsv", TSVECTOR, Computed("app.search_vector(text)", persisted=True)),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "document_id", "position"),
    CheckConstraint("0 <= start_char and start_char < end_char", name="span"),
    CheckConstraint("position >= 0 and tokens >= 0", name="counts"),
    references("base_id", "knowledge_bases"),
    references("document_id", "knowledge_documents"),
)
Index(None, knowledge_chunks.c.tenant_id, knowledge_chunks.c.base_id, knowledge_chunks.c.id)
Index(
    "knowledge_chunks_unindexed_idx",
    knowledge_chunks.c.tenant_id,
    knowledge_chunks.c.document_id,
    knowledge_chunks.c.position,
    postgresql_where=literal_column("not indexed"),
)
Index("knowledge_chunks_tsv_idx", knowledge_chunks.c.tsv, postgresql_using="gin")

mapper_registry.map_imperatively(domain.KnowledgeBase, knowledge_bases)
# A novel's text is not fetched with every look at its state.
mapper_registry.map_imperatively(
    domain.Document, knowledge_documents, properties={"text": deferred(knowledge_documents.c.text, raiseload=True)}
)
mapper_registry.map_imperatively(domain.Chunk, knowledge_chunks, exclude_properties=["tsv"])
