"""What follows from a payment follows once, and each purpose has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.payments_simulated import SimulatedGateway
from domain.errors import ErrorCode
from domain.ids import InvoiceId, LedgerEntryId, TenantId, new_id
from domain.payments.entities import ASK_AFTER, PAGE_TTL, Order, Payment, PaymentPurpose, PaymentState
from domain.payments.paid_for import Credit, PaidFor, credited
from domain.payments.port import GatewayUnavailable, Outcome, OutcomeState
from domain.payments.service import Payments
from domain.unit_of_work import UnitOfWork
from tests.domain.memory import MemoryUnitOfWork
from tests.domain.world import World, refused

INVOICE = InvoiceId(new_id())
ORDER = Order(PaymentPurpose.INVOICE, 500, "invoice-1", INVOICE)


class Gateway(SimulatedGateway):
    """Says what it is told to: `says` of a charge, `knows` when it is asked later; None is no answer."""

    def __init__(self) -> None:
        self.says: Outcome | None = Outcome(OutcomeState.SUCCEEDED)
        self.knows: Outcome | None = Outcome(OutcomeState.WAITING)
        self.cancelled = 0

    async def charge(self, payment: Payment, method: object, *, attended: bool) -> Outcome:
        return self._said(self.says)

    async def look_up(self, payment: Payment) -> Outcome:
        return self._said(self.knows)

    async def cancel(self, payment: Payment) -> Outcome:
        self.cancelled += 1
        return Outcome(OutcomeState.UNSTARTED)

    def _said(self, outcome: Outcome | None) -> Outcome:
        if outcome is None:
            raise GatewayUnavailable
        return outcome


class InvoiceRoom:
    """What the invoice room would register."""

    def __init__(self) -> None:
        self.paid_invoices: list[InvoiceId | None] = []
        self.failures: list[str | None] = []

    async def paid(self, uow: UnitOfWork, payment: Payment) -> LedgerEntryId | None:
        self.paid_invoices.append(payment.invoice_id)
        return None

    async def failed(self, uow: UnitOfWork, payment: Payment) -> None:
        self.failures.append(payment.failure_code)


class Till:
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        @asynccontextmanager
        async def units(tenant_id: TenantId) -> AsyncIterator[UnitOfWork]:
            assert tenant_id == uow.tenant_id
            yield uow

        self.uow, self.gateway, self.invoices = uow, Gateway(), InvoiceRoom()
        follows: dict[PaymentPurpose, PaidFor] = {
            PaymentPurpose.TOP_UP: Credit(),
            PaymentPurpose.INVOICE: self.invoices,
        }
        self.payments = Payments(units, self.gateway, follows)

    async def pay(self, order: Order = ORDER) -> Payment:
        return await self.payments.pay(self.uow.tenant_id, order)

    async def ask(self, after: timedelta) -> int:
        for one in self.uow.payments.payments.values():
            assert one.created_at is not None
            one.created_at = self.uow.now - after
        return await self.payments.ask(self.uow.tenant_id)


@pytest.fixture
def till(world: World) -> Till:
    return Till(world.uow)


async def test_an_invoice_that_is_paid_is_the_invoice_rooms_once(till: Till) -> None:
    once, again = [await till.pay() for _ in range(2)]
    assert (once.id, once.state, till.invoices.paid_invoices) == (again.id, "SUCCEEDED", [INVOICE])
    assert till.uow.billing.entries == []
    await till.payments.close(till.uow.tenant_id, once.id, Outcome(OutcomeState.SUCCEEDED))
    assert till.invoices.paid_invoices == [INVOICE]


async def test_an_invoice_that_is_not_paid_is_the_invoice_rooms_too(till: Till) -> None:
    till.gateway.says = Outcome(OutcomeState.FAILED, code="card_declined")
    assert ((await till.pay()).state, till.invoices.failures) == ("FAILED", ["card_declined"])
    assert ((await till.pay()).state, till.invoices.failures) == ("FAILED", ["card_declined"])


async def test_money_that_came_after_all_counts(till: Till) -> None:
    till.gateway.says = Outcome(OutcomeState.FAILED, code="canceled")
    payment = await till.pay()
    await till.payments.close(till.uow.tenant_id, payment.id, Outcome(OutcomeState.SUCCEEDED))
    assert (payment.state, payment.failure_code, till.invoices.paid_invoices) == ("SUCCEEDED", None, [INVOICE])
    await till.payments.close(till.uow.tenant_id, payment.id, Outcome(OutcomeState.FAILED))
    assert payment.state == "SUCCEEDED"


async def test_an_invoice_has_one_payment_at_a_time_whatever_the_keys(till: Till) -> None:
    till.gateway.says = Outcome(OutcomeState.WAITING, page_url="https://bank.example/")
    once, again = [await till.pay(replace(ORDER, key=key)) for key in ("one", "two")]
    assert (again.id, again.page_url) == (once.id, "https://bank.example/")
    await till.payments.close(till.uow.tenant_id, once.id, Outcome(OutcomeState.FAILED))
    assert (await till.pay(replace(ORDER, key="two"))).id != once.id


@pytest.mark.parametrize(
    "other",
    [
        Order(PaymentPurpose.TOP_UP, 500, "invoice-1"),
        Order(PaymentPurpose.INVOICE, 501, "invoice-1", INVOICE),
        Order(PaymentPurpose.INVOICE, 500, "invoice-1", InvoiceId(new_id())),
    ],
)
async def test_a_key_is_of_one_payment(till: Till, other: Order) -> None:
    await till.pay()
    with refused(ErrorCode.IDEMPOTENCY_CONFLICT, "idempotencyKey"):
        await till.pay(other)


async def test_a_payment_is_asked_about_when_it_is_old_enough_and_not_before(till: Till) -> None:
    till.gateway.says = None
    payment = await till.pay()
    till.gateway.knows = Outcome(OutcomeState.SUCCEEDED)
    assert (await till.ask(ASK_AFTER), payment.state) == (0, PaymentState.PENDING)
    assert (await till.ask(ASK_AFTER + timedelta(seconds=1)), payment.state) == (1, PaymentState.SUCCEEDED)


async def test_a_payment_that_cannot_be_closed_keeps_no_other_waiting(
    till: Till, caplog: pytest.LogCaptureFixture
) -> None:
    till.gateway.says = None
    broken = await till.pay(Order(PaymentPurpose.AUTO_TOP_UP, 500, "nothing follows from it here"))
    payment = await till.pay()
    till.gateway.knows = Outcome(OutcomeState.SUCCEEDED)
    assert (await till.ask(PAGE_TTL), broken.state, payment.state) == (1, "PENDING", "SUCCEEDED")
    assert [one.levelname for one in caplog.records if str(broken.id) in one.getMessage()] == ["WARNING", "ERROR"]


async def test_a_person_at_a_page_has_an_hour(till: Till) -> None:
    till.gateway.says = Outcome(OutcomeState.WAITING, page_url="https://bank.example/")
    payment = await till.pay()
    assert payment.page_url == "https://bank.example/"
    assert (await till.ask(PAGE_TTL), till.gateway.cancelled) == (0, 0)
    assert (await till.ask(PAGE_TTL + timedelta(seconds=1)), till.gateway.cancelled) == (1, 1)
    assert (payment.state, payment.failure_code) == ("FAILED", "abandoned")


async def test_a_service_that_does_not_answer_is_asked_again_later(till: Till) -> None:
    till.gateway.says = till.gateway.knows = None
    payment = await till.pay()
    assert (await till.ask(PAGE_TTL * 2), payment.state) == (0, PaymentState.PENDING)


async def test_what_was_paid_becomes_credit_once_however_often_it_is_told(till: Till) -> None:
    payment = await till.pay(Order(PaymentPurpose.TOP_UP, 500, "top-up-1"))
    again = [await credited(till.uow, payment, 500) for _ in range(2)]
    assert again == [payment.entry_id, payment.entry_id]
    assert len(till.uow.billing.entries) == 1
