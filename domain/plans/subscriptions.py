"""Use cases of a tenant: begin a subscription, change it, cancel it, go on.

What costs something begins in two steps: a transaction that issues the invoice, and the payment of that, which
`standing` learns of. An upgrade, which costs more in a year and is for no shorter a period, holds as soon as it is
paid: what is unused of the old is set off against the rest of the new. Any other change waits for the period's end, so
that nothing is ever paid back.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import InvoiceId, PlanId, SubscriptionId
from domain.invoices.entities import InvoiceItem, InvoiceTerms, ItemKind
from domain.jobs import IdempotencyKey, claim, scoped_key
from domain.operations.notifications import NotificationKind
from domain.operations.webhooks import WebhookEvent
from domain.plans.entities import Plan, PlanVersion, Subscription, SubscriptionState
from domain.plans.fees import bill
from domain.plans.periods import prorate, span_at
from domain.plans.standing import locked, paid, period_items, tell, version_of, void

if TYPE_CHECKING:
    from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Wish:
    """A plan to begin, or to change to."""

    plan_id: PlanId
    idempotency_key: str
    coupon_code: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, and the invoice that has to be paid for it, if one has to be."""

    subscription_id: SubscriptionId
    invoice_id: InvoiceId | None


async def subscribe(uow: UnitOfWork, actor: Actor, wish: Wish, terms: InvoiceTerms) -> Step:
    """Begin a first period. Repeated with its key it begins once, and names the same invoice. Raises Rejected."""
    actor.require(Permission.BILLING)
    key = scoped_key(actor.principal, "planSubscribe", wish.idempotency_key, asdict(wish))
    if (before := await _replay(uow, key)) is not None:
        return before
    plan, version = await _offered(uow, wish.plan_id)
    subscription = Subscription.begun(uow.tenant_id, version, uow.now)
    if not await uow.plans.add_subscription(subscription):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "There is a subscription: change it.", "input", "planId")
    items = await period_items(uow, subscription, plan, version, wish.coupon_code)
    invoice_id = await bill(uow, items, terms)
    subscription.wait(invoice_id, uow.now)
    if invoice_id is None:
        await paid(uow, subscription)
    await uow.jobs.complete_key(key, subscription.id)
    return Step(subscription.id, invoice_id)


async def change(uow: UnitOfWork, actor: Actor, wish: Wish, terms: InvoiceTerms) -> Step:
    """Change to the version in force of a plan: an upgrade when it is paid, anything else at the period's end.

    To change to what it is on takes back a change that waits. Raises Rejected.
    """
    actor.require(Permission.BILLING)
    key = scoped_key(actor.principal, "subscriptionChange", wish.idempotency_key, asdict(wish))
    if (before := await _replay(uow, key)) is not None:
        return before
    subscription = await _at_rest(uow)
    old = await version_of(uow, subscription)
    plan, new = await _offered(uow, wish.plan_id)
    subscription.cancel_at_period_end = False
    subscription.next_version_id = new.id if new.id != old.id else None
    if upgrades(old, new):
        await _upgrade(uow, subscription, plan, old, new, terms)
    else:
        await tell(uow, WebhookEvent.SUBSCRIPTION_CHANGED, NotificationKind.SUBSCRIPTION_CHANGED, subscription)
    await uow.jobs.complete_key(key, subscription.id)
    return Step(subscription.id, subscription.invoice_id)


def upgrades(old: PlanVersion, new: PlanVersion) -> bool:
    return new.yearly_micros > old.yearly_micros and new.length.months >= old.length.months


async def _upgrade(
    uow: UnitOfWork, subscription: Subscription, plan: Plan, old: PlanVersion, new: PlanVersion, terms: InvoiceTerms
) -> None:
    """The period goes on, unless the new one is a longer one, which begins now."""
    span = subscription.span if new.length is old.length else span_at(uow.now, new.length, uow.now)
    due = prorate(subscription.paid_micros, subscription.span, new.price_micros, span, uow.now)
    reference = f"subscription:{subscription.id}:{new.id}:{uow.now.isoformat()}"
    first, last = uow.now.date(), span.end.date()
    items = [
        InvoiceItem(ItemKind.PRORATION, title, micros, f"{reference}:{side}", starts_on=first, ends_on=last)
        for side, title, micros in (
            ("new", f"{plan.title}, until the period's end", due.charge_micros),
            ("old", "Unused of the plan before", -due.credit_micros),
        )
        if micros
    ]
    invoice_id = await bill(uow, items, terms)
    subscription.wait(invoice_id, uow.now)
    if invoice_id is None:
        await paid(uow, subscription, upgrading=True)


async def cancel(uow: UnitOfWork, actor: Actor, *, at_period_end: bool) -> SubscriptionId:
    """At once: nothing is paid back, what is owed is owed no more, credit stays until it expires. Raises Rejected."""
    actor.require(Permission.BILLING)
    subscription = await _at_rest(uow, past_due=True)
    if at_period_end and subscription.state == SubscriptionState.ACTIVE:
        if subscription.cancel_at_period_end:
            return subscription.id
        subscription.cancel_at_period_end, subscription.next_version_id = True, None
    else:
        if subscription.invoice_id is not None:
            await void(uow, subscription.invoice_id)
        subscription.end(SubscriptionState.CANCELLED, uow.now)
    await tell(uow, WebhookEvent.SUBSCRIPTION_CANCELLED, NotificationKind.SUBSCRIPTION_CANCELLED, subscription)
    return subscription.id


async def resume(uow: UnitOfWork, actor: Actor, subscription_id: SubscriptionId) -> None:
    """Take back a cancellation that waits for the period's end. Idempotent. Raises NotFound."""
    actor.require(Permission.BILLING)
    subscription = await locked(uow)
    if subscription is None or subscription.id != subscription_id:
        raise NotFound("The subscription", "input", "id")
    if subscription.cancel_at_period_end:
        subscription.cancel_at_period_end = False
        await tell(uow, WebhookEvent.SUBSCRIPTION_CHANGED, NotificationKind.SUBSCRIPTION_CHANGED, subscription)


async def _offered(uow: UnitOfWork, plan_id: PlanId) -> tuple[Plan, PlanVersion]:
    """A public plan and its version in force. Raises NotFound."""
    plan = await uow.plans.plan(plan_id)
    version = await uow.plans.version_in_force(plan_id)
    if plan is None or version is None or not plan.public or plan.archived_at is not None:
        raise NotFound("The plan", "input", "planId")
    return plan, version


async def _at_rest(uow: UnitOfWork, *, past_due: bool = False) -> Subscription:
    """The subscription while nothing is being paid for it, or is due. Raises Rejected."""
    subscription = await locked(uow)
    if subscription is None:
        raise NotFound("The subscription")
    if subscription.state == SubscriptionState.PAST_DUE and past_due:
        return subscription
    if subscription.state != SubscriptionState.ACTIVE or subscription.invoice_id is not None:
        raise Rejected(ErrorCode.INVALID_STATE, "A payment for it is due, or under way.")
    if subscription.period_end <= uow.now:
        raise Rejected(ErrorCode.INVALID_STATE, "Its next period is about to begin: try again.")
    return subscription


async def _replay(uow: UnitOfWork, key: IdempotencyKey) -> Step | None:
    """What the key led to before; None when it is ours now. Raises Rejected(IDEMPOTENCY_CONFLICT)."""
    before = await claim(uow.jobs, key)
    if before is None:
        return None
    subscription = await uow.plans.subscription_by(SubscriptionId(before))
    return Step(SubscriptionId(before), subscription.invoice_id if subscription is not None else None)
