"""Invoices as the database keeps them: numbers without gaps, sums that are right, and nothing changed afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.errors import Rejected
from domain.ids import CreditNoteId, PaymentId, TenantId, UserId, new_id
from domain.invoices import (
    InvoiceItem,
    InvoiceReason,
    InvoiceState,
    InvoiceTerms,
    ItemKind,
    Seller,
)
from domain.invoices.entities import CreditNote
from domain.invoices.service import issue, mark_paid, overdue, void
from persistence.accounts.tables import tenants
from persistence.database import Database
from persistence.invoices.tables import invoice_items
from persistence.unit_of_work import Units

TERMS = InvoiceTerms(Seller("Inkwell Ltd", "1 Quay Street", "GB123"))


async def new_tenant(units: Units, name: str = "Alice's desk") -> TenantId:
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        row = {"tenant_id": tenant_id, "slug": str(tenant_id), "name": name}
        await uow.accounts._session.execute(tenants.insert().values(row))
        await uow.billing.open_wallet()
    return tenant_id


@pytest.fixture
async def tenant(units: Units) -> TenantId:
    return await new_tenant(units)


def fee(micros: int, reference: str = "fee") -> InvoiceItem:
    return InvoiceItem(ItemKind.SUBSCRIPTION, "Plan Author", micros, reference)


async def _numbers(admin: Database, seller: str) -> Sequence[str]:
    rows = await admin.platform_rows(
        text("select number from app.invoices where seller_tax_id = :seller order by number").bindparams(seller=seller)
    )
    return [row.number for row in rows]


async def test_pending_items_become_an_open_invoice_that_is_their_sum(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        assert await uow.invoices.add_item(fee(9_000_000))
        assert await uow.invoices.add_item(InvoiceItem(ItemKind.DISCOUNT, "Coupon", -1_500_000, "coupon"))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    assert invoice is not None
    assert (invoice.state, invoice.total_micros, invoice.lines) == (InvoiceState.OPEN, 7_500_000, 2)
    assert (invoice.due_at - invoice.issued_at).days == 14
    assert invoice.buyer["name"] == "Alice's desk" and invoice.seller["name"] == "Inkwell Ltd"
    async with units(tenant) as uow:
        assert await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS) is None


async def test_the_period_is_that_of_what_is_billed(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        one = replace(fee(9_000_000), starts_on=date(2030, 1, 31))
        await uow.invoices.add_item(one)
        await uow.invoices.add_item(replace(fee(1, "b"), starts_on=date(2030, 1, 1), ends_on=date(2030, 1, 2)))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    assert invoice is not None and (invoice.starts_on, invoice.ends_on) == (date(2030, 1, 1), date(2030, 1, 31))


async def test_an_item_is_added_once_by_its_reference(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        assert await uow.invoices.add_item(fee(5, "period:1"))
        assert not await uow.invoices.add_item(fee(5, "period:1"))
        assert [one.amount_micros for one in await uow.invoices.pending()] == [5]


async def test_an_invoice_over_nothing_is_paid_at_its_issue(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(0))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    assert invoice is not None and invoice.state == InvoiceState.PAID and invoice.paid_at == invoice.issued_at


async def test_what_is_below_zero_is_carried_to_the_next_invoice(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(InvoiceItem(ItemKind.PRORATION, "Unused days", -400_000, "proration"))
        first = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(1_000_000))
        second = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    assert first is not None and (first.total_micros, first.lines) == (0, 2)
    assert second is not None and (second.total_micros, second.lines) == (600_000, 2)


@pytest.mark.parametrize(
    ("carried", "forgiven", "waits"),
    [(-400_000, False, -400_000), (400_000, False, 400_000), (-400_000, True, -400_000), (400_000, True, None)],
)
async def test_what_was_carried_into_an_invoice_outlives_it(
    units: Units, tenant: TenantId, carried: int, forgiven: bool, waits: int | None
) -> None:
    """But for a debt that was taken back with it."""
    for number, micros in enumerate((carried, 1_000_000)):
        async with units(tenant) as uow:
            await uow.invoices.add_item(fee(micros, f"fee:{number}"))
            invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    assert invoice is not None and invoice.total_micros == 1_000_000 + carried
    async with units(tenant) as uow:
        await void(uow, invoice.id, forgiven=forgiven)
    async with units(tenant) as uow:
        assert [one.amount_micros for one in await uow.invoices.pending()] == ([] if waits is None else [waits])
        assert await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS) is None, "it is no reason for an invoice"


async def test_paying_is_said_once_and_a_paid_invoice_is_not_voided(units: Units, tenant: TenantId) -> None:
    payment = PaymentId(new_id())
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(1_000_000))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
        assert invoice is not None
    for _ in range(2):
        async with units(tenant) as uow:
            assert (await mark_paid(uow, invoice.id, payment)).state == InvoiceState.PAID
    async with units(tenant) as uow:
        with pytest.raises(Rejected, match="PAID"):
            await void(uow, invoice.id)


async def test_fifty_issues_at_once_with_failures_between_them_leave_no_gap(units: Units, admin: Database) -> None:
    terms = InvoiceTerms(Seller("Concurrent", tax_id="C-1"))
    own = [await new_tenant(units) for _ in range(10)]

    async def one(number: int) -> None:
        with contextlib.suppress(InterruptedError):
            async with units(own[number % 10]) as uow:
                await uow.invoices.add_item(fee(1_000_000, f"fee:{number}"))
                await issue(uow, InvoiceReason.SUBSCRIPTION, terms)
                if number % 5 == 0:
                    raise InterruptedError

    await asyncio.gather(*(one(number) for number in range(63)))
    year = datetime.now(UTC).year
    assert await _numbers(admin, "C-1") == [f"F-{year}-{count:06d}" for count in range(1, 51)]


CHANGES = [
    "update app.invoices set total_micros = 1",
    "update app.invoices set buyer = '{}'",
    "update app.invoices set number = 'F-2026-999999'",
    "delete from app.invoices",
    "update app.invoice_items set amount_micros = 1",
    "update app.invoice_items set invoice_id = null",
    "delete from app.invoice_items",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_not_even_the_owner_changes_what_was_issued(
    units: Units, tenant: TenantId, admin: Database, change: str
) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(1_000_000))
        await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"was issued|not changed"):
            await connection.execute(text(f"{change} where tenant_id = :tenant"), {"tenant": tenant})


async def test_a_line_is_not_added_to_an_issued_invoice(units: Units, tenant: TenantId) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(1_000_000))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
        assert invoice is not None
    with pytest.raises(DBAPIError, match="does not sum up"):
        async with units(tenant) as uow:
            row = uow.invoices._row(fee(0, "late"), invoice.id)
            await uow.invoices._session.execute(invoice_items.insert().values(row))


async def test_credit_notes_never_come_to_more_than_their_invoice(
    units: Units, tenant: TenantId, admin: Database
) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(1_000_000))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
        assert invoice is not None

    async def credit(micros: int) -> None:
        async with units(tenant) as uow:
            id_ = CreditNoteId(new_id())
            await uow.invoices.add_note(
                CreditNote(tenant, id_, str(id_), "", invoice.id, micros, "why", UserId(new_id()), None, uow.now)
            )

    outcomes = await asyncio.gather(*(credit(300_000) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(one, DBAPIError) for one in outcomes) == 2
    await credit(100_000)
    with pytest.raises(DBAPIError, match="credit notes of"):
        await credit(1)
    async with admin.engine.connect() as connection:
        with pytest.raises(DBAPIError, match="append-only"):
            await connection.execute(text("delete from app.credit_notes where tenant_id = :t"), {"t": tenant})


async def test_a_paid_invoice_does_not_open_again(units: Units, tenant: TenantId, admin: Database) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(0))
        await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    async with admin.engine.connect() as connection:
        reopen = text("update app.invoices set state = 'OPEN', paid_at = null where tenant_id = :tenant")
        with pytest.raises(DBAPIError, match="was issued"):
            await connection.execute(reopen, {"tenant": tenant})


async def test_a_tenant_is_restricted_when_the_grace_of_an_unpaid_invoice_is_over(
    units: Units, tenant: TenantId
) -> None:
    async with units(tenant) as uow:
        await uow.invoices.add_item(fee(1_000_000))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, InvoiceTerms(due_days=0, grace_days=0))
        assert invoice is not None
    async with units(tenant) as uow:
        assert await overdue(uow)
        await mark_paid(uow, invoice.id, PaymentId(new_id()))
        assert not await overdue(uow)
