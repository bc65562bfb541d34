"""Tables of the billing room. The database itself refuses an entry that does not balance (see the migrations)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    literal_column,
)

from domain import billing
from domain.generation.provider import UsageSource
from persistence.metadata import (
    PLATFORM,
    SCHEMA,
    metadata,
    of_tenant,
    one_of,
    references,
    tenant_table,
    text,
    timestamp,
)

prices = Table(
    "prices",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("model", Text, nullable=False),
    Column("input_micros", BigInteger, nullable=False),
    Column("cached_input_micros", BigInteger, nullable=False),
    Column("output_micros", BigInteger, nullable=False),
    timestamp("valid_from", default=True),
    UniqueConstraint("model", "valid_from"),
    info=PLATFORM,
)

ledger_accounts = tenant_table(
    "ledger_accounts",
    text("kind"),
    text("currency", billing.CURRENCY),
    Column("balance", BigInteger, nullable=False, server_default="0"),
    one_of("kind", billing.AccountKind),
    CheckConstraint("kind not in ('AVAILABLE', 'HELD') or balance >= 0", name="covered"),
    of_tenant(),
    key=("kind",),
)

ledger_entries = tenant_table(
    "ledger_entries",
    Column("id", Uuid, nullable=False),
    text("kind"),
    text("reference"),
    Column("job_id", Uuid),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "kind", "reference"),
    one_of("kind", billing.EntryKind),
    references("job_id", "jobs"),
)
Index(
    "ledger_entries_hold_closes_once_idx",
    ledger_entries.c.tenant_id,
    ledger_entries.c.job_id,
    unique=True,
    postgresql_where=literal_column("kind in ('SETTLE', 'RELEASE')"),
)

ledger_postings = tenant_table(
    "ledger_postings",
    Column("entry_id", Uuid, nullable=False),
    text("account"),
    Column("micros", BigInteger, nullable=False),
    CheckConstraint("micros <> 0", name="moves"),
    references("entry_id", "ledger_entries"),
    ForeignKeyConstraint(
        ["tenant_id", "account"], [f"{SCHEMA}.ledger_accounts.tenant_id", f"{SCHEMA}.ledger_accounts.kind"]
    ),
    key=("entry_id", "account"),
)

holds = tenant_table(
    "holds",
    Column("job_id", Uuid, nullable=False),
    Column("micros", BigInteger, nullable=False),
    timestamp("opened_at", default=True),
    timestamp("closed_at"),
    CheckConstraint("micros > 0", name="positive"),
    references("job_id", "jobs"),
    key=("job_id",),
)

usage_records = tenant_table(
    "usage_records",
    Column("job_id", Uuid, nullable=False),
    Column("attempt", Integer, nullable=False),
    text("kind"),
    text("model"),
    text("channel"),
    Column("input_tokens", Integer, nullable=False),
    Column("cached_input_tokens", Integer, nullable=False),
    Column("output_tokens", Integer, nullable=False),
    Column("reasoning_tokens", Integer, nullable=False),
    text("source"),
    Column("cost_micros", BigInteger, nullable=False),
    Column("billed", Boolean, nullable=False),
    timestamp("occurred_at", default=True),
    one_of("source", UsageSource),
    CheckConstraint("cost_micros >= 0", name="cost"),
    references("job_id", "jobs"),
    key=("job_id", "attempt", "kind"),
)
Index(None, usage_records.c.tenant_id, usage_records.c.occurred_at)
