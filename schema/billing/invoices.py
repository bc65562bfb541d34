"""Invoices, credit notes, and whom they are for."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import strawberry

from domain.invoices import entities
from domain.invoices.entities import BillingDetails as StoredDetails
from domain.invoices.entities import InvoiceReason, InvoiceState, ItemKind
from domain.invoices.files import InvoiceFile
from persistence.invoices import reads
from schema.base import Money, Node, Payload, described_enum, mapped, money
from schema.batched import batched, ids_of, needs, reference
from schema.billing.payments import Payment
from schema.context import Info
from schema.cost import Cost

described_enum(
    ItemKind,
    SUBSCRIPTION="The fee of a plan.",
    PRORATION="A part of a fee, for a part of a period; below zero what is given back.",
    USAGE="What a model was used for in a month.",
    CREDIT_USED="What of it the wallet has paid.",
    DISCOUNT="What is taken off.",
    ADJUSTMENT="A correction: what was carried from one invoice to the next, parts of a cent.",
)
described_enum(
    InvoiceState,
    OPEN="It waits to be paid.",
    PAID="It was paid, or came to nothing.",
    OVERDUE="It should have been paid by now.",
    VOID="Nobody has to pay it: all of it was taken back.",
)
described_enum(
    InvoiceReason,
    MONTH="A month ended.",
    SUBSCRIPTION="A plan was subscribed to, or changed.",
    ADJUSTMENT="Something was to be put right.",
)


@strawberry.type(description="A line of an invoice.")
class InvoiceLine:
    kind: ItemKind = strawberry.field(description="What it is for.")
    description: str = strawberry.field(description="The same in words; of usage, the model.")
    quantity: Decimal = strawberry.field(description="How much.")
    unit: str = strawberry.field(description="Of what; empty where that says nothing.")
    unit_price: Money | None = strawberry.field(description="What one costs; null where there is no such price.")
    amount: Money = strawberry.field(description="What it adds to the invoice, or, below zero, takes off.")
    starts_on: datetime | None = strawberry.field(description="The first day it is for; null for none.")
    ends_on: datetime | None = strawberry.field(description="The last day it is for; null for none.")
    input_tokens: Decimal | None = strawberry.field(description="Of usage: tokens read, cached ones included.")
    cached_input_tokens: Decimal | None = strawberry.field(description="Of usage: those read from a cache.")
    output_tokens: Decimal | None = strawberry.field(description="Of usage: tokens written.")


def _line(row: Any) -> InvoiceLine:
    used = row.usage or {}
    tokens = {
        name: Decimal(used[name]) if used else None for name in ("input_tokens", "cached_input_tokens", "output_tokens")
    }
    return InvoiceLine(
        kind=ItemKind(row.kind), description=row.description, quantity=row.quantity, unit=row.unit,
        unit_price=money(row.unit_price_micros) if row.unit_price_micros is not None else None,
        amount=money(row.amount_micros), starts_on=midnight(row.starts_on), ends_on=midnight(row.ends_on), **tokens,
    )  # fmt: skip


def midnight(day: date | None) -> datetime | None:
    """A day in UTC as the moment it begins."""
    return datetime.fromisoformat(f"{day}T00:00:00+00:00") if day is not None else None


@strawberry.type(description="What was taken back of an invoice, which itself stays as it is.")
class CreditNote:
    number: str = strawberry.field(description="Its number, without gaps in a year.")
    amount: Money = strawberry.field(description="How much.")
    reason: str = strawberry.field(description="Why.")
    issued_at: datetime = strawberry.field(description="When.")
    ledger_entry_id: strawberry.Private[Any]

    @strawberry.field(description="Whether it became credit of the wallet, because the invoice had been paid.")
    def credited_to_wallet(self) -> bool:
        return self.ledger_entry_id is not None


def note_of(row: Any) -> CreditNote:
    return CreditNote(
        number=row.number, amount=money(row.amount_micros), reason=row.reason, issued_at=row.issued_at,
        ledger_entry_id=row.ledger_entry_id,
    )  # fmt: skip


@strawberry.type(description="Who stands on an invoice, as they were when it was issued.", directives=[Cost(weight=0)])
class InvoiceParty:
    name: str = strawberry.field(description="Their name.")
    address: str = strawberry.field(description="Their address, in lines.")
    tax_id: str = strawberry.field(description="Their tax number; empty for none.")
    email: str = strawberry.field(description="Where bills are sent; empty for nowhere.")
    country: str = strawberry.field(description="ISO 3166 code of two letters; empty for none.")


def _party(who: Any) -> InvoiceParty:
    return InvoiceParty(
        name=who["name"], address=who["address"], tax_id=who["tax_id"], email=who.get("email", ""),
        country=who.get("country", ""),
    )  # fmt: skip


@mapped(
    entities.Invoice,
    number="Its number: a series without gaps in a year.",
    issued_at="When it was issued.",
    due_at="By when it is to be paid.",
    restricts_at="From when on nothing new can be generated while it is unpaid.",
    paid_at="When it was paid; null before.",
)
class Invoice(Node):
    """What is billed beside the prepaid wallet, and what was used and paid from it. It is never changed."""

    state: InvoiceState = strawberry.field(description="Whether it waits for money.")
    reason: InvoiceReason = strawberry.field(description="Why it was issued.")
    payment: Payment | None = reference(
        "Payment",
        "payment_id",
        description="The payment that paid it; null before, and where there was nothing to pay.",
    )

    @strawberry.field(description="The sum of its lines.", metadata=needs("total_micros"))
    def total(self) -> Money:
        return money(self.total_micros)

    @strawberry.field(description="The first day of its period.", metadata=needs("starts_on"))
    def starts_on(self) -> datetime:
        return midnight(self.starts_on)  # type: ignore[return-value]

    @strawberry.field(description="The last day of its period.", metadata=needs("ends_on"))
    def ends_on(self) -> datetime:
        return midnight(self.ends_on)  # type: ignore[return-value]

    @strawberry.field(description="Who issued it.", metadata=needs("seller"))
    def seller(self) -> InvoiceParty:
        return _party(self.seller)

    @strawberry.field(description="Whom it is for.", metadata=needs("buyer"))
    def buyer(self) -> InvoiceParty:
        return _party(self.buyer)

    @batched(description="What is billed: fees, what was used and how it was paid, corrections.", columns=("id",))
    async def lines(invoices: list[Any], info: Info) -> list[list[InvoiceLine]]:
        found = await info.context.reads.lists(reads.LINES, "invoice_id", ids_of(invoices))
        return [[_line(row) for row in rows] for rows in found]

    @batched(description="What was taken back of it, the oldest first.", columns=("id",))
    async def credit_notes(invoices: list[Any], info: Info) -> list[list[CreditNote]]:
        found = await info.context.reads.lists(reads.NOTES, "invoice_id", ids_of(invoices))
        return [[note_of(row) for row in rows] for rows in found]


@strawberry.type(description="An invoice as a PDF file.", directives=[Cost(weight=50)])
class InvoicePdf:
    url: str = strawberry.field(
        description="Where it is: a path on the API's own address, for whoever has it, until `expiresAt`."
    )
    expires_at: datetime = strawberry.field(description="Until when.")
    file_name: str = strawberry.field(description="What the file is called.")
    size: int = strawberry.field(description="Its bytes.")
    sha256: str = strawberry.field(description="Their SHA-256, in hexadecimal: the same at every time.")


def pdf_of(file: InvoiceFile) -> InvoicePdf:
    return InvoicePdf(url=file.url, expires_at=file.expires_at, file_name=file.name, size=file.size, sha256=file.sha256)


@strawberry.type(description="Whom the tenant's next invoices are for.", directives=[Cost(weight=0)])
class BillingDetails:
    name: str = strawberry.field(description="A person's or a company's name.")
    address: str = strawberry.field(description="The address, in lines.")
    tax_id: str = strawberry.field(description="The tax number; empty for none.")
    email: str = strawberry.field(description="Where bills are sent besides to members; empty for nowhere else.")
    country: str = strawberry.field(description="ISO 3166 code of two letters; empty for none.")


def details_of(details: StoredDetails) -> BillingDetails:
    return BillingDetails(
        name=details.name, address=details.address, tax_id=details.tax_id, email=details.email, country=details.country
    )


@strawberry.input(description="Whom the next invoices are for. Those that were issued stay as they are.")
class BillingDetailsSetInput:
    name: str = strawberry.field(description="A person's or a company's name.")
    address: str = strawberry.field(default="", description="The address, in at most six lines.")
    tax_id: str = strawberry.field(default="", description="The tax number.")
    email: str = strawberry.field(default="", description="Where bills are sent besides to members.")
    country: str = strawberry.field(default="", description="ISO 3166 code of two letters.")


@strawberry.input(description="An invoice to pay.")
class InvoicePayInput:
    invoice_id: strawberry.ID = strawberry.field(description="The invoice.")
    idempotency_key: str = strawberry.field(description="The same key never pays twice.")


@strawberry.input(description="What to take back of an invoice.")
class CreditNoteIssueInput:
    invoice_id: strawberry.ID = strawberry.field(description="The invoice.")
    reason: str = strawberry.field(description="Why; it stands on the credit note.")
    idempotency_key: str = strawberry.field(description="The same key and input give the same note for 24 hours.")
    amount: Decimal | None = strawberry.field(
        default=None, description="How much, in whole units; all that is left of the invoice if null."
    )
    tenant_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose invoice; your tenant's if null."
    )


@strawberry.type(description="Whom the next invoices are for.")
class BillingDetailsSetPayload(Payload):
    billing_details: BillingDetails | None = strawberry.field(default=None, description="As it is now.")


@strawberry.type(description="The invoice, and what was paid for it.")
class InvoicePayPayload(Payload):
    invoice: Invoice | None = strawberry.field(default=None, description="The invoice as it is now.")
    payment: Payment | None = strawberry.field(
        default=None, description="The payment; where it waits for somebody, `checkoutUrl` says where to go."
    )


@strawberry.type(description="The credit note.")
class CreditNoteIssuePayload(Payload):
    credit_note: CreditNote | None = strawberry.field(default=None, description="What was taken back.")
    invoice: Invoice | None = strawberry.field(
        default=None, description="The invoice as it is now; null where it is another tenant's."
    )
