"""Tables of the invoice room. The database itself refuses changes to what was issued (see the migration)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB

from domain.invoices.entities import CreditNote, Invoice, InvoiceReason, InvoiceState, ItemKind
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

invoices = tenant_table(
    "invoices",
    Column("id", Uuid, nullable=False),
    text("number"),
    text("state"),
    text("reason"),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("restricts_at", DateTime(timezone=True), nullable=False),
    Column("total_micros", BigInteger, nullable=False),
    Column("lines", Integer, nullable=False),
    text("seller_tax_id"),
    Column("seller", JSONB, nullable=False),
    Column("buyer", JSONB, nullable=False),
    text("reference", nullable=True),
    timestamp("paid_at"),
    Column("payment_id", Uuid),
    Column("reminders", Integer, nullable=False, server_default="0"),
    UniqueConstraint("tenant_id", "seller_tax_id", "number"),
    UniqueConstraint("tenant_id", "reference"),
    one_of("state", InvoiceState),
    one_of("reason", InvoiceReason),
    CheckConstraint("total_micros >= 0", name="total"),
    CheckConstraint("lines > 0", name="lines"),
    CheckConstraint("starts_on <= ends_on", name="period"),
    CheckConstraint("(state = 'PAID') = (paid_at is not null)", name="paid"),
    of_tenant(),
)
Index(
    "invoices_unpaid_idx",
    invoices.c.tenant_id,
    invoices.c.restricts_at,
    postgresql_where=literal_column("state in ('OPEN', 'OVERDUE')"),
)

invoice_items = tenant_table(
    "invoice_items",
    Column("id", Uuid, nullable=False),
    text("kind"),
    text("description"),
    Column("quantity", Numeric, nullable=False),
    text("unit"),
    Column("unit_price_micros", BigInteger),
    Column("amount_micros", BigInteger, nullable=False),
    Column("starts_on", Date),
    Column("ends_on", Date),
    Column("usage", JSONB(none_as_null=True)),
    text("reference"),
    Column("invoice_id", Uuid),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "reference"),
    one_of("kind", ItemKind),
    CheckConstraint("description <> ''", name="description"),
    CheckConstraint("starts_on <= ends_on", name="period"),
    references("invoice_id", "invoices"),
    of_tenant(),
)
Index(None, invoice_items.c.tenant_id, invoice_items.c.invoice_id, invoice_items.c.id)
Index(
    "invoice_items_pending_idx",
    invoice_items.c.tenant_id,
    invoice_items.c.id,
    postgresql_where=literal_column("invoice_id is null"),
)

billing_details = tenant_table(
    "billing_details",
    text("name"),
    text("address"),
    text("tax_id"),
    text("email"),
    text("country"),
    timestamp("updated_at", default=True),
    of_tenant(),
    key=(),
)

credit_notes = tenant_table(
    "credit_notes",
    Column("id", Uuid, nullable=False),
    text("number"),
    text("seller_tax_id"),
    Column("invoice_id", Uuid, nullable=False),
    Column("amount_micros", BigInteger, nullable=False),
    text("reason"),
    Column("issued_by", Uuid, nullable=False),
    Column("ledger_entry_id", Uuid),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("tenant_id", "seller_tax_id", "number"),
    CheckConstraint("amount_micros > 0", name="amount"),
    CheckConstraint("reason <> ''", name="reason"),
    references("invoice_id", "invoices"),
    references("ledger_entry_id", "ledger_entries"),
)
Index(None, credit_notes.c.tenant_id, credit_notes.c.invoice_id, credit_notes.c.id)

invoice_counters = Table(
    "invoice_counters",
    metadata,
    Column("seller_tax_id", Text, primary_key=True),
    Column("series", Text, primary_key=True),
    Column("year", Integer, primary_key=True),
    Column("last", Integer, nullable=False),
    info=PLATFORM,
)
"""The last number of each seller, series and year. Taken by `app.next_number` alone."""

mapper_registry.map_imperatively(Invoice, invoices)
mapper_registry.map_imperatively(CreditNote, credit_notes)
