"""Fees are paid like any invoice, and a subscription learns of it in the transaction that closes the payment."""

from __future__ import annotations

from domain.accounts import Actor
from domain.errors import Rejected
from domain.ids import InvoiceId, LedgerEntryId, TenantId
from domain.invoices.entities import UNPAID, InvoiceState, InvoiceTerms
from domain.invoices.paying import InvoicePaid
from domain.invoices.service import due_micros
from domain.payments.entities import Order, Payment, PaymentPurpose, PaymentState
from domain.payments.service import Payments
from domain.plans.fees import Collected, FeeOutcome
from domain.plans.standing import fee_failed, fee_paid, locked
from domain.unit_of_work import OpenUnitOfWork, UnitOfWork


class FeePaid(InvoicePaid):
    """Implements `domain.payments.paid_for.PaidFor` for payments of invoices, those of fees among them."""

    async def paid(self, uow: UnitOfWork, payment: Payment) -> LedgerEntryId | None:
        invoice = await uow.invoices.invoice(payment.invoice_id) if payment.invoice_id is not None else None
        await locked(uow)  # before the wallet, which money that is over is written to
        entry_id = await super().paid(uow, payment)
        if invoice is not None and invoice.state == InvoiceState.PAID:
            await fee_paid(uow, invoice.id)
        return entry_id

    async def failed(self, uow: UnitOfWork, payment: Payment) -> None:
        await super().failed(uow, payment)
        if payment.invoice_id is not None:
            await fee_failed(uow, payment.invoice_id)


class PaymentCollector:
    """Implements `domain.plans.fees.FeeCollector`."""

    def __init__(self, units: OpenUnitOfWork, payments: Payments, terms: InvoiceTerms) -> None:
        self._units = units
        self._payments = payments
        self.terms = terms

    async def pay(self, tenant_id: TenantId, invoice_id: InvoiceId, actor: Actor | None = None) -> Collected:
        async with self._units(tenant_id) as uow:
            invoice = await uow.invoices.invoice(invoice_id)
            due = await due_micros(uow, invoice) if invoice is not None else 0
        if invoice is None or invoice.state not in UNPAID:
            done = invoice is not None and invoice.state == InvoiceState.PAID
            return Collected(FeeOutcome.PAID if done else FeeOutcome.FAILED)
        attended = actor is not None
        order = Order(PaymentPurpose.INVOICE, due, f"fee:{invoice_id}", invoice_id, actor, attended=attended)
        try:
            payment = await self._payments.pay(tenant_id, order)
        except Rejected:  # an amount that the payment service takes from nobody
            async with self._units(tenant_id) as uow:
                await fee_failed(uow, invoice_id)
            return Collected(FeeOutcome.FAILED)
        if payment.state == PaymentState.PENDING:
            return Collected(FeeOutcome.WAITING, payment.page_url)
        return Collected(FeeOutcome.PAID if payment.state == PaymentState.SUCCEEDED else FeeOutcome.FAILED)
