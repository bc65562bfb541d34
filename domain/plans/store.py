"""The plans and coupons rooms of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.ids import CouponId, InvoiceId, PlanId, PlanVersionId, RedemptionId, SubscriptionId
from domain.plans.coupons import Coupon, Redemption
from domain.plans.entities import Plan, PlanVersion, Subscription


class PlanStore(Protocol):
    """Plans are the platform's; the subscription is the tenant's."""

    async def add_plan(self, plan: Plan) -> bool:
        """False when the name is taken."""
        ...

    async def plan(self, plan_id: PlanId, *, lock: bool = False) -> Plan | None: ...
    async def add_version(self, version: PlanVersion) -> None: ...
    async def version(self, version_id: PlanVersionId) -> PlanVersion | None: ...
    async def last_version(self, plan_id: PlanId) -> PlanVersion | None:
        """The newest, in force or not yet."""
        ...

    async def version_in_force(self, plan_id: PlanId) -> PlanVersion | None: ...
    async def offered(self) -> Sequence[tuple[Plan, PlanVersion]]:
        """The public plans that can be begun, with their versions in force, the cheapest first."""
        ...

    async def add_subscription(self, subscription: Subscription) -> bool:
        """False when the tenant has one that has not ended. Of two at once, one waits for the other."""
        ...

    async def subscription(self) -> Subscription | None:
        """The live one, locked, as it is now. Locks are taken on an invoice, then on the subscription."""
        ...

    async def subscription_by(self, subscription_id: SubscriptionId) -> Subscription | None:
        """Live or not, not locked."""
        ...

    async def invoice_waited_for(self) -> InvoiceId | None:
        """By the live one."""
        ...

    async def free_until(self, *, besides: SubscriptionId) -> datetime | None:
        """The last end of a period that cost nothing by its plan, of every other subscription of the tenant."""
        ...

    async def subscribed(self) -> PlanVersion | None:
        """The version that the tenant has. Read once a unit of work."""
        ...


class CouponStore(Protocol):
    """Coupons are the platform's; redemptions are the tenant's."""

    async def add(self, coupon: Coupon) -> bool:
        """False when the code is taken, in whatever case."""
        ...

    async def coupon(self, coupon_id: CouponId) -> Coupon | None: ...
    async def take(self, code: str) -> Coupon | None:
        """Count one redemption of a coupon that is on, in its time, and not used up; None when there is none.

        Whoever else redeems it waits until this transaction's end.
        """
        ...

    async def count_redemptions(self, coupon_id: CouponId) -> int:
        """By this tenant."""
        ...

    async def give_back(self, redemption_id: RedemptionId) -> None:
        """It makes one fee more less: the one that it was used for is not paid."""
        ...

    async def add_redemption(self, redemption: Redemption) -> None: ...
    async def discounts(self) -> Sequence[tuple[Redemption, Coupon]]:
        """What is kept for coming fees, locked, the oldest first."""
        ...
