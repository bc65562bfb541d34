"""What follows from a payment: each purpose has one PaidFor, called in the transaction that closes the payment."""

from __future__ import annotations

from typing import Protocol

from domain.accounts import Permission
from domain.billing.ledger import EntryKind, top_up_entry
from domain.billing.money import Money
from domain.ids import LedgerEntryId
from domain.operations.notifications import NotificationKind, notify
from domain.payments.entities import Payment, PaymentPurpose
from domain.unit_of_work import UnitOfWork


class PaidFor(Protocol):
    """Both are called with the payment's row locked. An exception undoes the closing, which is tried again later."""

    async def paid(self, uow: UnitOfWork, payment: Payment) -> LedgerEntryId | None:
        """The money is there: called once for a payment. Returns the ledger's entry, if there is one."""
        ...

    async def failed(self, uow: UnitOfWork, payment: Payment) -> None:
        """No money came, and none will; `failure_code` and `failure_message` say why."""
        ...


class Credit:
    """What was paid becomes credit of the wallet."""

    async def paid(self, uow: UnitOfWork, payment: Payment) -> LedgerEntryId | None:
        entry_id = await credited(uow, payment, payment.amount_micros)
        if unattended(payment):
            await notify(uow, Permission.BILLING, NotificationKind.PAYMENT_SUCCEEDED, told(payment))
        return entry_id

    async def failed(self, uow: UnitOfWork, payment: Payment) -> None:
        if unattended(payment):
            await notify(uow, Permission.BILLING, NotificationKind.PAYMENT_FAILED, told(payment))


async def credited(uow: UnitOfWork, payment: Payment, micros: int) -> LedgerEntryId:
    """So much of a payment becomes credit, once: a second call gives the first one's entry."""
    await uow.billing.lock_wallet()
    before = await uow.billing.entry_by(EntryKind.TOP_UP, payment.reference)
    if before is not None:
        return before
    return await uow.billing.post(top_up_entry(payment.reference, micros, posted_by=payment.requested_by))


def unattended(payment: Payment) -> bool:
    """Whether nobody waits for an answer, or not any more."""
    return payment.page_url is not None or payment.purpose == PaymentPurpose.AUTO_TOP_UP


def told(payment: Payment) -> dict[str, str]:
    """What a notification says of a payment."""
    return {
        "payment": str(payment.id),
        "amount": f"{Money(payment.amount_micros).amount:.2f}",
        "currency": payment.currency,
        "reason": payment.failure_code or "",
    }
