"""Tables of the conversations room."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Index,
    Integer,
    LargeBinary,
    Uuid,
    false,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from domain.conversations import entities as domain
from persistence.metadata import mapper_registry, of_tenant, one_of, references, tenant_table, text, timestamp

conversation_groups = tenant_table(
    "conversation_groups",
    Column("id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    text("name"),
    text("position", collation="C"),
    timestamp("created_at", default=True),
    of_tenant(),
)
Index(
    None, conversation_groups.c.tenant_id, conversation_groups.c.owner_id, conversation_groups.c.position,
    conversation_groups.c.id,
)  # fmt: skip

conversations = tenant_table(
    "conversations",
    Column("id", Uuid, nullable=False),
    Column("created_by", Uuid, nullable=False),
    text("title", ""),
    text("topic", ""),
    Column("group_id", Uuid),
    Column("project_id", Uuid),
    Column("knowledge_base_ids", JSONB, nullable=False, server_default=sql("'[]'")),
    Column("channel_id", Uuid),
    text("model", nullable=True),
    Column("assistant_version_id", Uuid),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    Column("active_leaf_id", Uuid),
    Column("context_policy", JSONB, nullable=False, server_default=sql("'{}'")),
    text("summary", ""),
    Column("summary_upto", Uuid),
    Column("title_job_id", Uuid),
    Column("summary_job_id", Uuid),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    timestamp("purged_at"),
    of_tenant(),
    references("group_id", "conversation_groups"),
    references("project_id", "projects"),
    references("title_job_id", "jobs"),
    references("summary_job_id", "jobs"),
    references("active_leaf_id", "messages", use_alter=True),
)
Index(None, conversations.c.tenant_id, conversations.c.created_by, conversations.c.updated_at, conversations.c.id)
Index(None, conversations.c.tenant_id, conversations.c.group_id)
Index(
    "conversations_to_purge_idx", conversations.c.deleted_at,
    postgresql_where=conversations.c.deleted_at.is_not(None) & conversations.c.purged_at.is_(None),
)  # fmt: skip

messages = tenant_table(
    "messages",
    Column("id", Uuid, nullable=False),
    Column("conversation_id", Uuid, nullable=False),
    Column("parent_id", Uuid),
    Column("depth", Integer, nullable=False),
    text("role"),
    text("text", ""),
    Column("parts", JSONB, nullable=False, server_default=sql("'[]'")),
    text("state", "COMPLETE"),
    Column("generation_id", Uuid),
    Column("edited_from_id", Uuid),
    timestamp("created_at", default=True),
    timestamp("deleted_at"),
    Column("tsv", TSVECTOR, Computed("app.search_vector(text)", persisted=True)),
    one_of("role", domain.MessageRole),
    one_of("state", domain.MessageState),
    CheckConstraint("depth >= 0 and (depth = 0) = (parent_id is null)", name="depth"),
    references("conversation_id", "conversations"),
    references("parent_id", "messages"),
    references("edited_from_id", "messages"),
    references("generation_id", "generations", use_alter=True),
)
Index(None, messages.c.tenant_id, messages.c.conversation_id, messages.c.id)
Index(None, messages.c.tenant_id, messages.c.parent_id, messages.c.id)
Index(
    "messages_roots_idx", messages.c.tenant_id, messages.c.conversation_id, messages.c.id,
    postgresql_where=messages.c.parent_id.is_(None),
)  # fmt: skip
Index("messages_tsv_idx", messages.c.tsv, postgresql_using="gin")

citations = tenant_table(
    "citations",
    Column("id", Uuid, nullable=False),
    Column("message_id", Uuid, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("marker", Integer, nullable=False),
    Column("start_char", Integer, nullable=False),
    Column("end_char", Integer, nullable=False),
    Column("chunk_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    text("quote"),
    Column("span_start", Integer, nullable=False),
    Column("span_end", Integer, nullable=False),
    CheckConstraint("0 <= start_char and start_char < end_char", name="place"),
    CheckConstraint("0 <= span_start and span_start < span_end", name="span"),
    references("message_id", "messages"),
    references("document_id", "knowledge_documents"),
)
Index(None, citations.c.tenant_id, citations.c.message_id, citations.c.rank, unique=True)

conversation_shares = tenant_table(
    "conversation_shares",
    Column("id", Uuid, nullable=False),
    Column("conversation_id", Uuid, nullable=False),
    Column("leaf_id", Uuid, nullable=False),
    Column("token_hash", LargeBinary, nullable=False),
    Column("created_by", Uuid, nullable=False),
    timestamp("created_at", default=True),
    Column("expires_at", timestamp("expires_at").type, nullable=False),
    timestamp("revoked_at"),
    references("conversation_id", "conversations"),
    references("leaf_id", "messages"),
)
Index(None, conversation_shares.c.tenant_id, conversation_shares.c.token_hash, unique=True)
Index(None, conversation_shares.c.tenant_id, conversation_shares.c.conversation_id)

mapper_registry.map_imperatively(domain.ConversationGroup, conversation_groups)
mapper_registry.map_imperatively(domain.Conversation, conversations)
mapper_registry.map_imperatively(domain.Message, messages, exclude_properties=["tsv"])
mapper_registry.map_imperatively(domain.Citation, citations)
mapper_registry.map_imperatively(domain.ConversationShare, conversation_shares)
