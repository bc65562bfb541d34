"""Invoices and what stands on them. Amounts are micro-units; a day is a day in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domain.ids import CreditNoteId, InvoiceId, InvoiceItemId, LedgerEntryId, PaymentId, TenantId, UserId, new_id


class ItemKind(StrEnum):
    """What a line of an invoice is for."""

    SUBSCRIPTION = "SUBSCRIPTION"
    PRORATION = "PRORATION"
    USAGE = "USAGE"
    CREDIT_USED = "CREDIT_USED"
    DISCOUNT = "DISCOUNT"
    ADJUSTMENT = "ADJUSTMENT"


class InvoiceState(StrEnum):
    """OPEN and OVERDUE wait for money. PAID and VOID are ends."""

    OPEN = "OPEN"
    PAID = "PAID"
    OVERDUE = "OVERDUE"
    VOID = "VOID"


UNPAID = frozenset({InvoiceState.OPEN, InvoiceState.OVERDUE})


class InvoiceReason(StrEnum):
    """Why an invoice was issued."""

    MONTH = "MONTH"
    SUBSCRIPTION = "SUBSCRIPTION"
    ADJUSTMENT = "ADJUSTMENT"


@dataclass(frozen=True, slots=True)
class Used:
    """Tokens of one model in one month, as a line of an invoice tells them."""

    model: str
    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int


@dataclass(frozen=True, slots=True)
class MonthUsed:
    """What a model was used for in the month that begins on this day, by so many records that are billed."""

    month: date
    usage: Used
    cost_micros: int
    records: int


@dataclass(frozen=True, slots=True)
class InvoiceItem:
    """Something to be billed, and once it is, a line of an invoice. `amount_micros` is signed.

    `reference` is unique in the tenant: the same write again adds nothing. `starts_on` and `ends_on` are both included.
    """

    kind: ItemKind
    description: str
    amount_micros: int
    reference: str
    quantity: Decimal = Decimal(1)
    unit: str = ""
    unit_price_micros: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    usage: Used | None = None
    id: InvoiceItemId = field(default_factory=lambda: InvoiceItemId(new_id()))


@dataclass(frozen=True, slots=True)
class Seller:
    """Who issues invoices, as they name him. Numbers run without gaps in each of his years."""

    name: str = "Fabula"
    address: str = ""
    tax_id: str = ""


@dataclass(frozen=True, slots=True)
class InvoiceTerms:
    """An invoice is due `due_days` after its issue; `grace_days` after that an unpaid one restricts its tenant."""

    seller: Seller = Seller()
    due_days: int = 14
    grace_days: int = 7

    def due_at(self, issued_at: datetime) -> datetime:
        return issued_at + timedelta(days=self.due_days)

    def restricts_at(self, issued_at: datetime) -> datetime:
        return self.due_at(issued_at) + timedelta(days=self.grace_days)


@dataclass(eq=False)
class Invoice:
    """Issued, and from then on only its state, its payment and the count of its reminders change.

    `total_micros` is the sum of its `lines`, never below zero. `seller` and `buyer` are as they were at the issue:
    name, address, tax_id, and of a buyer email and country. `reference` is unique in the tenant where there is one.
    """

    tenant_id: TenantId
    id: InvoiceId
    number: str
    state: str
    reason: str
    starts_on: date
    ends_on: date
    issued_at: datetime
    due_at: datetime
    restricts_at: datetime
    total_micros: int
    lines: int
    seller_tax_id: str
    seller: dict[str, Any]
    buyer: dict[str, Any]
    reference: str | None = None
    paid_at: datetime | None = None
    payment_id: PaymentId | None = None
    reminders: int = 0


@dataclass(eq=False)
class CreditNote:
    """What is taken back of an invoice. `ledger_entry_id`: the credit that it became, where that had been paid."""

    tenant_id: TenantId
    id: CreditNoteId
    number: str
    seller_tax_id: str
    invoice_id: InvoiceId
    amount_micros: int
    reason: str
    issued_by: UserId
    ledger_entry_id: LedgerEntryId | None
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class BillingDetails:
    """`address` may have several lines, `country` is of two letters; all but the name may be empty."""

    name: str
    address: str = ""
    tax_id: str = ""
    email: str = ""
    country: str = ""
