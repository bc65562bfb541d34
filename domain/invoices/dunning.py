"""Reminders of unpaid invoices by the clock. Each is sent once; of several that were missed, only the last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.invoices.entities import UNPAID, Invoice, InvoiceState
from domain.invoices.telling import tell, write_to_keepers
from domain.operations.mail_texts import MailTemplate
from domain.operations.notifications import NotificationKind
from domain.operations.webhooks import WebhookEvent
from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Reminder:
    """`after_due`: how long after the invoice is due it is sent; before that where it is below zero."""

    after_due: timedelta
    kind: NotificationKind
    template: MailTemplate


REMINDERS = (
    Reminder(timedelta(days=-3), NotificationKind.INVOICE_DUE_SOON, MailTemplate.INVOICE_DUE_SOON),
    Reminder(timedelta(days=1), NotificationKind.INVOICE_OVERDUE, MailTemplate.INVOICE_OVERDUE),
    Reminder(timedelta(days=7), NotificationKind.INVOICE_OVERDUE, MailTemplate.INVOICE_OVERDUE),
    Reminder(timedelta(days=14), NotificationKind.INVOICE_OVERDUE, MailTemplate.INVOICE_OVERDUE),
)
EARLIEST = REMINDERS[0].after_due


def reminders_due(due_at: datetime, now: datetime) -> int:
    """How many of the reminders should have been sent by now."""
    return sum(due_at + one.after_due <= now for one in REMINDERS)


async def remind(uow: UnitOfWork) -> int:
    """Make late invoices of the tenant OVERDUE and send the reminders that are due; how many were sent."""
    sent = 0
    for invoice_id in await uow.invoices.unpaid(uow.now - EARLIEST):
        invoice = await uow.invoices.invoice(invoice_id)
        if invoice is not None and invoice.state in UNPAID:
            sent += await _remind_of(uow, invoice)
    return sent


async def _remind_of(uow: UnitOfWork, invoice: Invoice) -> bool:
    becomes_late = invoice.state == InvoiceState.OPEN and invoice.due_at <= uow.now
    count = reminders_due(invoice.due_at, uow.now)
    is_due = count > invoice.reminders
    if becomes_late:
        invoice.state = InvoiceState.OVERDUE
    if is_due:
        invoice.reminders = count
    if becomes_late:
        await tell(uow, invoice, WebhookEvent.INVOICE_OVERDUE)
    if is_due:
        reminder = REMINDERS[count - 1]
        await write_to_keepers(uow, invoice, reminder.kind, reminder.template)
    return is_due
