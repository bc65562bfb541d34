"""Table of the channels room. The platform's own channels are rows of the tenant that is no tenant."""

from __future__ import annotations

from sqlalchemy import Boolean, CheckConstraint, Column, Index, Integer, LargeBinary, Uuid, false, true
from sqlalchemy.dialects.postgresql import JSONB

from domain.channels import entities
from persistence.metadata import mapper_registry, one_of, tenant_table, text, timestamp

channels = tenant_table(
    "channels",
    Column("id", Uuid, nullable=False),
    text("name"),
    text("provider"),
    Column("offers", JSONB, nullable=False),
    text("base_url", nullable=True),
    text("secret_ref", nullable=True),
    Column("sealed_key", LargeBinary),
    Column("options", JSONB, nullable=False, server_default="{}"),
    Column("groups", JSONB, nullable=False, server_default="[]"),
    text("region", ""),
    Column("weight", Integer, nullable=False, server_default="1"),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("requests_per_minute", Integer),
    Column("tokens_per_minute", Integer),
    Column("concurrency", Integer),
    text("cancel_policy", "UNKNOWN"),
    timestamp("cancel_measured_at"),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("is_default", Boolean, nullable=False, server_default=false()),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("provider", entities.ProviderKind),
    one_of("cancel_policy", entities.CancelPolicy),
    CheckConstraint("secret_ref is null or sealed_key is null", name="one_key"),
    CheckConstraint("weight >= 0", name="weight"),
)
Index(
    "channels_default_idx", channels.c.tenant_id, unique=True,
    postgresql_where=channels.c.is_default & channels.c.deleted_at.is_(None),
)  # fmt: skip

routing_policies = tenant_table(
    "routing_policies",
    Column("policy", JSONB, nullable=False),
    timestamp("updated_at", default=True),
    key=(),
)

mapper_registry.map_imperatively(entities.Channel, channels)
