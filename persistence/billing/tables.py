"""Tables of the billing room. The database itself refuses an entry that does not balance (see the migrations)."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    literal_column,
)

from domain.billing import grants as domain_grants
from domain.billing import ledger, money
from domain.billing.prices import Price
from domain.generation.provider import UsageSource
from persistence.metadata import (
    PLATFORM,
    SCHEMA,
    mapper_registry,
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
    Column("channel", Text),
    Column("group", Text),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("input_micros", BigInteger, nullable=False),
    Column("cached_input_micros", BigInteger, nullable=False),
    Column("cache_write_micros", BigInteger),
    Column("output_micros", BigInteger, nullable=False),
    Column("reasoning_micros", BigInteger),
    Column("per_call_micros", BigInteger, nullable=False, server_default="0"),
    Column("ratio", Numeric(12, 6), nullable=False, server_default="1"),
    timestamp("valid_from", default=True),
    timestamp("valid_to"),
    CheckConstraint("valid_to > valid_from", name="validity"),
    CheckConstraint(
        "least(input_micros, cached_input_micros, cache_write_micros, output_micros, reasoning_micros, "
        "per_call_micros, ratio) >= 0",
        name="amounts",
    ),
    info=PLATFORM,
)
Index(
    "prices_one_open_version_idx",
    prices.c.model,
    prices.c.channel,
    prices.c.group,
    prices.c.priority,
    unique=True,
    postgresql_where=prices.c.valid_to.is_(None),
    postgresql_nulls_not_distinct=True,
)

ledger_accounts = tenant_table(
    "ledger_accounts",
    text("kind"),
    text("currency", money.CURRENCY),
    Column("balance", BigInteger, nullable=False, server_default="0"),
    one_of("kind", ledger.AccountKind),
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
    text("reason", ""),
    Column("reverses_id", Uuid),
    Column("posted_by", Uuid),
    timestamp("created_at", default=True),
    UniqueConstraint("tenant_id", "kind", "reference"),
    one_of("kind", ledger.EntryKind),
    CheckConstraint("kind not in ('ADJUST', 'REVERSAL') or reason <> ''", name="reasoned"),
    CheckConstraint("(kind = 'REVERSAL') = (reverses_id is not null)", name="reverses"),
    references("job_id", "jobs"),
    references("reverses_id", "ledger_entries"),
)
Index(None, ledger_entries.c.tenant_id, ledger_entries.c.reverses_id, unique=True)
Index(None, ledger_entries.c.tenant_id, ledger_entries.c.job_id)
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

grants = tenant_table(
    "grants",
    Column("id", Uuid, nullable=False),
    text("source"),
    Column("amount_micros", BigInteger, nullable=False),
    Column("left_micros", BigInteger, nullable=False, server_default="0"),
    Column("priority", Integer, nullable=False),
    timestamp("expires_at"),
    timestamp("created_at", default=True),
    one_of("source", domain_grants.GrantSource),
    CheckConstraint("amount_micros > 0", name="amount"),
    CheckConstraint("left_micros between 0 and amount_micros", name="left"),
    of_tenant(),
)
Index("grants_live_idx", grants.c.tenant_id, grants.c.expires_at, postgresql_where=literal_column("left_micros > 0"))

grant_moves = tenant_table(
    "grant_moves",
    Column("entry_id", Uuid, nullable=False),
    Column("grant_id", Uuid, nullable=False),
    Column("micros", BigInteger, nullable=False),
    CheckConstraint("micros <> 0", name="moves"),
    references("entry_id", "ledger_entries"),
    references("grant_id", "grants"),
    key=("entry_id", "grant_id"),
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
Index("holds_open_idx", holds.c.tenant_id, postgresql_where=holds.c.closed_at.is_(None))

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
    Column("cache_write_tokens", Integer, nullable=False, server_default="0"),
    Column("reasoning_tokens", Integer, nullable=False),
    text("source"),
    Column("cost_micros", BigInteger, nullable=False),
    Column("billed", Boolean, nullable=False),
    Column("price_id", Uuid, ForeignKey(prices.c.id)),
    Column("project_id", Uuid),
    Column("user_id", Uuid),
    Column("api_token_id", Uuid),
    Column("channel_id", Uuid),
    text("provider", nullable=True),
    timestamp("occurred_at", default=True),
    timestamp("booked_at", default=True),
    one_of("source", UsageSource),
    CheckConstraint("cost_micros >= 0", name="cost"),
    references("job_id", "jobs"),
    key=("job_id", "attempt", "kind"),
)
Index(None, usage_records.c.tenant_id, usage_records.c.occurred_at)

usage_days = tenant_table(
    "usage_days",
    Column("day", Date, nullable=False),
    text("model"),
    text("channel"),
    Column("channel_id", Uuid, nullable=False),
    text("kind"),
    Column("project_id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("api_token_id", Uuid, nullable=False),
    Column("billed", Boolean, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    of_tenant(),
    key=("day", "model", "channel", "channel_id", "kind", "project_id", "user_id", "api_token_id", "billed"),
)
"""What usage records come to by day; filled with each record by the database. An id of zeros stands for none."""

mapper_registry.map_imperatively(Price, prices)
mapper_registry.map_imperatively(ledger.LedgerEntry, ledger_entries)
