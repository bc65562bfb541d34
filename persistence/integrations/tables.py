"""Tables of the integrations room: client applications, their trusted documents, and what of the schema is used."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
    false,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain import integrations as domain
from persistence.metadata import (
    PLATFORM,
    mapper_registry,
    metadata,
    of_tenant,
    one_of,
    references,
    tenant_table,
    text,
    timestamp,
)

client_apps = tenant_table(
    "client_apps",
    Column("id", Uuid, nullable=False),
    text("name"),
    text("mode"),
    Column("allowed_origins", JSONB, nullable=False, server_default="[]"),
    Column("scopes", JSONB, nullable=False),
    Column("cost_budget", Integer),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("mode", domain.DocumentMode),
    of_tenant(),
)


def _is_its_hash() -> CheckConstraint:
    return CheckConstraint("hash = encode(sha256(convert_to(text, 'UTF8')), 'hex')", name="is_its_hash")


trusted_documents = tenant_table(
    "trusted_documents",
    Column("id", Uuid, nullable=False),
    Column("client_app_id", Uuid, nullable=False),
    text("hash"),
    text("name"),
    text("text"),
    Column("cost", Integer, nullable=False),
    Column("scopes", JSONB, nullable=False),
    Column("fields", JSONB, nullable=False),
    text("fingerprint"),
    Column("use_count", BigInteger, nullable=False, server_default="0"),
    timestamp("registered_at", default=True),
    timestamp("first_used_at"),
    timestamp("last_used_at"),
    timestamp("retired_at"),
    _is_its_hash(),
    references("client_app_id", "client_apps"),
)
Index(None, trusted_documents.c.tenant_id, trusted_documents.c.client_app_id, trusted_documents.c.hash, unique=True)

platform_documents = Table(
    "platform_documents",
    metadata,
    Column("hash", Text, primary_key=True),
    text("name"),
    text("text"),
    Column("cost", Integer, nullable=False),
    Column("scopes", JSONB, nullable=False),
    Column("fields", JSONB, nullable=False),
    text("fingerprint"),
    Column("bundled", Boolean, nullable=False, server_default=false()),
    timestamp("registered_at", default=True),
    timestamp("retired_at"),
    _is_its_hash(),
    info=PLATFORM,
)

schema_uses = tenant_table(
    "schema_uses",
    Column("day", Date, nullable=False),
    Column("client_app_id", Uuid, nullable=False),
    text("kind"),
    text("name"),
    Column("uses", BigInteger, nullable=False),
    Column("last_used_at", DateTime(timezone=True), nullable=False),
    one_of("kind", domain.UseKind),
    of_tenant(),
    key=("day", "client_app_id", "kind", "name"),
)

mapper_registry.map_imperatively(domain.ClientApp, client_apps)
mapper_registry.map_imperatively(domain.TrustedDocument, trusted_documents)
