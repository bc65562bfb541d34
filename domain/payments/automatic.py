"""Top-ups without being asked: when less than a threshold can be spent, the saved card is charged.

One payment at a time, so much a month. Its key says which it is of all that there were, so that two who see the same
wallet at once make the same payment.
"""

from __future__ import annotations

import logging
from datetime import datetime

from domain.accounts import Actor, Permission
from domain.billing.money import AMOUNT_MICROS_MAX
from domain.errors import ErrorCode, Rejected
from domain.ids import LedgerEntryId, TenantId
from domain.operations.audit import Subject, record
from domain.operations.mail_texts import MailTemplate
from domain.operations.mails import write_mail
from domain.operations.notifications import NotificationKind, notify
from domain.payments.entities import (
    FAILURES_MAX,
    RETRY_AFTER,
    AutomaticSoFar,
    AutomaticTopUp,
    Order,
    Payment,
    PaymentPurpose,
)
from domain.payments.paid_for import Credit, told
from domain.payments.port import PaymentGateway
from domain.payments.service import Payments
from domain.unit_of_work import UnitOfWork

logger = logging.getLogger(__name__)


async def set_automatic(
    uow: UnitOfWork, actor: Actor, gateway: PaymentGateway, wanted: AutomaticTopUp, *, request_id: str = ""
) -> None:
    """Decide about automatic top-ups. What failed before is forgotten. Raises Rejected."""
    actor.require(Permission.BILLING)
    gateway.check(wanted.amount_micros)
    for micros, field in ((wanted.threshold_micros, "threshold"), (wanted.monthly_limit_micros, "monthlyLimit")):
        if not 0 < micros <= AMOUNT_MICROS_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, "This is more than nothing.", "input", field)
    if wanted.monthly_limit_micros < wanted.amount_micros:
        message = "A month's limit is at least one top-up."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "monthlyLimit")
    wanted.updated_at = uow.now
    await uow.payments.set_automatic(wanted)
    details = {
        "threshold_micros": wanted.threshold_micros, "amount_micros": wanted.amount_micros,
        "monthly_limit_micros": wanted.monthly_limit_micros, "enabled": wanted.enabled,
    }  # fmt: skip
    subject = Subject("Tenant", uow.tenant_id)
    await record(uow, actor, "automatic_top_up.set", subject, details, request_id=request_id)


async def top_up_if_low(payments: Payments, tenant_id: TenantId) -> Payment | None:
    """Pay if a tenant's credit has run low. None when there was nothing to do."""
    async with payments.units(tenant_id) as uow:
        wanted = await uow.payments.automatic()
        available = await uow.payments.available_micros()
        so_far = await uow.payments.automatic_so_far(_month(uow.now))
        now = uow.now
    if wanted is None or available >= wanted.threshold_micros or not _may(wanted, so_far, now):
        return None
    order = Order(PaymentPurpose.AUTO_TOP_UP, wanted.amount_micros, f"automatic:{so_far.count}")
    try:
        return await payments.pay(tenant_id, order)
    except Rejected as refusal:
        logger.warning("tenant %s is not topped up: %s", tenant_id, refusal)
        return None


def _may(wanted: AutomaticTopUp, so_far: AutomaticSoFar, now: datetime) -> bool:
    if not wanted.enabled or so_far.pending or so_far.micros + wanted.amount_micros > wanted.monthly_limit_micros:
        return False
    return not wanted.failures or so_far.failed_at is None or now - so_far.failed_at >= RETRY_AFTER


def _month(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


class AutomaticCredit(Credit):
    """What follows from an automatic top-up: credit, or after FAILURES_MAX failures in a row no further ones."""

    async def paid(self, uow: UnitOfWork, payment: Payment) -> LedgerEntryId | None:
        entry_id = await super().paid(uow, payment)
        automatic = await uow.payments.lock_automatic()
        if automatic is not None:
            automatic.failures = 0
        return entry_id

    async def failed(self, uow: UnitOfWork, payment: Payment) -> None:
        automatic = await uow.payments.lock_automatic()
        if automatic is None:
            return
        automatic.failures += 1
        if automatic.failures >= FAILURES_MAX:
            automatic.enabled = False
        kind = NotificationKind.PAYMENT_FAILED if automatic.enabled else NotificationKind.AUTOMATIC_TOP_UP_OFF
        params = told(payment)
        counted = {"failures": str(automatic.failures), "failures_max": str(FAILURES_MAX)}
        for user in await notify(uow, Permission.BILLING, kind, params):
            reason = payment.failure_message or payment.failure_code or ""
            names = params | counted | {"name": user.display_name, "reason": reason}
            await write_mail(uow, user, MailTemplate.TOP_UP_FAILED, names)
