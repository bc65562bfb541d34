"""Root fields of the invoice room."""

from typing import Annotated

import strawberry

from domain.accounts import Permission
from domain.billing.money import micros_of
from domain.errors import ErrorCode
from domain.ids import InvoiceId
from domain.invoices.credit_notes import Crediting, issue_credit_note
from domain.invoices.details import set_details
from domain.invoices.entities import BillingDetails
from domain.invoices.paying import order_for
from domain.payments.entities import Payment, PaymentState
from persistence.invoices import reads
from resolvers.billing import keeper, tenant_of
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema.base import Connection, Id, MutationError
from schema.batched import After, Call, First, columns_of
from schema.billing import invoices as types
from schema.context import Info
from schema.ids import decode_id

Locale = Annotated[str, strawberry.argument(description="`zh` for Chinese; English for any other language.")]


@strawberry.type
class InvoiceQueries:
    @strawberry.field(description="The tenant's invoices, newest first.")
    async def invoices(self, info: Info, first: First = 20, after: After = None) -> Connection[types.Invoice]:
        keeper(info)
        columns = columns_of(info, "Invoice", "edges", "node")
        return await info.context.reads.listed(Call(reads.INVOICES), first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="An invoice as a PDF file, behind a link that is good for a while.")
    async def invoice_pdf(self, info: Info, id: Id, locale: Locale = "en") -> types.InvoicePdf:
        actor = keeper(info)
        invoice_id = InvoiceId(decode_id("Invoice", id))
        file = await info.context.services.invoice_files.file(actor.tenant_id, invoice_id, locale)
        return types.pdf_of(file)

    @strawberry.field(description="Whom the tenant's next invoices are for.")
    async def billing_details(self, info: Info) -> types.BillingDetails:
        actor = keeper(info)
        async with info.context.services.units(actor.tenant_id) as uow:
            return types.details_of(BillingDetails(**await uow.invoices.buyer()))


@strawberry.type
class InvoiceMutations:
    @strawberry.mutation(description="Say whom the next invoices are for.")
    @refusals_as(types.BillingDetailsSetPayload)
    async def billing_details_set(
        self, info: Info, input: types.BillingDetailsSetInput
    ) -> types.BillingDetailsSetPayload:
        actor = info.context.actor
        wanted = BillingDetails(input.name, input.address, input.tax_id, input.email, input.country)
        async with info.context.services.units(actor.tenant_id) as uow:
            details = await set_details(uow, actor, wanted)
            await audited(info, uow, "billing_details.set", ("Tenant", actor.tenant_id))
        return types.BillingDetailsSetPayload(billing_details=types.details_of(details))

    @strawberry.mutation(description="Pay an invoice: with the saved card or, without one, at `payment.checkoutUrl`.")
    @refusals_as(types.InvoicePayPayload)
    async def invoice_pay(self, info: Info, input: types.InvoicePayInput) -> types.InvoicePayPayload:
        services, actor = info.context.services, info.context.actor
        invoice_id = InvoiceId(decode_id("Invoice", input.invoice_id, "invoiceId"))
        async with services.units(actor.tenant_id) as uow:
            order = await order_for(uow, actor, invoice_id, input.idempotency_key, request_id=info.context.request_id)
        paid = await services.payments.pay(actor.tenant_id, order)
        return types.InvoicePayPayload(
            invoice=await fresh(info, "Invoice", invoice_id), payment=await fresh(info, "Payment", paid.id),
            user_errors=_refusal(paid),
        )  # fmt: skip

    @strawberry.mutation(
        description="Take back an invoice, or a part of it: what was paid becomes credit. For platform administrators."
    )
    @refusals_as(types.CreditNoteIssuePayload)
    async def credit_note_issue(self, info: Info, input: types.CreditNoteIssueInput) -> types.CreditNoteIssuePayload:
        context, actor = info.context, info.context.actor
        actor.require(Permission.PLATFORM)
        tenant_id = tenant_of(info, input.tenant_id)
        invoice_id = InvoiceId(decode_id("Invoice", input.invoice_id, "invoiceId"))
        micros = micros_of(input.amount) if input.amount is not None else None
        wanted = Crediting(invoice_id, micros, input.reason, input.idempotency_key)
        async with context.services.units(tenant_id) as uow:
            note_id = await issue_credit_note(uow, actor, wanted)
        [note] = await context.services.database.shaped(tenant_id, reads.NOTES_BY_ID, ids=[note_id])
        return types.CreditNoteIssuePayload(
            credit_note=types.note_of(note), invoice=await fresh(info, "Invoice", invoice_id)
        )


def _refusal(payment: Payment) -> list[MutationError]:
    if payment.state != PaymentState.FAILED:
        return []
    message = payment.failure_message or f"The payment was refused: {payment.failure_code}."
    return [MutationError(message=message, field=None, code=ErrorCode.PAYMENT_REFUSED)]
