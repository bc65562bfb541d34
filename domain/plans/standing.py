"""How a subscription stands after a fee was paid or not, and who is told."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from domain.accounts import Permission
from domain.billing.grants import GrantSource
from domain.billing.ledger import EntryKind, grant_entry
from domain.ids import InvoiceId
from domain.invoices import service
from domain.invoices.entities import UNPAID, InvoiceItem, ItemKind
from domain.operations.notifications import NotificationKind, notify
from domain.operations.webhooks import WebhookEvent, publish
from domain.plans.coupons import discount
from domain.plans.entities import Plan, PlanVersion, Subscription, SubscriptionState
from domain.plans.periods import prorate

if TYPE_CHECKING:
    from domain.unit_of_work import UnitOfWork


async def locked(uow: UnitOfWork) -> Subscription | None:
    """The tenant's subscription, once the invoice that it waits for is locked, too."""
    waited_for = await uow.plans.invoice_waited_for()
    if waited_for is not None:
        await uow.invoices.invoice(waited_for)
    return await uow.plans.subscription()


async def fee_paid(uow: UnitOfWork, invoice_id: InvoiceId) -> bool:
    """An invoice is paid: what it was for begins, goes on, or changes. Whether a subscription waited for it."""
    subscription = await locked(uow)
    if subscription is None or subscription.invoice_id != invoice_id:
        return False
    await paid(uow, subscription)
    return True


async def fee_failed(uow: UnitOfWork, invoice_id: InvoiceId) -> bool:
    """An invoice was not paid, and this try is over. Whether a subscription waited for it.

    What was to begin does not, what was to change does not, and their invoice is void. What has to be paid to go on
    is PAST_DUE, and its invoice stays open.
    """
    subscription = await locked(uow)
    if subscription is None or subscription.invoice_id != invoice_id:
        return False
    if subscription.state == SubscriptionState.ACTIVE and not subscription.upgrading:
        await past_due(uow, subscription)
    elif subscription.state != SubscriptionState.PAST_DUE:
        await give_up(uow, subscription)
    return True


async def fee_waived(uow: UnitOfWork, invoice_id: InvoiceId) -> bool:
    """An invoice has not to be paid any more. Whether a subscription waited for it.

    What has begun goes on as if it were paid, for nothing; what was to begin or to change does not.
    """
    if await uow.plans.invoice_waited_for() != invoice_id:
        return False
    subscription = await locked(uow)
    if subscription is None or subscription.invoice_id != invoice_id:
        return False
    if subscription.state == SubscriptionState.INCOMPLETE or subscription.upgrading:
        await give_up(uow, subscription)
    else:
        subscription.paid_micros = 0
        await paid(uow, subscription)
    return True


async def paid(uow: UnitOfWork, subscription: Subscription, *, upgrading: bool = False) -> None:
    """What it waited for is paid, or there was nothing to pay."""
    was, since = subscription.state, subscription.waits_since or uow.now
    upgrading = upgrading or subscription.upgrading
    version = await version_of(uow, subscription)
    subscription.wait(None, uow.now)
    subscription.stand(SubscriptionState.ACTIVE)
    subscription.discount_id = None
    event, kind = WebhookEvent.SUBSCRIPTION_CHANGED, NotificationKind.SUBSCRIPTION_CHANGED
    if upgrading:
        await _take_upgrade(uow, subscription, version, since)
    elif was == SubscriptionState.INCOMPLETE:
        event, kind = WebhookEvent.SUBSCRIPTION_STARTED, NotificationKind.SUBSCRIPTION_STARTED
        if version.price_micros or not await _was_free_before(uow, subscription):
            await include_credit(uow, subscription, version.included_credit_micros)
    else:
        await include_credit(uow, subscription, version.included_credit_micros)
    await tell(uow, event, kind, subscription)


async def _take_upgrade(uow: UnitOfWork, subscription: Subscription, old: PlanVersion, since: datetime) -> None:
    """With the credit that the new one includes beyond the old, for the rest of the period from when it was asked."""
    new = await uow.plans.version(subscription.next_version_id) if subscription.next_version_id else None
    assert new is not None, "versions are never deleted"
    before, anew = subscription.span, new.length is not old.length
    subscription.take(new, since if anew else before.start, anew=anew)
    subscription.paid_micros = new.price_micros
    more = prorate(old.included_credit_micros, before, new.included_credit_micros, subscription.span, since)
    await include_credit(uow, subscription, more.due_micros, f":{new.id}")


