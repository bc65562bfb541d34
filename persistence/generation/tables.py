"""Tables of the generation room."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Double, Index, Integer, Uuid, false
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from domain.generation import entities
from persistence.metadata import mapper_registry, one_of, references, tenant_table, text, timestamp

generations = tenant_table(
    "generations",
    Column("id", Uuid, nullable=False),
    Column("job_id", Uuid, nullable=False),
    Column("project_id", Uuid),
    Column("node_id", Uuid),
    text("instructions"),
    Column("channel_id", Uuid, nullable=False),
    text("channel"),
    Column("max_cost_micros", BigInteger),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    text("model"),
    Column("prompt", JSONB, nullable=False),
    Column("receipt", JSONB, nullable=False),
    Column("max_output_tokens", Integer, nullable=False),
    Column("target_words", Integer, nullable=False),
    text("state", "QUEUED"),
    Column("version_id", Uuid),
    text("truncation_reason", nullable=True),
    text("error_code", nullable=True),
    text("error_message", nullable=True),
    timestamp("created_at", default=True),
    timestamp("finished_at"),
    Column("message_id", Uuid),
    Column("owner_id", Uuid),
    Column("evidence", JSONB, nullable=False, server_default=sql("'[]'")),
    text("purpose", "TEXT"),
    Column("temperature", Double),
    one_of("purpose", entities.GenerationPurpose),
    one_of("state", entities.GenerationState),
    CheckConstraint("(node_id is null) <> (message_id is null)", name="target"),
    CheckConstraint("purpose = 'TEXT' or message_id is not null", name="chore"),
    CheckConstraint("(node_id is null) = (project_id is null)", name="project"),
    CheckConstraint("(message_id is null) = (owner_id is null)", name="owner"),
    CheckConstraint("max_cost_micros > 0", name="max_cost"),
    one_of("truncation_reason", entities.TruncationReason),
    references("job_id", "jobs"),
    references("project_id", "projects"),
    references("node_id", "outline_nodes"),
    references("version_id", "text_versions"),
    references("message_id", "messages"),
)
Index(None, generations.c.tenant_id, generations.c.job_id, unique=True)
Index("generations_of_chapter_idx", generations.c.tenant_id, generations.c.node_id, generations.c.id)

Index("generations_of_message_idx", generations.c.tenant_id, generations.c.message_id, generations.c.id)

attempts = tenant_table(
    "attempts",
    Column("generation_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    text("channel"),
    Column("channel_id", Uuid),
    Column("decision", JSONB(none_as_null=True)),
    text("model"),
    text("outcome", "RUNNING"),
    text("text", ""),
    Column("trace", JSONB, nullable=False, server_default=sql("'[]'")),
    text("finish_reason", nullable=True),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cached_input_tokens", Integer),
    text("usage_source", nullable=True),
    Column("cost_micros", BigInteger),
    text("error_code", nullable=True),
    text("error_message", nullable=True),
    timestamp("started_at"),
    timestamp("first_token_at"),
    timestamp("ended_at"),
    one_of("outcome", entities.AttemptOutcome),
    references("generation_id", "generations"),
    key=("generation_id", "number"),
)

mapper_registry.map_imperatively(entities.Generation, generations)
mapper_registry.map_imperatively(entities.Attempt, attempts)
