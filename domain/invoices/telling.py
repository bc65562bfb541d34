"""Who is told what of an invoice: mails and notifications for those who keep the books, webhooks, the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.accounts import Actor, Permission
from domain.billing.money import CURRENCY, Money
from domain.ids import MailId, new_id
from domain.invoices.entities import Invoice
from domain.operations import audit
from domain.operations.audit import Subject
from domain.operations.mail_texts import MailTemplate
from domain.operations.mails import Mail, write_mail
from domain.operations.notifications import NotificationKind, notify
from domain.operations.webhooks import WebhookEvent, publish
from domain.unit_of_work import UnitOfWork

_ACTIONS = {
    WebhookEvent.INVOICE_ISSUED: "invoice.issue",
    WebhookEvent.INVOICE_PAID: "invoice.pay",
    WebhookEvent.INVOICE_OVERDUE: "invoice.lapse",
    WebhookEvent.INVOICE_VOIDED: "invoice.void",
}


async def tell(uow: UnitOfWork, invoice: Invoice, event: WebhookEvent, actor: Actor | None = None) -> None:
    """Something happened to an invoice: for programs, and for the audit log."""
    await publish(uow, event, event_data(invoice))
    details = {"number": invoice.number, "state": str(invoice.state), "amount": amount_of(invoice)}
    await audit.record(uow, actor, _ACTIONS[event], Subject("Invoice", invoice.id), details)


async def write_to_keepers(uow: UnitOfWork, invoice: Invoice, kind: NotificationKind, template: MailTemplate) -> None:
    """A notification and a mail for each member who keeps the books, and a mail to the address for bills."""
    told = await notify(uow, Permission.BILLING, kind, params_of(invoice))
    for user in told:
        await write_mail(uow, user, template, {**params_of(invoice), "name": user.display_name})
    address = str(invoice.buyer.get("email") or "")
    if address and address not in {user.email for user in told}:
        locale = told[0].locale if told else "en"
        params = {**params_of(invoice), "name": str(invoice.buyer["name"])}
        mail = Mail(
            uow.tenant_id, MailId(new_id()), address, locale, template, params, next_try_at=uow.now, created_at=uow.now
        )
        await uow.mails.add(mail)


def params_of(invoice: Invoice) -> dict[str, str]:
    return {
        "number": invoice.number, "amount": amount_of(invoice), "currency": CURRENCY, "due": _day(invoice.due_at),
        "restricted": _day(invoice.restricts_at), "invoice": str(invoice.id),
    }  # fmt: skip


def event_data(invoice: Invoice) -> dict[str, Any]:
    return {
        "invoiceId": str(invoice.id), "number": invoice.number, "state": str(invoice.state),
        "total": {"amount": amount_of(invoice), "currency": CURRENCY}, "issuedAt": invoice.issued_at.isoformat(),
        "dueAt": invoice.due_at.isoformat(), "paidAt": invoice.paid_at.isoformat() if invoice.paid_at else None,
    }  # fmt: skip


def amount_of(invoice: Invoice) -> str:
    return f"{Money(invoice.total_micros).amount:.2f}"


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()
