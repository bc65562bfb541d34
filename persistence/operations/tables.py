"""Tables of the operations room."""

from __future__ import annotations

from sqlalchemy import Column, Index, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from domain.operations import audit
from persistence.metadata import mapper_registry, of_tenant, one_of, tenant_table, text, timestamp

audit_entries = tenant_table(
    "audit_entries",
    Column("id", Uuid, nullable=False),
    text("actor_kind"),
    Column("user_id", Uuid),
    Column("api_token_id", Uuid),
    text("action"),
    text("subject_type"),
    Column("subject_id", Uuid, nullable=False),
    Column("details", JSONB, nullable=False, server_default="{}"),
    text("request_id", ""),
    timestamp("at", default=True),
    one_of("actor_kind", audit.ActorKind),
    of_tenant(),
)
Index(None, audit_entries.c.tenant_id, audit_entries.c.subject_id, audit_entries.c.id)
Index(None, audit_entries.c.tenant_id, audit_entries.c.action, audit_entries.c.id)

mapper_registry.map_imperatively(audit.AuditEntry, audit_entries)
