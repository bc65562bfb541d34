"""The plans and coupons rooms in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.ids import CouponId, InvoiceId, PlanId, PlanVersionId, RedemptionId, SubscriptionId
from domain.plans.coupons import Coupon, Redemption
from domain.plans.entities import ENTITLING, Plan, PlanVersion, Subscription
from tests.domain.memory.clock import NOW


class MemoryPlans:
    """Implements `domain.plans.store.PlanStore`."""

    def __init__(self) -> None:
        self.now = NOW
        self.plans: dict[PlanId, Plan] = {}
        self.versions: dict[PlanVersionId, PlanVersion] = {}
        self.subscriptions: list[Subscription] = []

    async def add_plan(self, plan: Plan) -> bool:
        taken = any(one.name == plan.name for one in self.plans.values())
        if not taken:
            self.plans[plan.id] = plan
        return not taken

    async def plan(self, plan_id: PlanId, *, lock: bool = False) -> Plan | None:
        return self.plans.get(plan_id)

    async def add_version(self, version: PlanVersion) -> None:
        self.versions[version.id] = version

    async def version(self, version_id: PlanVersionId) -> PlanVersion | None:
        return self.versions.get(version_id)

    async def last_version(self, plan_id: PlanId) -> PlanVersion | None:
        return max(self._of(plan_id), key=lambda one: one.version, default=None)

    async def version_in_force(self, plan_id: PlanId) -> PlanVersion | None:
        in_force = [one for one in self._of(plan_id) if one.valid_from is None or one.valid_from <= self.now]
        return max(in_force, key=lambda one: one.version, default=None)

    def _of(self, plan_id: PlanId) -> list[PlanVersion]:
        return [one for one in self.versions.values() if one.plan_id == plan_id]

    async def offered(self) -> Sequence[tuple[Plan, PlanVersion]]:
        found = []
        for plan in self.plans.values():
            version = await self.version_in_force(plan.id)
            if plan.public and plan.archived_at is None and version is not None:
                found.append((plan, version))
        return sorted(found, key=lambda one: one[1].yearly_micros)

    async def add_subscription(self, subscription: Subscription) -> bool:
        if await self.subscription() is not None:
            return False
        self.subscriptions.append(subscription)
        return True

    async def subscription(self) -> Subscription | None:
        return next((one for one in self.subscriptions if one.ended_at is None), None)

    async def subscription_by(self, subscription_id: SubscriptionId) -> Subscription | None:
        return next((one for one in self.subscriptions if one.id == subscription_id), None)

    async def invoice_waited_for(self) -> InvoiceId | None:
        live = await self.subscription()
        return live.invoice_id if live is not None else None

    async def free_until(self, *, besides: SubscriptionId) -> datetime | None:
        free = (one for one in self.subscriptions if not self.versions[one.plan_version_id].price_micros)
        return max((one.period_end for one in free if one.id != besides), default=None)

    async def subscribed(self) -> PlanVersion | None:
        live = await self.subscription()
        return self.versions[live.plan_version_id] if live is not None and live.state in ENTITLING else None


class MemoryCoupons:
    """Implements `domain.plans.store.CouponStore`."""

    def __init__(self) -> None:
        self.now = NOW
        self.coupons: dict[CouponId, Coupon] = {}
        self.redemptions: list[Redemption] = []

    async def add(self, coupon: Coupon) -> bool:
        taken = any(one.code == coupon.code for one in self.coupons.values())
        if not taken:
            self.coupons[coupon.id] = coupon
        return not taken

    async def coupon(self, coupon_id: CouponId) -> Coupon | None:
        return self.coupons.get(coupon_id)

    async def take(self, code: str) -> Coupon | None:
        found = next((one for one in self.coupons.values() if one.code == code and one.active), None)
        if found is None or (found.redemptions_max is not None and found.redeemed >= found.redemptions_max):
            return None
        if (found.valid_from or self.now) > self.now or (found.valid_to is not None and found.valid_to <= self.now):
            return None
        found.redeemed += 1
        return found

    async def count_redemptions(self, coupon_id: CouponId) -> int:
        return sum(one.coupon_id == coupon_id for one in self.redemptions)

    async def give_back(self, redemption_id: RedemptionId) -> None:
        for one in self.redemptions:
            one.periods_left += one.id == redemption_id

    async def add_redemption(self, redemption: Redemption) -> None:
        if any(one.reference == redemption.reference for one in self.redemptions):
            raise ValueError("coupon_redemptions_tenant_id_reference_key")
        self.redemptions.append(redemption)

    async def discounts(self) -> Sequence[tuple[Redemption, Coupon]]:
        return [(one, self.coupons[one.coupon_id]) for one in self.redemptions if one.periods_left]
