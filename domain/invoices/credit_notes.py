"""Credit notes: what is taken back of an invoice that stays as it was issued.

Of an invoice that waits for money less is to be paid, and nothing when all of it is taken back: then it is VOID, and a
subscription that waited for it goes on, or does not begin. What was paid already comes back as credit of the wallet,
which never expires.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC

from domain.accounts import Actor, Permission
from domain.billing.ledger import adjust_entry
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import CreditNoteId, InvoiceId, LedgerEntryId, new_id
from domain.invoices.entities import UNPAID, CreditNote, Invoice, InvoiceState
from domain.invoices.service import CENT_MICROS, TOTAL_MICROS_MIN, due_micros, number_of, void
from domain.jobs import claim, scoped_key
from domain.operations import audit
from domain.operations.audit import Subject
from domain.plans.standing import fee_waived
from domain.text import clean_line
from domain.unit_of_work import UnitOfWork

SERIES = "C"
REASON_CHARS_MAX = 500


@dataclass(frozen=True, slots=True)
class Crediting:
    """How much of an invoice is to be taken back; all that is left of it for None."""

    invoice_id: InvoiceId
    micros: int | None
    reason: str
    idempotency_key: str


async def issue_credit_note(uow: UnitOfWork, actor: Actor, wanted: Crediting) -> CreditNoteId:
    """Repeated with its key it gives the same note. Raises Rejected."""
    actor.require(Permission.PLATFORM)
    reason = clean_line(wanted.reason, "reason", chars_max=REASON_CHARS_MAX)
    key = scoped_key(actor.principal, "creditNoteIssue", wanted.idempotency_key, asdict(wanted))
    if (before := await claim(uow.jobs, key)) is not None:
        return CreditNoteId(before)
    invoice = await uow.invoices.invoice(wanted.invoice_id)
    if invoice is None:
        raise NotFound("The invoice", "input", "invoiceId")
    left = await due_micros(uow, invoice)
    micros = _checked(invoice, left if wanted.micros is None else wanted.micros, left)
    note_id = CreditNoteId(new_id())
    entry_id = None
    if invoice.state == InvoiceState.PAID:
        entry_id = await _to_wallet(uow, actor, note_id, micros, reason)
    elif micros == left:
        await void(uow, invoice.id, actor, forgiven=True)
        await fee_waived(uow, invoice.id)
    await _write(uow, actor, CreditNote(
        uow.tenant_id, note_id, "", invoice.seller_tax_id, invoice.id, micros, reason, actor.user_id, entry_id, uow.now
    ), invoice)  # fmt: skip
    await uow.jobs.complete_key(key, note_id)
    return note_id


def _checked(invoice: Invoice, micros: int, left: int) -> int:
    """What is taken back. What is left to be paid has to be an amount that can be."""
    if invoice.state == InvoiceState.VOID:
        raise Rejected(ErrorCode.INVALID_STATE, "The invoice is VOID.", "input", "invoiceId")
    if micros <= 0 or micros > left or micros % CENT_MICROS:
        message = "A credit note is of whole cents, more than nothing, and not more than is left of the invoice."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "amount")
    if invoice.state in UNPAID and 0 < left - micros < TOTAL_MICROS_MIN:
        message = "So little would be left to pay that no payment service takes it: take back all of it, or less."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "amount")
    return micros


async def _to_wallet(uow: UnitOfWork, actor: Actor, note_id: CreditNoteId, micros: int, reason: str) -> LedgerEntryId:
    await uow.billing.lock_wallet()
    return await uow.billing.post(adjust_entry(f"credit_note:{note_id}", micros, reason, (), actor.user_id, at=uow.now))


async def _write(uow: UnitOfWork, actor: Actor, note: CreditNote, invoice: Invoice) -> None:
    year = uow.now.astimezone(UTC).year
    note.number = number_of(SERIES, year, await uow.invoices.next_number(note.seller_tax_id, SERIES, year))
    await uow.invoices.add_note(note)
    details = {"number": note.number, "invoice": invoice.number, "micros": note.amount_micros}
    await audit.record(uow, actor, "credit_note.issue", Subject("Invoice", invoice.id), details)