async def _was_free_before(uow: UnitOfWork, subscription: Subscription) -> bool:
    """Whether a free period of another subscription goes on: its credit is not given twice."""
    until = await uow.plans.free_until(besides=subscription.id)
    return until is not None and until > uow.now


async def past_due(uow: UnitOfWork, subscription: Subscription) -> None:
    subscription.stand(SubscriptionState.PAST_DUE)
    kind = NotificationKind.SUBSCRIPTION_PAST_DUE
    await tell(uow, WebhookEvent.SUBSCRIPTION_CHANGED, kind, subscription)


async def give_up(uow: UnitOfWork, subscription: Subscription) -> None:
    """Nobody pays for what was to begin or to change. It keeps the void invoice's id, so that a replay finds it."""
    invoice_id, upgrading = subscription.invoice_id, subscription.upgrading
    if subscription.discount_id is not None:
        await uow.coupons.give_back(subscription.discount_id)
        subscription.discount_id = None
    if upgrading:
        subscription.next_version_id = None
        subscription.wait(None, uow.now)
    else:
        subscription.end(SubscriptionState.CANCELLED, uow.now)
    if invoice_id is not None:
        await void(uow, invoice_id)


async def void(uow: UnitOfWork, invoice_id: InvoiceId) -> None:
    invoice = await uow.invoices.invoice(invoice_id)
    if invoice is not None and invoice.state in UNPAID:
        await service.void(uow, invoice_id)


async def period_items(
    uow: UnitOfWork, subscription: Subscription, plan: Plan, version: PlanVersion, code: str | None = None
) -> list[InvoiceItem]:
    """For the whole period that the subscription is in, less what a coupon takes off; none where it costs nothing."""
    reference = f"subscription:{subscription.id}:{subscription.period_start.isoformat()}"
    less = await discount(uow, version, f"{reference}:coupon", code)
    subscription.discount_id = less.redemption_id if less is not None else None
    subscription.paid_micros = version.price_micros - (less.micros if less is not None else 0)
    first, last = subscription.period_start.date(), subscription.period_end.date()
    items = [
        InvoiceItem(ItemKind.SUBSCRIPTION, plan.title, version.price_micros, reference, starts_on=first, ends_on=last)
    ]
    if less is not None:
        items.append(InvoiceItem(ItemKind.DISCOUNT, less.code, -less.micros, f"{reference}:discount"))
    return items if version.price_micros else []


async def include_credit(uow: UnitOfWork, subscription: Subscription, micros: int, suffix: str = "") -> None:
    """The period's credit, once. It expires with the period."""
    reference = f"subscription:{subscription.id}:{subscription.period_start.isoformat()}{suffix}"
    if micros <= 0 or subscription.period_end <= uow.now:
        return
    await uow.billing.lock_wallet()
    if await uow.billing.entry_by(EntryKind.GRANT, reference) is None:
        expires_at = subscription.period_end
        await uow.billing.post(grant_entry(reference, micros, GrantSource.PLAN, expires_at=expires_at))


async def version_of(uow: UnitOfWork, subscription: Subscription) -> PlanVersion:
    version = await uow.plans.version(subscription.plan_version_id)
    assert version is not None, "versions are never deleted"
    return version


async def plan_of(uow: UnitOfWork, version: PlanVersion) -> Plan:
    plan = await uow.plans.plan(version.plan_id)
    assert plan is not None, "plans are never deleted"
    return plan


async def tell(uow: UnitOfWork, event: WebhookEvent, kind: NotificationKind, subscription: Subscription) -> None:
    """Whoever pays, and the tenant's programs."""
    plan = await plan_of(uow, await version_of(uow, subscription))
    until = subscription.period_end.date().isoformat()
    await notify(uow, Permission.BILLING, kind, {"plan": plan.title, "until": until})
    data = {
        "plan": plan.name,
        "state": subscription.state,
        "periodStart": subscription.period_start.isoformat(),
        "periodEnd": subscription.period_end.isoformat(),
        "cancelAtPeriodEnd": subscription.cancel_at_period_end,
        "changesAtPeriodEnd": subscription.next_version_id is not None,
    }
    await publish(uow, event, data)
