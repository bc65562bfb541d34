"""Tables of the operations room."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, LargeBinary, Table, Text, Uuid, literal_column, true
from sqlalchemy.dialects.postgresql import JSONB

from domain.operations import audit, webhooks
from domain.operations import mails as mails_
from domain.operations import notifications as notifications_
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
Index(None, audit_entries.c.tenant_id, audit_entries.c.at)

notifications = tenant_table(
    "notifications",
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    text("kind"),
    Column("params", JSONB, nullable=False, server_default="{}"),
    timestamp("created_at", default=True),
    timestamp("read_at"),
    references("user_id", "memberships", "user_id", ondelete="CASCADE"),
)
Index(None, notifications.c.tenant_id, notifications.c.user_id, notifications.c.id)

mails = tenant_table(
    "mails",
    Column("id", Uuid, nullable=False),
    text("recipient"),
    text("locale"),
    text("template"),
    Column("params", JSONB, nullable=False, server_default="{}"),
    text("state", "QUEUED"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    timestamp("next_try_at", default=True),
    text("last_error", nullable=True),
    timestamp("created_at", default=True),
    timestamp("sent_at"),
    one_of("state", mails_.MailState),
    of_tenant(),
)
Index("mails_due_idx", mails.c.next_try_at, postgresql_where=literal_column("state = 'QUEUED'"))

webhook_endpoints = tenant_table(
    "webhook_endpoints",
    Column("id", Uuid, nullable=False),
    text("url"),
    Column("events", JSONB, nullable=False),
    Column("secret", LargeBinary, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("previous_secret", LargeBinary),
    timestamp("previous_until"),
    timestamp("failing_since"),
    timestamp("disabled_at"),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    of_tenant(),
)

webhook_deliveries = tenant_table(
    "webhook_deliveries",
    Column("id", Uuid, nullable=False),
    Column("endpoint_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    text("type"),
    text("body"),
    text("state", "QUEUED"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    timestamp("next_try_at", default=True),
    Column("log", JSONB, nullable=False, server_default="[]"),
    timestamp("created_at", default=True),
    timestamp("delivered_at"),
    one_of("state", webhooks.DeliveryState),
    references("endpoint_id", "webhook_endpoints"),
)
Index(None, webhook_deliveries.c.tenant_id, webhook_deliveries.c.endpoint_id, webhook_deliveries.c.id)
Index(
    "webhook_deliveries_due_idx",
    webhook_deliveries.c.next_try_at,
    postgresql_where=literal_column("state = 'QUEUED'"),
)

schedules = Table(
    "schedules",
    metadata,
    Column("name", Text, primary_key=True),
    text("cron"),
    Column("next_run_at", DateTime(timezone=True), nullable=False),
    timestamp("last_run_at"),
    text("last_error", nullable=True),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    info=PLATFORM,
)

mapper_registry.map_imperatively(webhooks.WebhookEndpoint, webhook_endpoints)
mapper_registry.map_imperatively(webhooks.WebhookDelivery, webhook_deliveries)
mapper_registry.map_imperatively(mails_.Mail, mails)
mapper_registry.map_imperatively(notifications_.Notification, notifications)
mapper_registry.map_imperatively(audit.AuditEntry, audit_entries)
