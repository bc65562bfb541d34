"""Tables of the payments room."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    literal_column,
    true,
)

from domain.billing.money import CURRENCY
from domain.payments import entities
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

payments = tenant_table(
    "payments",
    Column("id", Uuid, nullable=False),
    text("purpose"),
    Column("amount_micros", BigInteger, nullable=False),
    text("currency", CURRENCY),
    text("gateway"),
    text("key"),
    text("state", "PENDING"),
    text("external_id", nullable=True),
    text("page_url", nullable=True),
    Column("refunded_micros", BigInteger, nullable=False, server_default="0"),
    text("failure_code", nullable=True),
    text("failure_message", nullable=True),
    Column("invoice_id", Uuid),
    Column("entry_id", Uuid),
    Column("requested_by", Uuid),
    timestamp("created_at", default=True),
    timestamp("finished_at"),
    UniqueConstraint("tenant_id", "key"),
    UniqueConstraint("tenant_id", "gateway", "external_id"),
    one_of("purpose", entities.PaymentPurpose),
    one_of("gateway", entities.GatewayKind),
    one_of("state", entities.PaymentState),
    CheckConstraint("amount_micros > 0", name="amount"),
    CheckConstraint("refunded_micros between 0 and amount_micros", name="refunded"),
    CheckConstraint("state in ('PENDING', 'FAILED') or external_id is not null", name="known"),
    of_tenant(),
)
_PENDING: ColumnElement[bool] = literal_column("state = 'PENDING'")
Index("payments_pending_idx", payments.c.tenant_id, payments.c.created_at, postgresql_where=_PENDING)
Index(
    "payments_one_automatic_idx",
    payments.c.tenant_id,
    unique=True,
    postgresql_where=literal_column("state = 'PENDING' and purpose = 'AUTO_TOP_UP'"),
)

payment_customers = tenant_table(
    "payment_customers",
    text("gateway"),
    text("external_id"),
    timestamp("created_at", default=True),
    of_tenant(),
    key=("gateway",),
)

payment_methods = tenant_table(
    "payment_methods",
    Column("id", Uuid, nullable=False),
    text("gateway"),
    text("external_id"),
    text("brand"),
    text("last4"),
    Column("exp_month", Integer, nullable=False),
    Column("exp_year", Integer, nullable=False),
    Column("is_default", Boolean, nullable=False),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "gateway", "external_id"),
    of_tenant(),
)
Index(
    "payment_methods_one_default_idx",
    payment_methods.c.tenant_id,
    payment_methods.c.gateway,
    unique=True,
    postgresql_where=literal_column("is_default"),
)

payment_refunds = tenant_table(
    "payment_refunds",
    Column("id", Uuid, nullable=False),
    Column("payment_id", Uuid, nullable=False),
    text("origin"),
    Column("amount_micros", BigInteger, nullable=False),
    text("key"),
    text("state", "PENDING"),
    Column("taken_micros", BigInteger, nullable=False, server_default="0"),
    text("reason", ""),
    text("external_id", nullable=True),
    Column("entry_id", Uuid),
    Column("requested_by", Uuid),
    text("failure_code", nullable=True),
    timestamp("created_at", default=True),
    timestamp("finished_at"),
    UniqueConstraint("tenant_id", "key"),
    one_of("origin", entities.RefundOrigin),
    one_of("state", entities.RefundState),
    CheckConstraint("amount_micros > 0", name="amount"),
    CheckConstraint("taken_micros between 0 and amount_micros", name="taken"),
    references("payment_id", "payments"),
)
Index(
    "payment_refunds_pending_idx", payment_refunds.c.tenant_id, payment_refunds.c.created_at, postgresql_where=_PENDING
)
Index(None, payment_refunds.c.tenant_id, payment_refunds.c.payment_id)

automatic_top_ups = tenant_table(
    "automatic_top_ups",
    Column("threshold_micros", BigInteger, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    Column("monthly_limit_micros", BigInteger, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=true()),
    Column("failures", Integer, nullable=False, server_default="0"),
    timestamp("updated_at", default=True),
    CheckConstraint("threshold_micros > 0 and amount_micros > 0", name="amounts"),
    CheckConstraint("monthly_limit_micros >= amount_micros", name="limit"),
    of_tenant(),
    key=(),
)

payment_events = Table(
    "payment_events",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    timestamp("received_at", default=True),
    info=PLATFORM,
)
"""Which events of payment services were taken."""
Index(None, payment_events.c.received_at)

mapper_registry.map_imperatively(entities.Payment, payments)
mapper_registry.map_imperatively(entities.PaymentMethod, payment_methods)
mapper_registry.map_imperatively(entities.Refund, payment_refunds)
mapper_registry.map_imperatively(entities.AutomaticTopUp, automatic_top_ups)
