"""The invoice room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Protocol

from domain.ids import InvoiceId
from domain.invoices.entities import BillingDetails, CreditNote, Invoice, InvoiceItem, MonthUsed


class InvoiceStore(Protocol):
    async def add_item(self, item: InvoiceItem) -> bool:
        """Have an item billed with the next invoice; False when its reference is known, and nothing was added."""
        ...

    async def lock(self) -> None:
        """Nobody else issues an invoice of this tenant until the transaction's end."""
        ...

    async def pending(self, before: datetime | None = None) -> Sequence[InvoiceItem]:
        """What is not billed yet, the older first; only what was added before then."""
        ...

    async def next_number(self, seller_tax_id: str, series: str, year: int) -> int:
        """One more than the last of the seller's series and year. Until the transaction's end others wait for it."""
        ...

    async def buyer(self) -> dict[str, Any]:
        """Whom the tenant's invoices are for: name, address, tax_id, email, country; the tenant's name at the least."""
        ...

    async def add(self, invoice: Invoice, pending: Sequence[InvoiceItem], more: Sequence[InvoiceItem]) -> None:
        """Write an invoice over pending items, and over more that are written with it."""
        ...

    async def invoice(self, invoice_id: InvoiceId) -> Invoice | None:
        """Locked until the transaction's end."""
        ...

    async def add_note(self, note: CreditNote) -> None: ...
    async def credited_micros(self, invoice_id: InvoiceId) -> int:
        """What the credit notes of an invoice come to."""
        ...

    async def set_details(self, details: BillingDetails, now: datetime) -> None: ...
    async def unpaid(self, due_before: datetime) -> Sequence[InvoiceId]:
        """Those that are due by then, the oldest first."""
        ...

    async def unbilled_usage(self, before: date) -> Sequence[MonthUsed]:
        """What was used on earlier days and stands on no invoice yet, by month and model."""
        ...

    async def read(self, invoice_id: InvoiceId) -> Invoice | None:
        """Not locked: to be shown."""
        ...

    async def lines(self, invoice_id: InvoiceId) -> Sequence[InvoiceItem]:
        """In the order in which they are shown."""
        ...

    async def by_reference(self, reference: str) -> Invoice | None: ...
    async def restricted(self, now: datetime) -> bool:
        """Whether an unpaid invoice has gone past its grace."""
        ...
