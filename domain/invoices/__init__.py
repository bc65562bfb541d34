"""Invoices: what is billed beside the prepaid wallet, and what the wallet paid, month by month.

entities        items, invoices, credit notes, billing details, terms
store           the room of a unit of work
service         use cases: issue, mark as paid, void; who owes too long
monthly         the invoice of a month
paying          paying one, and what follows
credit_notes    taking back what was issued
dunning         reminders by the clock
telling         who is told what
details         whom invoices are for
files           the port that makes files of them
"""

from domain.invoices.entities import (
    Invoice,
    InvoiceItem,
    InvoiceReason,
    InvoiceState,
    InvoiceTerms,
    ItemKind,
    Seller,
)
from domain.invoices.store import InvoiceStore

__all__ = [
    "Invoice",
    "InvoiceItem",
    "InvoiceReason",
    "InvoiceState",
    "InvoiceStore",
    "InvoiceTerms",
    "ItemKind",
    "Seller",
]
