"""Use cases of the invoice room: issue, pay, void."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import InvoiceId, PaymentId, new_id
from domain.invoices.entities import (
    UNPAID,
    Invoice,
    InvoiceItem,
    InvoiceReason,
    InvoiceState,
    InvoiceTerms,
    ItemKind,
)
from domain.invoices.telling import params_of, tell, write_to_keepers
from domain.operations.mail_texts import MailTemplate
from domain.operations.notifications import NotificationKind, notify
from domain.operations.webhooks import WebhookEvent
from domain.unit_of_work import UnitOfWork

SERIES = "F"
CARRIED = "carried:"
CARRIED_IN, CARRIED_OUT = "Carried over from an earlier invoice", "Carried over to the next invoice"
ROUNDING = "Rounding"
CENT_MICROS = 10_000
TOTAL_MICROS_MIN = 500_000
"""Payment services take no less: a smaller sum, and one below zero, waits for the next invoice."""


def number_of(series: str, year: int, count: int) -> str:
    """Such as F-2026-000001."""
    return f"{series}-{year}-{count:06d}"


async def issue(uow: UnitOfWork, reason: InvoiceReason, terms: InvoiceTerms) -> Invoice | None:
    """Bill what is pending now; None when nothing is. An invoice that comes to nothing is paid at once.

    Call it last in a transaction: from here to the commit, every other issue of the seller waits for the number.
    """
    await uow.invoices.lock()
    pending = await uow.invoices.pending()
    if not worth_it(pending):
        return None
    days = [day for one in pending for day in (one.starts_on, one.ends_on) if day is not None]
    days = days or [uow.now.astimezone(UTC).date()]
    return await write(uow, Draft(reason, tuple(pending), (), min(days), max(days)), terms)


def worth_it(pending: Sequence[InvoiceItem]) -> bool:
    """Whether there is anything besides what earlier invoices left over."""
    return not all(one.reference.startswith(CARRIED) for one in pending)


@dataclass(frozen=True, slots=True)
class Draft:
    """What an invoice is to be written over: pending items, and more that are written with it."""

    reason: InvoiceReason
    pending: tuple[InvoiceItem, ...]
    more: tuple[InvoiceItem, ...]
    starts_on: date
    ends_on: date
    reference: str | None = None


async def write(uow: UnitOfWork, draft: Draft, terms: InvoiceTerms) -> Invoice:
    """Issue an invoice; the room is locked."""
    more = (*draft.more, *await _levelled(uow, sum(one.amount_micros for one in (*draft.pending, *draft.more))))
    items = (*draft.pending, *more)
    total = sum(one.amount_micros for one in items)
    now, year = uow.now, uow.now.astimezone(UTC).year
    buyer = await uow.invoices.buyer()
    count = await uow.invoices.next_number(terms.seller.tax_id, SERIES, year)
    invoice = Invoice(
        tenant_id=uow.tenant_id, id=InvoiceId(new_id()), number=number_of(SERIES, year, count),
        state=InvoiceState.OPEN if total else InvoiceState.PAID, reason=draft.reason,
        starts_on=draft.starts_on, ends_on=draft.ends_on, issued_at=now, due_at=terms.due_at(now),
        restricts_at=terms.restricts_at(now), total_micros=total, lines=len(items), seller_tax_id=terms.seller.tax_id, seller=asdict(terms.seller), buyer=buyer,
        reference=draft.reference, paid_at=None if total else now,
    )  # fmt: skip
    await uow.invoices.add(invoice, draft.pending, more)
    await tell(uow, invoice, WebhookEvent.INVOICE_ISSUED)
    if total:
        await write_to_keepers(uow, invoice, NotificationKind.INVOICE_ISSUED, MailTemplate.INVOICE_ISSUED)
    return invoice


async def _levelled(uow: UnitOfWork, total: int) -> tuple[InvoiceItem, ...]:
    """Lines that make a total payable: less than nobody can pay is carried to the next invoice, and parts of a cent
    are let off."""
    if total and total < TOTAL_MICROS_MIN:
        carried = f"{CARRIED}{new_id()}"
        later = InvoiceItem(ItemKind.ADJUSTMENT, CARRIED_IN, total, carried)
        await uow.invoices.add_item(later)
        return (InvoiceItem(ItemKind.ADJUSTMENT, CARRIED_OUT, -total, f"out:{carried}"),)
    if part := total % CENT_MICROS:
        return (InvoiceItem(ItemKind.ADJUSTMENT, ROUNDING, -part, f"rounding:{new_id()}"),)
    return ()


async def mark_paid(uow: UnitOfWork, invoice_id: InvoiceId, payment_id: PaymentId) -> Invoice:
    """Say that a payment has come in for it; once: the same payment again changes nothing. Raises Rejected."""
    invoice = await _found(uow, invoice_id)
    if invoice.state == InvoiceState.PAID and invoice.payment_id == payment_id:
        return invoice
    _require_unpaid(invoice)
    invoice.state, invoice.paid_at, invoice.payment_id = InvoiceState.PAID, uow.now, payment_id
    await tell(uow, invoice, WebhookEvent.INVOICE_PAID)
    await notify(uow, Permission.BILLING, NotificationKind.INVOICE_PAID, params_of(invoice))
    return invoice


async def void(
    uow: UnitOfWork, invoice_id: InvoiceId, actor: Actor | None = None, *, forgiven: bool = False
) -> Invoice:
    """Nobody has to pay it any more. Raises Rejected for one that is paid or void.

    What earlier invoices carried into it waits for the next one again; where its sum is `forgiven`, only what is in the
    tenant's favour.
    """
    invoice = await _found(uow, invoice_id)
    _require_unpaid(invoice)
    invoice.state = InvoiceState.VOID
    await tell(uow, invoice, WebhookEvent.INVOICE_VOIDED, actor)
    for one in await uow.invoices.lines(invoice_id):
        if one.reference.startswith(CARRIED) and (one.amount_micros < 0 or not forgiven):
            again = InvoiceItem(ItemKind.ADJUSTMENT, CARRIED_IN, one.amount_micros, f"{CARRIED}{new_id()}")
            await uow.invoices.add_item(again)
    return invoice


async def due_micros(uow: UnitOfWork, invoice: Invoice) -> int:
    """What of an invoice was not taken back by credit notes: while it is unpaid, what is to be paid."""
    return invoice.total_micros - await uow.invoices.credited_micros(invoice.id)


async def overdue(uow: UnitOfWork) -> bool:
    """Whether an unpaid invoice of the tenant is past its grace: then nothing new is generated until it is paid."""
    return await uow.invoices.restricted(uow.now)


async def refuse_overdue(uow: UnitOfWork) -> None:
    """Raises Rejected(PAYMENT_OVERDUE) where `overdue`."""
    if await overdue(uow):
        message = "An invoice is overdue: nothing new can be generated until it is paid."
        raise Rejected(ErrorCode.PAYMENT_OVERDUE, message)


async def _found(uow: UnitOfWork, invoice_id: InvoiceId) -> Invoice:
    invoice = await uow.invoices.invoice(invoice_id)
    if invoice is None:
        raise NotFound("The invoice", "input", "invoiceId")
    return invoice


def _require_unpaid(invoice: Invoice) -> None:
    if invoice.state not in UNPAID:
        message = f"The invoice is {invoice.state}."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "invoiceId")
