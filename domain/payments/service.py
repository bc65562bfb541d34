"""Taking payments, and learning what became of them.

    row PENDING  ->  the payment service knows it  ->  its id is in the row  ->  money moves  ->  row closed

Each arrow may be the last that a process lives to see. A repeated request with the same key goes on where the first
stopped; an event of the payment service, or a duty by the clock, closes what nobody comes back for. A payment is
closed under its row's lock, so what follows from it follows once.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.accounts import Actor
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import PaymentId, PaymentMethodId, TenantId, new_id
from domain.invoices.entities import UNPAID
from domain.operations.audit import Subject, record
from domain.payments.entities import (
    ASK_AFTER,
    PAGE_TTL,
    Order,
    Payment,
    PaymentMethod,
    PaymentPurpose,
    PaymentState,
)
from domain.payments.paid_for import PaidFor
from domain.payments.port import (
    Card,
    Event,
    GatewayRefused,
    GatewayUnavailable,
    Opened,
    Outcome,
    OutcomeState,
    PaymentGateway,
)
from domain.payments.refunds import disputed, paid_back_elsewhere, refund_failed
from domain.unit_of_work import OpenUnitOfWork, UnitOfWork

NO_METHOD = "no_method"
ABANDONED = "abandoned"
_WAITING = Outcome(OutcomeState.WAITING)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Payments:
    """`paid_for` has what follows from a payment of each purpose."""

    units: OpenUnitOfWork
    gateway: PaymentGateway
    paid_for: Mapping[PaymentPurpose, PaidFor]

    async def pay(self, tenant_id: TenantId, order: Order) -> Payment:
        """Take a payment, or go on with the one that has its key. It may still be PENDING when this returns.

        Opens transactions of its own: call it outside of any. Raises Rejected for an amount that cannot be paid, a key
        of another payment, and a second automatic top-up at a time.
        """
        self.gateway.check(order.micros)
        payment = await self._begin(tenant_id, order)
        ours = payment.gateway == self.gateway.kind  # and not of one that was set up before
        if payment.state != PaymentState.PENDING or payment.page_url is not None or not ours:
            return payment
        try:
            outcome = await self._drive(payment, order)
        except GatewayUnavailable as error:
            logger.warning("payment %s is pending: %s", payment.id, error)
            return payment
        return await self.close(tenant_id, payment.id, outcome) or payment

    async def _begin(self, tenant_id: TenantId, order: Order) -> Payment:
        """The payment's row: a new one, that of the key, or the one that the invoice is being paid with."""
        payment = Payment(
            tenant_id, PaymentId(new_id()), order.purpose, order.micros, self.gateway.kind, order.key,
            invoice_id=order.invoice_id, requested_by=order.actor.user_id if order.actor is not None else None,
        )  # fmt: skip
        async with self.units(tenant_id) as uow:
            payment.created_at = uow.now
            if (other := await self._for_invoice(uow, order)) is not None:
                return other
            if await uow.payments.add(payment):
                details = {"purpose": order.purpose, "amount_micros": order.micros}
                subject = Subject("Payment", payment.id)
                await record(uow, order.actor, "payment.create", subject, details, request_id=order.request_id)
                return payment
            known = await uow.payments.by_key(order.key)
        if known is None:
            raise Rejected(ErrorCode.INVALID_STATE, "An automatic top-up is pending.")
        if (known.purpose, known.amount_micros, known.invoice_id) != (order.purpose, order.micros, order.invoice_id):
            message = "This key was used for another payment."
            raise Rejected(ErrorCode.IDEMPOTENCY_CONFLICT, message, "input", "idempotencyKey")
        return known

    async def _for_invoice(self, uow: UnitOfWork, order: Order) -> Payment | None:
        """What an invoice is being paid with: it has one payment at a time, whatever the keys. Locks the invoice."""
        if order.invoice_id is None:
            return None
        invoice = await uow.invoices.invoice(order.invoice_id)
        if await uow.payments.by_key(order.key) is not None:
            return None
        if invoice is not None and invoice.state not in UNPAID:
            raise Rejected(ErrorCode.INVALID_STATE, f"The invoice is {invoice.state}.", "input", "invoiceId")
        return await uow.payments.pending_for(order.invoice_id, self.gateway.kind)

    async def _drive(self, payment: Payment, order: Order) -> Outcome:
        """Let the payment service know it, note its id, and have it charged. Raises GatewayUnavailable."""
        async with self.units(payment.tenant_id) as uow:
            method = await uow.payments.default_method(self.gateway.kind)
        if payment.external_id is None:
            if method is None and self.gateway.takes_methods and not order.attended:
                return Outcome(OutcomeState.FAILED, code=NO_METHOD, message="No payment method is saved.")
            try:
                opened = await self.gateway.open(payment, await self._customer(payment.tenant_id), method)
            except GatewayRefused as refusal:
                return Outcome(OutcomeState.FAILED, code=refusal.code, message=refusal.message)
            if not await self._note(payment, opened) or opened.page_url is not None:
                return _WAITING
        return await self.gateway.charge(payment, method, attended=order.attended)

    async def _note(self, payment: Payment, opened: Opened) -> bool:
        """Write down what the payment service calls it. False when the payment was closed meanwhile."""
        async with self.units(payment.tenant_id) as uow:
            locked = await uow.payments.lock(payment.id)
            if locked is None or locked.state != PaymentState.PENDING:
                return False
            locked.external_id, locked.page_url = opened.external_id, opened.page_url
        payment.external_id = opened.external_id
        return True

    async def _customer(self, tenant_id: TenantId) -> str:
        kind = self.gateway.kind
        async with self.units(tenant_id) as uow:
            known = await uow.payments.customer(kind)
        if known is not None:
            return known
        made = await self.gateway.customer(tenant_id)
        async with self.units(tenant_id) as uow:
            return await uow.payments.add_customer(kind, made)

    # -- learning what became of it -----------------------------------------------------------------------------------

    async def close(
        self, tenant_id: TenantId, payment_id: PaymentId, outcome: Outcome, *, event: Event | None = None
    ) -> Payment | None:
        """Write down what became of a payment. A second call, and an event that was noted before, change nothing."""
        async with self.units(tenant_id) as uow:
            if event is not None and not await uow.payments.note_event(self.gateway.kind, event.id):
                return None
            payment = await uow.payments.lock(payment_id)
            if payment is not None:
                await self._settle(uow, payment, outcome)
                if event is not None and event.failed_refund is not None:
                    await refund_failed(uow, payment, event.failed_refund)
                await paid_back_elsewhere(uow, payment, outcome.refunded_micros)
                if event is not None and event.dispute is not None:
                    await disputed(uow, payment, event.dispute)
        return payment

    async def _settle(self, uow: UnitOfWork, payment: Payment, outcome: Outcome) -> None:
        """Money that came after all counts, whatever was thought of it before."""
        follows = self.paid_for[PaymentPurpose(payment.purpose)]
        open_ = payment.state == PaymentState.PENDING
        if outcome.state is OutcomeState.SUCCEEDED and (open_ or payment.state == PaymentState.FAILED):
            entry_id = await follows.paid(uow, payment)
            payment.state, payment.entry_id, payment.finished_at = PaymentState.SUCCEEDED, entry_id, uow.now
            payment.failure_code = payment.failure_message = None
            if outcome.card is not None:
                await uow.payments.save_method(_method(payment, outcome.card, uow.now))
        elif outcome.state is OutcomeState.FAILED and open_:
            payment.failure_code, payment.failure_message = outcome.code, outcome.message
            await follows.failed(uow, payment)
            payment.state, payment.finished_at = PaymentState.FAILED, uow.now
        elif outcome.state is OutcomeState.WAITING and open_ and outcome.page_url is not None:
            payment.page_url = outcome.page_url

    async def told(self, body: bytes, signature: str) -> Event | None:
        """Take an event of the payment service. Raises BadSignature, and GatewayUnavailable: then it has to come again.

        Returns what it was about; None for what is nothing to us or was taken before.
        """
        event = await self.gateway.read_event(body, signature)
        if event is None:
            return None
        async with self.units(event.tenant_id) as uow:
            payment = await uow.payments.lock(event.payment_id)
        if payment is None or payment.external_id is None or payment.gateway != self.gateway.kind:
            return None
        outcome = await self.gateway.look_up(payment)
        closed = await self.close(event.tenant_id, event.payment_id, outcome, event=event)
        return event if closed is not None else None

    async def ask(self, tenant_id: TenantId) -> int:
        """Learn what became of the payments that nobody works on any more; how many were closed. Takes no money.

        One that fails keeps no other waiting.
        """
        async with self.units(tenant_id) as uow:
            now, waiting = uow.now, await uow.payments.pending(self.gateway.kind, uow.now - ASK_AFTER)
        closed = 0
        for payment in waiting:
            try:
                after = await self.close(tenant_id, payment.id, await self._asked(payment, now))
            except GatewayUnavailable as error:
                logger.warning("payment %s is still pending: %s", payment.id, error)
            except Exception:
                logger.exception("payment %s of tenant %s is not brought to its end", payment.id, tenant_id)
            else:
                closed += after is not None and after.state != PaymentState.PENDING
        return closed

    async def _asked(self, payment: Payment, now: datetime) -> Outcome:
        gone = Outcome(OutcomeState.FAILED, code=ABANDONED, message="The payment was not finished.")
        if payment.external_id is None:
            return gone
        outcome = await self.gateway.look_up(payment)
        late = payment.created_at is not None and now - payment.created_at > PAGE_TTL
        if outcome.state is OutcomeState.UNSTARTED or (outcome.state is OutcomeState.WAITING and late):
            outcome = await self.gateway.cancel(payment)
        return gone if outcome.state is OutcomeState.UNSTARTED else outcome

    async def remove_method(self, actor: Actor, method_id: PaymentMethodId, *, request_id: str = "") -> None:
        """Have a saved method forgotten, there and here. Raises NotFound, GatewayUnavailable."""
        async with self.units(actor.tenant_id) as uow:
            method = await uow.payments.method(method_id)
        if method is None:
            raise NotFound("The payment method", "input", "id")
        if method.gateway == self.gateway.kind:
            await self.gateway.forget_method(method)
        async with self.units(actor.tenant_id) as uow:
            await uow.payments.remove_method(method)
            subject = Subject("PaymentMethod", method_id)
            await record(uow, actor, "payment_method.remove", subject, request_id=request_id)


def _method(payment: Payment, card: Card, now: datetime) -> PaymentMethod:
    return PaymentMethod(
        payment.tenant_id, PaymentMethodId(new_id()), payment.gateway, card.external_id, card.brand, card.last4,
        card.exp_month, card.exp_year, is_default=True, created_at=now,
    )  # fmt: skip
