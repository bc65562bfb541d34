"""What the clock does with a subscription when its time has come.

A renewal that cannot be paid leaves it PAST_DUE, with everything it entitles to, for PAST_DUE_MAX. The row's lock makes
it safe to run at any time, again, and at once. After an outage each period follows the one before it, one a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.ids import InvoiceId
from domain.invoices.entities import InvoiceTerms
from domain.operations.notifications import NotificationKind
from domain.operations.webhooks import WebhookEvent
from domain.plans.entities import Subscription, SubscriptionState
from domain.plans.fees import bill
from domain.plans.standing import give_up, locked, paid, past_due, period_items, plan_of, tell, version_of, void

if TYPE_CHECKING:
    from domain.unit_of_work import UnitOfWork


async def renew(uow: UnitOfWork, terms: InvoiceTerms) -> InvoiceId | None:
    """Do what is due with the tenant's subscription; the invoice that is to be paid now, if one is.

    Of a payment that nobody heard of again: a beginning or an upgrade is given up, a renewal is past due and tried once
    more.
    """
    subscription = await locked(uow)
    if subscription is None or uow.now < subscription.due_at:
        return None
    if subscription.state == SubscriptionState.INCOMPLETE or subscription.upgrading:
        await give_up(uow, subscription)
    elif subscription.state == SubscriptionState.PAST_DUE:
        await _end(uow, subscription)
    elif subscription.invoice_id is not None:
        await past_due(uow, subscription)
        return subscription.invoice_id
    elif subscription.cancel_at_period_end:
        await _end(uow, subscription)
    else:
        return await _next_period(uow, subscription, terms)
    return None


async def _end(uow: UnitOfWork, subscription: Subscription) -> None:
    """What was not paid for need not be any more."""
    if subscription.invoice_id is not None:
        await void(uow, subscription.invoice_id)
    subscription.end(SubscriptionState.ENDED, uow.now)
    await tell(uow, WebhookEvent.SUBSCRIPTION_ENDED, NotificationKind.SUBSCRIPTION_ENDED, subscription)


async def _next_period(uow: UnitOfWork, subscription: Subscription, terms: InvoiceTerms) -> InvoiceId | None:
    old = await version_of(uow, subscription)
    new = await uow.plans.version(subscription.next_version_id) if subscription.next_version_id else old
    assert new is not None, "versions are never deleted"
    subscription.take(new, subscription.period_end, anew=new.length is not old.length)
    items = await period_items(uow, subscription, await plan_of(uow, new), new)
    invoice_id = await bill(uow, items, terms)
    subscription.wait(invoice_id, uow.now)
    if invoice_id is None:
        await paid(uow, subscription)
    return invoice_id
