"""What a subscription costs, on an invoice; and the port through which that is paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from domain.accounts import Actor
from domain.ids import InvoiceId, TenantId
from domain.invoices.entities import UNPAID, InvoiceItem, InvoiceReason, InvoiceTerms
from domain.invoices.service import issue

if TYPE_CHECKING:
    from domain.unit_of_work import UnitOfWork


class FeeOutcome(StrEnum):
    """WAITING: for a person at the payment service's page, or for a bank."""

    PAID = "PAID"
    WAITING = "WAITING"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Collected:
    """What came of a payment. `page_url`: where a person has to go."""

    outcome: FeeOutcome
    page_url: str | None = None


class FeeCollector(Protocol):
    """`terms` are those that invoices of fees are issued under."""

    @property
    def terms(self) -> InvoiceTerms: ...
    async def pay(self, tenant_id: TenantId, invoice_id: InvoiceId, actor: Actor | None = None) -> Collected:
        """Pay an invoice, once however often it is asked; in transactions of its own. `actor` is there to pay it.

        Whoever learns that an invoice is paid, or will not be, tells `standing.fee_paid` or `standing.fee_failed` in
        the transaction that writes so.
        """
        ...


async def bill(uow: UnitOfWork, items: Sequence[InvoiceItem], terms: InvoiceTerms) -> InvoiceId | None:
    """Issue an invoice over these items now; the invoice that is to be paid, or None when nothing is.

    Raises ValueError for an item that was billed before: what is not billed now would be had for nothing.
    """
    for item in items:
        if not await uow.invoices.add_item(item):
            raise ValueError(f"{item.reference} was billed before")
    invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, terms) if items else None
    return invoice.id if invoice is not None and invoice.state in UNPAID else None
