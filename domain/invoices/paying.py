"""Paying invoices. What comes in beyond what is due, or for what needs no money any more, becomes credit."""

from __future__ import annotations

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import InvoiceId, LedgerEntryId
from domain.invoices.entities import UNPAID
from domain.invoices.service import due_micros, mark_paid
from domain.jobs import lasting_key
from domain.payments.entities import Order, Payment, PaymentPurpose
from domain.payments.paid_for import Credit, credited
from domain.unit_of_work import UnitOfWork


async def order_for(
    uow: UnitOfWork, actor: Actor, invoice_id: InvoiceId, idempotency_key: str, *, request_id: str = ""
) -> Order:
    """The payment that an invoice waits for. Raises Rejected.

    A repeated request finds its payment again by the key, also when that has made the invoice PAID.
    """
    actor.require(Permission.BILLING)
    key = lasting_key(actor.principal, "invoicePay", idempotency_key)
    invoice = await uow.invoices.invoice(invoice_id)
    if invoice is None:
        raise NotFound("The invoice", "input", "invoiceId")
    known = await uow.payments.by_key(key)
    if known is not None and known.invoice_id == invoice_id:
        micros = known.amount_micros
    elif invoice.state in UNPAID:
        micros = await due_micros(uow, invoice)
    else:
        raise Rejected(ErrorCode.INVALID_STATE, f"The invoice is {invoice.state}.", "input", "invoiceId")
    return Order(PaymentPurpose.INVOICE, micros, key, invoice_id, actor=actor, request_id=request_id, attended=True)


class InvoicePaid(Credit):
    """Implements `domain.payments.paid_for.PaidFor` for payments of invoices."""

    async def paid(self, uow: UnitOfWork, payment: Payment) -> LedgerEntryId | None:
        invoice = await uow.invoices.invoice(payment.invoice_id) if payment.invoice_id is not None else None
        over = payment.amount_micros
        if invoice is not None and invoice.state in UNPAID:
            due = await due_micros(uow, invoice)
            if due <= over:
                over -= due
                await mark_paid(uow, invoice.id, payment.id)
        return await credited(uow, payment, over) if over else None
