"""Reads of the payments room."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import any_, select

from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn
from persistence.payments.tables import automatic_top_ups, payment_methods, payment_refunds, payments
from persistence.shapes import IDS, TENANT, Shape

_HIDDEN = frozenset({"tenant_id", "key"})
_refund = payment_refunds.c

PAYMENTS = Listing(
    Keyset("payments", (SortColumn("id", payments.c.id, UUID),), descending=True), payments, hidden=_HIDDEN
)
PAYMENTS_BY_ID = Lookup("Payment", payments, hidden=_HIDDEN)
METHODS = Shape(
    select(*(one for one in payment_methods.columns if one.name != "tenant_id"))
    .where(payment_methods.c.tenant_id == TENANT)
    .order_by(payment_methods.c.id)
)
METHODS_BY_ID = Lookup("PaymentMethod", payment_methods)
REFUNDS = Shape(
    select(*(one for one in payment_refunds.columns if one.name not in _HIDDEN))
    .where(_refund.tenant_id == TENANT, _refund.payment_id == any_(IDS))
    .order_by(_refund.id)
)
AUTOMATIC = Shape(select(automatic_top_ups).where(automatic_top_ups.c.tenant_id == TENANT))
