"""Unpaid invoices by the clock: when they are late, who is told how often, and what is closed until they are paid."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import pytest
from sqlalchemy import text

from app.relay import invoice_duties
from app.settings import Settings
from domain.errors import ErrorCode, Rejected
from domain.ids import PaymentId, new_id
from domain.invoices import Invoice, InvoiceItem, InvoiceReason, InvoiceTerms, ItemKind
from domain.invoices.service import issue, mark_paid
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from persistence.unit_of_work import Units
from tests.workers.desk import Desk

TERMS = InvoiceTerms()
MAILS = "select template from app.mails where tenant_id = :t order by id"


@pytest.fixture
async def due(settings: Settings) -> AsyncIterator[DueTenants]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=0)
    yield DueTenants(engine)
    await engine.dispose()


async def issued(desk: Desk, units: Units) -> Invoice:
    async with units(desk.tenant_id) as uow:
        await uow.invoices.add_item(InvoiceItem(ItemKind.SUBSCRIPTION, "Plan Author", 9_000_000, "plan"))
        invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, TERMS)
    assert invoice is not None
    return invoice


async def grow_older(admin: Database, invoice: Invoice, days: float) -> None:
    """As if it had been issued so many days ago."""
    async with admin.engine.begin() as connection:
        await connection.execute(text("alter table app.invoices disable trigger invoices_issued"))
        await connection.execute(
            text("""update app.invoices set issued_at = now() - cast(:d as interval), due_at = now() - cast(:d as interval) + interval '14 days',
                restricts_at = now() - cast(:d as interval) + interval '21 days' where id = :i"""),
            {"d": timedelta(days=days), "i": invoice.id},
        )
        await connection.execute(text("alter table app.invoices enable trigger invoices_issued"))


async def test_each_reminder_is_sent_once_on_its_day(
    desk: Desk, due: DueTenants, units: Units, admin: Database
) -> None:
    run = invoice_duties(due, units, TERMS)["invoices.remind"].run
    invoice = await issued(desk, units)
    sent = []
    for days in (0, 10.9, 11.1, 13.9, 14.1, 15.1, 20.9, 21.1, 28.1, 60):
        await grow_older(admin, invoice, days)
        counts = cast("tuple[int, ...]", await asyncio.gather(run(), run()))
        [row] = await desk._rows("select state from app.invoices where tenant_id = :t")
        sent.append((days, sum(counts), row.state))
    assert sent == [
        (0, 0, "OPEN"), (10.9, 0, "OPEN"), (11.1, 1, "OPEN"), (13.9, 0, "OPEN"), (14.1, 0, "OVERDUE"),
        (15.1, 1, "OVERDUE"), (20.9, 0, "OVERDUE"), (21.1, 1, "OVERDUE"), (28.1, 1, "OVERDUE"), (60, 0, "OVERDUE"),
    ]  # fmt: skip
    assert [row.template for row in await desk._rows(MAILS)] == [
        "invoice_issued", "invoice_due_soon", "invoice_overdue", "invoice_overdue", "invoice_overdue",
    ]  # fmt: skip
    kinds = await desk._rows("select kind from app.notifications where tenant_id = :t order by id")
    assert [row.kind for row in kinds] == ["INVOICE_ISSUED", "INVOICE_DUE_SOON"] + ["INVOICE_OVERDUE"] * 3
    actions = await desk._rows("select action from app.audit_entries where tenant_id = :t order by id")
    assert [row.action for row in actions] == ["invoice.issue", "invoice.lapse"]


async def test_of_reminders_that_were_missed_only_the_last_is_sent(
    desk: Desk, due: DueTenants, units: Units, admin: Database
) -> None:
    run = invoice_duties(due, units, TERMS)["invoices.remind"].run
    await grow_older(admin, await issued(desk, units), 40)
    assert (await run(), await run()) == (1, 0)


async def test_past_the_grace_nothing_new_is_generated_until_it_is_paid(
    desk: Desk, units: Units, admin: Database
) -> None:
    invoice = await issued(desk, units)
    await grow_older(admin, invoice, 20.9)
    await desk.start()
    await grow_older(admin, invoice, 21.1)
    with pytest.raises(Rejected) as refusal:
        await desk.start()
    assert refusal.value.code is ErrorCode.PAYMENT_OVERDUE
    async with units(desk.tenant_id) as uow:
        await mark_paid(uow, invoice.id, PaymentId(new_id()))
    await desk.start()
