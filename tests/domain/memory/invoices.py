"""The invoice room, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from domain.ids import InvoiceId
from domain.invoices import Invoice, InvoiceItem
from domain.invoices.entities import UNPAID, BillingDetails, CreditNote, MonthUsed


class MemoryInvoices:
    """Implements `domain.invoices.store.InvoiceStore`. What waits was added before any time that is asked about."""

    def __init__(self) -> None:
        self.waiting: list[InvoiceItem] = []
        self.issued: dict[InvoiceId, Invoice] = {}
        self.billed: dict[InvoiceId, list[InvoiceItem]] = {}
        self.used: list[MonthUsed] = []
        self.notes: list[CreditNote] = []
        self.details = BillingDetails("A tenant")
        self.references: set[str] = set()
        self.numbers: Counter[tuple[str, str, int]] = Counter()

    async def add_item(self, item: InvoiceItem) -> bool:
        if item.reference in self.references:
            return False
        self.references.add(item.reference)
        self.waiting.append(item)
        return True

    async def lock(self) -> None: ...

    async def pending(self, before: datetime | None = None) -> Sequence[InvoiceItem]:
        return list(self.waiting)

    async def next_number(self, seller_tax_id: str, series: str, year: int) -> int:
        self.numbers[seller_tax_id, series, year] += 1
        return self.numbers[seller_tax_id, series, year]

    async def buyer(self) -> dict[str, Any]:
        return asdict(self.details)

    async def add(self, invoice: Invoice, pending: Sequence[InvoiceItem], more: Sequence[InvoiceItem]) -> None:
        self.issued[invoice.id] = invoice
        self.billed[invoice.id] = [*pending, *more]
        self.waiting = [one for one in self.waiting if one not in pending]

    async def read(self, invoice_id: InvoiceId) -> Invoice | None:
        return self.issued.get(invoice_id)

    async def invoice(self, invoice_id: InvoiceId) -> Invoice | None:
        return self.issued.get(invoice_id)

    async def add_note(self, note: CreditNote) -> None:
        self.notes.append(note)

    async def credited_micros(self, invoice_id: InvoiceId) -> int:
        return sum(one.amount_micros for one in self.notes if one.invoice_id == invoice_id)

    async def set_details(self, details: BillingDetails, now: datetime) -> None:
        self.details = details

    async def unpaid(self, due_before: datetime) -> Sequence[InvoiceId]:
        return [one.id for one in self.issued.values() if one.state in UNPAID and one.due_at <= due_before]

    async def unbilled_usage(self, before: date) -> Sequence[MonthUsed]:
        return [one for one in self.used if one.month < before]

    async def lines(self, invoice_id: InvoiceId) -> Sequence[InvoiceItem]:
        return self.billed[invoice_id]

    async def by_reference(self, reference: str) -> Invoice | None:
        return next((one for one in self.issued.values() if one.reference == reference), None)

    async def restricted(self, now: datetime) -> bool:
        return any(one.state in UNPAID and one.restricts_at <= now for one in self.issued.values())
