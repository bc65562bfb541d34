"""Reads of budgets."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ARRAY, Date, any_, bindparam, select

from persistence.billing.budget_tables import budget_periods, budgets, wallet_alerts
from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn
from persistence.shapes import IDS, TENANT, Shape

_budget, _period, _alert = budgets.c, budget_periods.c, wallet_alerts.c

BUDGETS = Listing(
    Keyset("budgets", (SortColumn("id", _budget.id, UUID),), descending=True),
    budgets,
    where=(_budget.deleted_at.is_(None),),
)
BUDGETS_BY_ID = Lookup("Budget", budgets, _budget.deleted_at.is_(None))
PERIODS = Shape(
    select(_period.budget_id, _period.starts_on, _period.reserved_micros, _period.spent_micros).where(
        _period.tenant_id == TENANT,
        _period.budget_id == any_(IDS),
        _period.starts_on == any_(bindparam("starts", type_=ARRAY(Date))),
    )
)
"""What is taken of budgets in the periods that start on one of the days."""
ALERT = Shape(select(_alert.threshold_micros, _alert.told_at).where(_alert.tenant_id == TENANT))
