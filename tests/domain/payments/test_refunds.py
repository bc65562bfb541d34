"""What goes back of a payment takes the credit that it became, whatever it was paid for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.payments_simulated import SimulatedGateway
from domain.accounts import GRANTS, Actor, Permission, Role
from domain.billing.ledger import REVERSIBLE, AccountKind, EntryKind, top_up_entry
from domain.billing.service import reverse
from domain.errors import ErrorCode
from domain.ids import InvoiceId, LedgerEntryId, PaymentId, RefundId, TenantId, UserId, new_id
from domain.payments.entities import ASK_AFTER, Payment, PaymentPurpose, PaymentState, Refund
from domain.payments.port import Dispute, DisputeState, GatewayUnavailable, RefundOutcome
from domain.payments.refunds import RefundOrder, Refunds, disputed, paid_back_elsewhere
from domain.unit_of_work import UnitOfWork
from tests.domain.memory import MemoryUnitOfWork
from tests.domain.world import World, refused


class Gateway(SimulatedGateway):
    """Says `says` of refunds: an exception is raised."""

    says: RefundOutcome | Exception = RefundOutcome("r")
    broken: RefundId | None = None

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        if refund.id == self.broken:
            raise LookupError("an answer without what it should have")
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class Office:
    """Payments of invoices: one of 1000, of which a part became credit. There is other paid credit beside it."""

    def __init__(self, uow: MemoryUnitOfWork) -> None:
        @asynccontextmanager
        async def units(tenant_id: TenantId) -> AsyncIterator[UnitOfWork]:
            yield uow

        self.uow, self.gateway = uow, Gateway()
        self.refunds = Refunds(units, self.gateway)
        self.clerk = Actor(uow.tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER] | {Permission.PLATFORM})

    async def paid(self, credit: int) -> Payment:
        await self.uow.billing.post(top_up_entry("another", 5_000))
        payment = Payment(
            self.uow.tenant_id, PaymentId(new_id()), PaymentPurpose.INVOICE, 1_000, "SIMULATED", "k",
            state=PaymentState.SUCCEEDED, external_id="x", invoice_id=InvoiceId(new_id()),
        )  # fmt: skip
        if credit:
            payment.entry_id = await self.uow.billing.post(top_up_entry(payment.reference, credit))
        await self.uow.payments.add(payment)
        return payment

    async def refund(self, payment: Payment, micros: int, key: str = "k") -> Refund:
        return await self.refunds.refund(
            self.uow.tenant_id, RefundOrder(payment.id, micros, "why", key, self.clerk)
        )  # fmt: skip

    async def undo(self, entry_id: LedgerEntryId | None, key: str = "k") -> None:
        assert entry_id is not None
        await reverse(self.uow, self.clerk, entry_id, "why", key)

    async def ask(self) -> int:
        """By the clock, when nobody works on them any more."""
        for one in self.uow.payments.refunds.values():
            one.created_at = self.uow.now - ASK_AFTER * 2
        return await self.refunds.ask(self.uow.tenant_id)

    @property
    def available(self) -> int:
        return self.uow.billing.balance[AccountKind.AVAILABLE]


@pytest.fixture
def office(world: World) -> Office:
    return Office(world.uow)


async def test_what_paid_an_invoice_is_not_paid_back(office: Office) -> None:
    payment = await office.paid(credit=0)
    with refused(ErrorCode.INVALID_STATE, "paymentId"):
        await office.refund(payment, 1)
    assert (payment.refunded_micros, office.available) == (0, 5_000)


async def test_what_an_invoice_did_not_need_goes_back_with_its_credit(office: Office) -> None:
    payment = await office.paid(credit=1_000)
    assert (await office.refund(payment, 1_000)).taken_micros == 1_000
    assert (payment.state, office.available) == ("REFUNDED", 5_000)


async def test_of_a_payment_that_partly_became_credit_no_more_than_that_goes_back(office: Office) -> None:
    payment = await office.paid(credit=400)
    assert (await office.refund(payment, 100)).taken_micros == 100
    with refused(ErrorCode.BAD_USER_INPUT, "amount"):
        await office.refund(payment, 301, "more")
    assert (await office.refund(payment, 300, "rest")).taken_micros == 300
    assert (payment.state, payment.refunded_micros, office.available) == ("SUCCEEDED", 400, 5_000)


@pytest.mark.parametrize(("credit", "taken"), [(0, 0), (400, 400), (1_000, 700)])
async def test_a_desk_takes_only_the_credit_that_the_payment_became(office: Office, credit: int, taken: int) -> None:
    payment = await office.paid(credit)
    await paid_back_elsewhere(office.uow, payment, 700)
    [refund] = office.uow.payments.refunds.values()
    assert (refund.amount_micros, refund.taken_micros, office.available) == (700, taken, 5_000 + credit - taken)


async def test_a_bank_takes_only_the_credit_that_the_payment_became(office: Office) -> None:
    payment = await office.paid(credit=400)
    await paid_back_elsewhere(office.uow, payment, 300)
    await disputed(office.uow, payment, Dispute("dp", 700, DisputeState.LOST))
    assert [one.taken_micros for one in office.uow.payments.refunds.values()] == [300, 100]
    assert (payment.state, office.available) == ("REFUNDED", 5_000)


async def test_nobody_undoes_a_refund_by_hand(office: Office) -> None:
    refund = await office.refund(await office.paid(credit=1_000), 1_000)
    with refused(ErrorCode.INVALID_STATE, "id"):
        await office.undo(refund.entry_id)
    assert office.available == 5_000


async def test_a_dispute_that_is_won_gives_back_what_was_not_given_back_before(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = await office.paid(credit=1_000)
    for dispute in ("first", "second"):
        await disputed(office.uow, payment, Dispute(dispute, 500, DisputeState.OPEN))
    first, _ = office.uow.payments.refunds.values()
    with monkeypatch.context() as patch:  # as it was allowed once
        patch.setattr("domain.billing.ledger.REVERSIBLE", REVERSIBLE | {EntryKind.REFUND})
        await office.undo(first.entry_id)
    assert office.available == 5_500
    for dispute, after in (("first", 5_500), ("second", 6_000)):
        await disputed(office.uow, payment, Dispute(dispute, 500, DisputeState.WON))
        assert office.available == after
    assert (payment.state, payment.refunded_micros) == ("SUCCEEDED", 0)


async def test_a_refund_that_cannot_be_ended_keeps_no_other_waiting(office: Office) -> None:
    payment = await office.paid(credit=1_000)
    office.gateway.says = GatewayUnavailable()
    first, second = [await office.refund(payment, 100, key) for key in ("first", "second")]
    office.gateway.says, office.gateway.broken = RefundOutcome("r"), first.id
    assert (await office.ask(), first.state, second.state) == (1, "PENDING", "SUCCEEDED")
