"""Reads of the invoice room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, any_, literal_column, select

from domain.invoices.entities import ItemKind
from persistence.invoices.tables import credit_notes, invoice_items, invoices
from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn
from persistence.shapes import IDS, TENANT, Shape

_invoice, _item, _note = invoices.c, invoice_items.c, credit_notes.c

INVOICES = Listing(
    Keyset("invoices", (SortColumn("id", _invoice.id, UUID),), descending=True),
    invoices,
)
INVOICES_BY_ID = Lookup("Invoice", invoices)
_SHOWN = (
    _note.id, _note.invoice_id, _note.number, _note.amount_micros, _note.reason, _note.issued_at, _note.ledger_entry_id
)  # fmt: skip
NOTES_BY_ID = Shape(select(*_SHOWN).where(_note.tenant_id == TENANT, _note.id == any_(IDS)))

_kinds = ", ".join(f"'{kind}'" for kind in ItemKind)
LINE_ORDER: tuple[ColumnElement[Any], ...] = (
    literal_column(f"array_position(array[{_kinds}], invoice_items.kind)"),
    _item.starts_on,
    _item.description,
    _item.id,
)
"""Fees first, then what was used and how it was paid, corrections last."""
LINES = Shape(
    select(*(one for one in invoice_items.columns if one.name not in {"tenant_id", "created_at"}))
    .where(_item.tenant_id == TENANT, _item.invoice_id == any_(IDS))
    .order_by(*LINE_ORDER)
)
NOTES = Shape(select(*_SHOWN).where(_note.tenant_id == TENANT, _note.invoice_id == any_(IDS)).order_by(_note.id))
