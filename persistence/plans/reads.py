"""Reads of the plans room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Select, any_, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on

from persistence.listing import Lookup, by_ids
from persistence.paging import Keyset, SortColumn
from persistence.plans.tables import coupon_redemptions, coupons, plan_versions, plans, subscriptions
from persistence.shapes import IDS, TENANT, Shape

_plan, _version, _coupon = plans.c, plan_versions.c, coupons.c
_ANYBODY = TENANT.is_not(None)
"""Plans and coupons belong to no tenant; naming one is what a shape asks for."""

PLANS = Keyset("plans", (SortColumn("id", _plan.id, UUID),))
COUPONS = Keyset("coupons", (SortColumn("id", _coupon.id, UUID),), descending=True)
PLANS_BY_ID = by_ids("Plan", select(plans).where(_ANYBODY), _plan.id)
VERSIONS_BY_ID = by_ids("PlanVersion", select(plan_versions).where(_ANYBODY), _version.id)
COUPONS_BY_ID = by_ids("Coupon", select(coupons).where(_ANYBODY), _coupon.id)
SUBSCRIPTIONS_BY_ID = Lookup("PlanSubscription", subscriptions)
REDEMPTIONS_BY_ID = Lookup("CouponRedemption", coupon_redemptions)

VERSIONS_IN_FORCE = Shape(
    select(plan_versions)
    .where(_ANYBODY, _version.plan_id == any_(IDS), _version.valid_from <= func.now())
    .ext(distinct_on(_version.plan_id))
    .order_by(_version.plan_id, _version.version.desc())
)
SUBSCRIPTION = Shape(
    select(subscriptions.c.id).where(subscriptions.c.tenant_id == TENANT, subscriptions.c.ended_at.is_(None))
)
"""The id of the live one."""


def public_plans() -> Select[Any]:
    """Those that can be begun now."""
    in_force = exists().where(_version.plan_id == _plan.id, _version.valid_from <= func.now())
    return select(plans).where(_plan.public, _plan.archived_at.is_(None), in_force)


def all_coupons() -> Select[Any]:
    return select(coupons)
