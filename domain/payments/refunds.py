"""Paying back, and what others pay back: Stripe's own desk, and a payer's bank.

We take the credit from the wallet first, so that what is paid back cannot be spent, and give it back to the wallet
when the payment service refuses. What others have paid back is gone already: the wallet loses what is there of it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from domain.accounts import Actor, Permission
from domain.billing.grants import GrantSource
from domain.billing.holds import expire_credit
from domain.billing.ledger import EntryKind, refund_entry, unrefunded_entry
from domain.billing.money import QuotaExhausted
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import LedgerEntryId, PaymentId, RefundId, TenantId, new_id
from domain.jobs import key_conflict
from domain.operations.audit import Subject, record
from domain.operations.notifications import NotificationKind, notify
from domain.payments.entities import (
    ASK_AFTER,
    Payment,
    PaymentState,
    Refund,
    RefundOrigin,
    RefundState,
)
from domain.payments.paid_for import told
from domain.payments.port import (
    Dispute,
    DisputeState,
    FailedRefund,
    GatewayUnavailable,
    Outcome,
    PaymentGateway,
    RefundOutcome,
)
from domain.unit_of_work import OpenUnitOfWork, UnitOfWork

PAYABLE = frozenset({PaymentState.SUCCEEDED, PaymentState.REFUNDED})

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """`key` is unique in the tenant and never forgotten."""

    payment_id: PaymentId
    micros: int
    reason: str
    key: str
    actor: Actor
    request_id: str = ""


@dataclass(frozen=True)
class Refunds:
    units: OpenUnitOfWork
    gateway: PaymentGateway

    async def refund(self, tenant_id: TenantId, order: RefundOrder) -> Refund:
        """Pay back, or go on with the refund that has the key. It may still be PENDING when this returns.

        Raises Rejected, QUOTA_EXHAUSTED when the credit has been spent or is held.
        """
        order.actor.require(Permission.PLATFORM)
        self.gateway.check(order.micros, back=True)
        async with self.units(tenant_id) as uow:
            payment, refund = await self._begin(uow, order)
        return await self._finish(payment, refund) if refund.state == RefundState.PENDING else refund

    async def _begin(self, uow: UnitOfWork, order: RefundOrder) -> tuple[Payment, Refund]:
        payment = await uow.payments.lock(order.payment_id)
        if payment is None:
            raise NotFound("The payment", "input", "paymentId")
        known = await uow.payments.refund_by_key(order.key)
        if known is not None:
            if (known.payment_id, known.amount_micros) != (order.payment_id, order.micros):
                raise key_conflict()
            return payment, known
        if payment.state != PaymentState.SUCCEEDED or payment.gateway != self.gateway.kind:
            message = "Only what was paid, and not yet paid back, is paid back."
            raise Rejected(ErrorCode.INVALID_STATE, message, "input", "paymentId")
        if order.micros > payment.amount_micros - payment.refunded_micros:
            raise Rejected(ErrorCode.BAD_USER_INPUT, "That is more than is left of it.", "input", "amount")
        await _require_credit(uow, payment, order.micros)
        refund = Refund(
            uow.tenant_id, RefundId(new_id()), payment.id, RefundOrigin.PLATFORM, order.micros, order.key,
            reason=order.reason, requested_by=order.actor.user_id, created_at=uow.now,
        )  # fmt: skip
        await _take(uow, payment, refund, refund.amount_micros)
        if not await uow.payments.add_refund(refund):
            raise key_conflict()  # of another payment's refund
        details = {"amount_micros": order.micros, "reason": order.reason}
        subject = Subject("Payment", payment.id)
        await record(uow, order.actor, "payment.refund", subject, details, request_id=order.request_id)
        return payment, refund

    async def _finish(self, payment: Payment, refund: Refund) -> Refund:
        try:
            outcome = await self.gateway.refund(payment, refund)
            found = await self.gateway.look_up(payment) if outcome.code else None
        except GatewayUnavailable as error:
            logger.warning("refund %s is pending: %s", refund.id, error)
            return refund
        async with self.units(payment.tenant_id) as uow:
            return await _close(uow, payment.id, refund.id, outcome, found)

    async def ask(self, tenant_id: TenantId) -> int:
        """Bring the refunds to an end that nobody works on any more; how many. One that fails holds up no other."""
        async with self.units(tenant_id) as uow:
            waiting = await uow.payments.pending_refunds(self.gateway.kind, uow.now - ASK_AFTER)
        ended = 0
        for refund in waiting:
            try:
                ended += (await self._asked(refund)).state != RefundState.PENDING
            except Exception:
                logger.exception("refund %s of tenant %s is not brought to its end", refund.id, tenant_id)
        return ended

    async def _asked(self, refund: Refund) -> Refund:
        async with self.units(refund.tenant_id) as uow:
            payment = await uow.payments.lock(refund.payment_id)
        return await self._finish(payment, refund) if payment is not None else refund


async def _require_credit(uow: UnitOfWork, payment: Payment, micros: int) -> None:
    """Raises Rejected where the money has paid an invoice: that has its own way back."""
    if payment.entry_id is None:
        message = "What paid an invoice comes back by a credit note."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "paymentId")
    if micros > await _credit_behind(uow, payment):
        message = "That is more than is left of what became credit of it."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "amount")


async def _credit_behind(uow: UnitOfWork, payment: Payment) -> int:
    """What became credit of a payment, less what refunds took of it."""
    entry = await uow.billing.entry(payment.entry_id) if payment.entry_id is not None else None
    return entry.credit_micros - await uow.payments.taken_micros(payment.id) if entry is not None else 0


async def _take(uow: UnitOfWork, payment: Payment, refund: Refund, micros: int) -> None:
    """Take credit from the wallet for a refund. Raises Rejected(QUOTA_EXHAUSTED)."""
    payment.refunded_micros += refund.amount_micros
    if not micros:
        return
    await expire_credit(uow.billing, uow.now)
    grants = await uow.billing.lock_wallet()
    try:
        entry = refund_entry(
            f"refund:{refund.id}", micros, grants, reason=refund.reason, posted_by=refund.requested_by
        )  # fmt: skip
        refund.entry_id = await uow.billing.post(entry)
    except (ValueError, QuotaExhausted):
        message = "The credit that was paid for has been spent, or is held."
        raise Rejected(ErrorCode.QUOTA_EXHAUSTED, message, "input", "amount") from None
    refund.taken_micros = micros


async def _close(
    uow: UnitOfWork, payment_id: PaymentId, refund_id: RefundId, outcome: RefundOutcome, found: Outcome | None
) -> Refund:
    """`found` is what the payment service says of the payment when it refuses the refund."""
    payment, refund = await uow.payments.lock(payment_id), await uow.payments.lock_refund(refund_id)
    if payment is None or refund is None:
        raise LookupError("a refund's rows are never deleted")
    if refund.state == RefundState.PENDING:
        if outcome.code:
            await _undo(uow, payment, refund, outcome.code)
            if found is not None:  # what counted as ours was another's
                await paid_back_elsewhere(uow, payment, found.refunded_micros)
        else:
            refund.state, refund.external_id, refund.finished_at = RefundState.SUCCEEDED, outcome.external_id, uow.now
            if payment.refunded_micros == payment.amount_micros:
                payment.state = PaymentState.REFUNDED
    return refund


async def _undo(uow: UnitOfWork, payment: Payment, refund: Refund, code: str) -> None:
    """No money went back: what was taken from the wallet returns."""
    if refund.entry_id is not None:
        await _give_back(uow, refund.entry_id, f"The refund failed: {code}")
    payment.refunded_micros -= refund.amount_micros
    if payment.state == PaymentState.REFUNDED:
        payment.state = PaymentState.SUCCEEDED
    refund.state, refund.failure_code, refund.taken_micros = RefundState.FAILED, code, 0
    refund.finished_at = uow.now


async def refund_failed(uow: UnitOfWork, payment: Payment, failed: FailedRefund) -> None:
    """A refund that was taken on has failed after all. The payment must be locked."""
    refund = await uow.payments.lock_refund(failed.refund_id)
    if refund is None or refund.payment_id != payment.id or refund.state == RefundState.FAILED:
        return
    await _undo(uow, payment, refund, failed.code)
    logger.error("refund %s of tenant %s failed after all: %s", refund.id, uow.tenant_id, failed.code)


async def _give_back(uow: UnitOfWork, entry_id: LedgerEntryId, reason: str) -> None:
    """Once: what was given back before stays as it is."""
    grants = await uow.billing.lock_wallet()
    entry = await uow.billing.entry(entry_id)
    before = await uow.billing.entry_by(EntryKind.REVERSAL, f"entry:{entry_id}")
    if entry is not None and before is None:
        await uow.billing.post(unrefunded_entry(entry_id, entry, grants, reason, at=uow.now))


# -- what others paid back -------------------------------------------------------------------------------------------


async def paid_back_elsewhere(uow: UnitOfWork, payment: Payment, refunded_micros: int) -> None:
    """Correct the wallet by what somebody paid back at the payment service's desk. The payment must be locked.

    `refunded_micros` is all that was paid back, ours included; what we are about to pay back counts as ours.
    """
    more = refunded_micros - (payment.refunded_micros - await uow.payments.disputed_micros(payment.id))
    if payment.state in PAYABLE and more > 0:
        key = f"desk:{payment.id}:{refunded_micros}"
        await _lose(uow, payment, RefundOrigin.GATEWAY, min(more, payment.amount_micros - payment.refunded_micros), key)


async def disputed(uow: UnitOfWork, payment: Payment, dispute: Dispute) -> None:
    """A bank takes money back, or gives it back at the end. The payment must be locked."""
    known = await uow.payments.refund_by_key(f"dispute:{dispute.external_id}")
    if known is None and dispute.state is not DisputeState.WON and payment.state in PAYABLE:
        micros = min(dispute.micros, payment.amount_micros - payment.refunded_micros)
        await _lose(uow, payment, RefundOrigin.DISPUTE, micros, f"dispute:{dispute.external_id}", dispute.external_id)
    elif known is not None and dispute.state is DisputeState.WON and known.state == RefundState.SUCCEEDED:
        await _undo(uow, payment, known, "dispute_won")


async def _lose(
    uow: UnitOfWork, payment: Payment, origin: RefundOrigin, micros: int, key: str, external_id: str | None = None
) -> None:
    """Money went without us: take from the wallet what is there of it, and say so."""
    if micros <= 0:
        return
    refund = Refund(
        uow.tenant_id, RefundId(new_id()), payment.id, origin, micros, key, state=RefundState.SUCCEEDED,
        external_id=external_id, created_at=uow.now, finished_at=uow.now,
    )  # fmt: skip
    await expire_credit(uow.billing, uow.now)
    grants = await uow.billing.lock_wallet()
    paid = sum(one.left_micros for one in grants if one.source is GrantSource.TOPUP)
    behind = await _credit_behind(uow, payment)
    await _take(uow, payment, refund, min(micros, behind, paid, await uow.payments.available_micros()))
    await uow.payments.add_refund(refund)
    if payment.refunded_micros == payment.amount_micros:
        payment.state = PaymentState.REFUNDED
    subject = Subject("Payment", payment.id)
    details = {"amount_micros": micros, "taken_micros": refund.taken_micros, "origin": origin}
    await record(uow, None, "payment.lost", subject, details)
    await notify(uow, Permission.BILLING, NotificationKind.PAYMENT_LOST, told(payment) | {"reason": origin})
    logger.error(
        "payment %s of tenant %s: %d micro-units went back (%s), %d of them from the wallet",
        payment.id, uow.tenant_id, micros, origin, refund.taken_micros,
    )  # fmt: skip
