"""Tables of budgets: the limits, what is taken from them in each period, and by which job."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, Index, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from domain.billing.budgets import Budget, BudgetPeriod, BudgetSubject
from persistence.metadata import mapper_registry, of_tenant, one_of, references, tenant_table, text, timestamp

budgets = tenant_table(
    "budgets",
    Column("id", Uuid, nullable=False),
    text("subject"),
    text("subject_key"),
    text("period"),
    Column("limit_micros", BigInteger, nullable=False),
    Column("warn_at", JSONB, nullable=False),
    timestamp("created_at", default=True),
    timestamp("updated_at", default=True),
    timestamp("deleted_at"),
    one_of("subject", BudgetSubject),
    one_of("period", BudgetPeriod),
    CheckConstraint("limit_micros > 0", name="limit"),
    CheckConstraint("(subject = 'TENANT') = (subject_key = '')", name="subject_key"),
    of_tenant(),
)
Index(
    "budgets_one_live_idx",
    budgets.c.tenant_id,
    budgets.c.subject,
    budgets.c.subject_key,
    budgets.c.period,
    unique=True,
    postgresql_where=budgets.c.deleted_at.is_(None),
)

budget_periods = tenant_table(
    "budget_periods",
    Column("budget_id", Uuid, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("reserved_micros", BigInteger, nullable=False, server_default="0"),
    Column("spent_micros", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("least(reserved_micros, spent_micros) >= 0", name="amounts"),
    references("budget_id", "budgets"),
    key=("budget_id", "starts_on"),
)

budget_reservations = tenant_table(
    "budget_reservations",
    Column("job_id", Uuid, nullable=False),
    Column("budget_id", Uuid, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("micros", BigInteger, nullable=False),
    CheckConstraint("micros >= 0", name="amount"),
    references("job_id", "jobs"),
    references("budget_id", "budgets"),
    key=("job_id", "budget_id"),
)
"""Of jobs that have not ended."""

wallet_alerts = tenant_table(
    "wallet_alerts",
    Column("threshold_micros", BigInteger, nullable=False),
    timestamp("told_at"),
    CheckConstraint("threshold_micros > 0", name="threshold"),
    of_tenant(),
    key=(),
)

mapper_registry.map_imperatively(Budget, budgets)
