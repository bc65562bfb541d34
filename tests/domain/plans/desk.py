"""Subscribes, pays and waits for a tenant in memory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.accounts import Membership, Role, User
from domain.ids import CouponId, PlanId, PlanVersionId, new_id
from domain.invoices import Invoice, InvoiceState, InvoiceTerms
from domain.plans import standing, subscriptions
from domain.plans.coupons import Coupon, CouponKind
from domain.plans.entities import Plan, PlanLimit, PlanVersion, Subscription
from domain.plans.periods import PlanPeriod
from domain.plans.renewals import renew
from domain.plans.subscriptions import Step, Wish
from tests.domain.memory import MemoryUnitOfWork
from tests.domain.world import World

TERMS = InvoiceTerms()
UNIT = 1_000_000


class Desk:
    """Subscribes, pays and waits for a tenant in memory."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.uow: MemoryUnitOfWork = world.uow
        self._keys = 0

    async def opened(self) -> Desk:
        """With a wallet, and somebody who is told."""
        author = self.world.author
        await self.uow.billing.open_wallet()
        await self.uow.accounts.add_user(User(author.user_id, "a@example.org", "Author", ""))
        await self.uow.accounts.add_membership(Membership(self.uow.tenant_id, author.user_id, Role.OWNER))
        return self

    async def plan(
        self, name: str, price: int, credit: int = 0, period: PlanPeriod = PlanPeriod.MONTH, **limits: int
    ) -> PlanId:
        plan = Plan(PlanId(new_id()), name, name.title())
        wanted = {str(PlanLimit[limit.upper()]): most for limit, most in limits.items()}
        version = PlanVersion(PlanVersionId(new_id()), plan.id, 1, period, price * UNIT, credit * UNIT, [], wanted)
        assert await self.uow.plans.add_plan(plan)
        await self.uow.plans.add_version(version)
        return plan.id

    async def coupon(self, kind: CouponKind, value: int, **values: Any) -> str:
        code = f"CODE-{len(self.uow.coupons.coupons):04d}"
        await self.uow.coupons.add(Coupon(CouponId(new_id()), code, kind, value, **values))
        return code

    def wish(self, plan_id: PlanId, code: str | None = None) -> Wish:
        self._keys += 1
        return Wish(plan_id, f"key-{self._keys}", code)

    async def begin(self, plan_id: PlanId, code: str | None = None) -> Step:
        return await subscriptions.subscribe(self.uow, self.world.author, self.wish(plan_id, code), TERMS)

    async def change(self, plan_id: PlanId) -> Step:
        return await subscriptions.change(self.uow, self.world.author, self.wish(plan_id), TERMS)

    async def pay(self, step: Step) -> None:
        """As the payment of its invoice would."""
        assert step.invoice_id is not None
        self.invoice(step).state = InvoiceState.PAID
        assert await standing.fee_paid(self.uow, step.invoice_id)

    async def fail(self, step: Step) -> None:
        assert step.invoice_id is not None
        assert await standing.fee_failed(self.uow, step.invoice_id)

    async def waive(self, step: Step) -> None:
        """As a credit note over all of its invoice would."""
        assert step.invoice_id is not None
        self.invoice(step).state = InvoiceState.VOID
        assert await standing.fee_waived(self.uow, step.invoice_id)

    async def begun(self, plan_id: PlanId, code: str | None = None) -> Subscription:
        """Paid for."""
        step = await self.begin(plan_id, code)
        if step.invoice_id is not None:
            await self.pay(step)
        return self.subscription

    def wait_until(self, moment: datetime) -> None:
        self.uow.now = self.uow.plans.now = self.uow.coupons.now = self.uow.billing.now = moment

    async def renew(self) -> Step:
        return Step(self.subscription.id, await renew(self.uow, TERMS))

    def invoice(self, step: Step) -> Invoice:
        assert step.invoice_id is not None
        return self.uow.invoices.issued[step.invoice_id]

    def lines(self, step: Step) -> list[tuple[str, int]]:
        assert step.invoice_id is not None
        return [(one.kind, one.amount_micros) for one in self.uow.invoices.billed[step.invoice_id]]

    @property
    def subscription(self) -> Subscription:
        return self.uow.plans.subscriptions[-1]

    @property
    def told(self) -> list[str]:
        """What was said of the subscription."""
        return [one.kind for one in self.uow.notifications.rows if one.kind.startswith("SUBSCRIPTION")]

    @property
    def credit(self) -> list[tuple[int, datetime | None]]:
        """Grants of plans, the first first: (micro-units, when they expire)."""
        return [(one.amount_micros, one.expires_at) for one in self.uow.billing.grants.values()]
