"""What the clock does with subscriptions: once, however often and however many at once it is run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from adapters.payments_simulated import SimulatedGateway
from app.payments import PAID_FOR
from app.relay import plan_duties
from app.settings import Settings
from domain.accounts import GRANTS, Actor, Permission, Role
from domain.ids import InvoiceId, PaymentId, PlanId, PlanVersionId, TenantId, UserId, new_id
from domain.invoices import InvoiceTerms
from domain.invoices.credit_notes import Crediting, issue_credit_note
from domain.payments.entities import Payment, PaymentMethod, PaymentPurpose
from domain.payments.port import Outcome, OutcomeState
from domain.payments.service import Payments
from domain.plans import subscriptions
from domain.plans.collecting import PaymentCollector
from domain.plans.entities import Plan, PlanVersion
from domain.plans.fees import Collected
from domain.plans.standing import locked
from domain.plans.subscriptions import Wish
from domain.unit_of_work import UnitOfWork
from persistence.database import Database, create_engine
from persistence.operations.due import DueTenants
from persistence.unit_of_work import Units
from tests.graphql.clients import eventually
from tests.workers.desk import Desk

PRICE_MICROS, CREDIT_MICROS = 9_000_000, 8_000_000


class Till(SimulatedGateway):
    """A payment service that counts, and takes nothing while it is `closed`."""

    def __init__(self) -> None:
        self.closed = False
        self.charged: list[PaymentId] = []

    async def charge(self, payment: Payment, method: PaymentMethod | None, *, attended: bool) -> Outcome:
        self.charged.append(payment.id)
        return Outcome(OutcomeState.FAILED, code="declined") if self.closed else Outcome(OutcomeState.SUCCEEDED)


@pytest.fixture
async def due(settings: Settings) -> AsyncIterator[DueTenants]:
    engine = create_engine(settings.database_relay_url.get_secret_value(), pool_size=2)
    yield DueTenants(engine)
    await engine.dispose()


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def fees(units: Units, till: Till) -> PaymentCollector:
    return PaymentCollector(units, Payments(units, till, PAID_FOR), InvoiceTerms())


@pytest.fixture
async def tenant_id(desk: Desk, units: Units, fees: PaymentCollector, admin: Database) -> TenantId:
    """A tenant whose subscription's first period ended an hour ago."""
    plan_id, tenant_id = PlanId(new_id()), desk.tenant_id
    actor = Actor(tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
    async with units(tenant_id) as uow:
        await uow.plans.add_plan(Plan(plan_id, f"P{plan_id.hex.upper()}", "Writer", created_at=uow.now))
        version = PlanVersion(PlanVersionId(new_id()), plan_id, 1, "MONTH", PRICE_MICROS, CREDIT_MICROS)
        version.valid_from = version.created_at = uow.now
        await uow.plans.add_version(version)
    async with units(tenant_id) as uow:
        step = await subscriptions.subscribe(uow, actor, Wish(plan_id, "k"), fees.terms)
    assert step.invoice_id is not None
    await fees.pay(tenant_id, step.invoice_id)
    await later(admin, tenant_id, "1 month 1 hour")
    return tenant_id


async def later(admin: Database, tenant_id: TenantId, how: str) -> None:
    """Put the subscription back in time."""
    moved = ", ".join(
        f"{name} = {name} - interval '{how}'" for name in ("anchor_at", "period_start", "period_end", "due_at")
    )
    async with admin.engine.begin() as connection:
        await connection.execute(text(f"update app.subscriptions set {moved} where tenant_id = :t"), {"t": tenant_id})


async def standing(admin: Database, tenant_id: TenantId) -> Any:
    """State, and how many invoices by state and grants by source there are."""
    async with admin.engine.connect() as connection:
        row = await connection.execute(
            text(
                "select state, period_end > now() as running, "
                "(select count(*) from app.invoices i where i.tenant_id = s.tenant_id and i.state = 'PAID') as paid, "
                "(select count(*) from app.invoices i where i.tenant_id = s.tenant_id and i.state = 'OPEN') as open, "
                "(select count(*) from app.grants g where g.tenant_id = s.tenant_id and g.source = 'PLAN') as grants "
                "from app.subscriptions s where tenant_id = :t"
            ),
            {"t": tenant_id},
        )
        return tuple(row.one())


async def test_a_period_is_renewed_and_paid_once_however_many_run_at_once(
    due: DueTenants, units: Units, fees: PaymentCollector, till: Till, tenant_id: TenantId, admin: Database
) -> None:
    run = plan_duties(due, units, fees)["subscriptions.renew"].run
    before = len(set(till.charged))
    await asyncio.gather(*(run() for _ in range(6)))
    assert await standing(admin, tenant_id) == ("ACTIVE", True, 2, 0, 2)
    assert len(set(till.charged)) == before + 1
    assert await run() == 0


async def test_what_is_not_paid_is_past_due_with_its_invoice_open(
    due: DueTenants, units: Units, fees: PaymentCollector, till: Till, tenant_id: TenantId, admin: Database
) -> None:
    run = plan_duties(due, units, fees)["subscriptions.renew"].run
    till.closed = True
    for _ in range(2):
        await run()
    assert await standing(admin, tenant_id) == ("PAST_DUE", True, 1, 1, 1)
    await later(admin, tenant_id, "14 days")
    await run()
    assert (await standing(admin, tenant_id))[0] == "ENDED"


async def test_a_relay_that_dies_before_it_pays_is_made_up_for(
    due: DueTenants, units: Units, fees: PaymentCollector, tenant_id: TenantId, admin: Database
) -> None:
    run = plan_duties(due, units, fees)["subscriptions.renew"].run

    async def die(*_: object) -> None:
        raise OSError("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fees, "pay", die)
        with pytest.raises(OSError, match="killed"):
            await run()
    assert await standing(admin, tenant_id) == ("ACTIVE", True, 1, 1, 1)
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.subscriptions set due_at = now() where tenant_id = :t"), {"t": tenant_id}
        )
    await run()
    assert await standing(admin, tenant_id) == ("ACTIVE", True, 2, 0, 2)


async def test_what_need_not_be_paid_any_more_goes_on_as_if_it_were(
    due: DueTenants, units: Units, fees: PaymentCollector, till: Till, tenant_id: TenantId, admin: Database
) -> None:
    run = plan_duties(due, units, fees)["subscriptions.renew"].run
    till.closed = True
    await run()
    assert (await standing(admin, tenant_id))[0] == "PAST_DUE"
    async with units(tenant_id) as uow:
        waited_for = await uow.plans.invoice_waited_for()
        assert waited_for is not None
        platform = Actor(tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER] | {Permission.PLATFORM})
        await issue_credit_note(uow, platform, Crediting(waited_for, None, "a favour", "k"))
    assert await standing(admin, tenant_id) == ("ACTIVE", True, 1, 0, 2)
    async with units(tenant_id) as uow:
        subscription, invoice = await uow.plans.subscription(), await uow.invoices.read(waited_for)
        assert subscription is not None and invoice is not None
        assert (subscription.invoice_id, subscription.paid_micros, invoice.state) == (None, 0, "VOID")


async def test_money_that_is_over_waits_for_no_renewal_that_waits_for_it(
    units: Units, tenant_id: TenantId, admin: Database
) -> None:
    """A renewal has the subscription and takes the wallet: so whoever needs both begins with the subscription."""
    [first] = await admin.platform_rows(
        text("select id from app.invoices where tenant_id = :t").bindparams(t=tenant_id)
    )
    payment = Payment(
        tenant_id, PaymentId(new_id()), PaymentPurpose.INVOICE, PRICE_MICROS, "SIMULATED", "again", external_id="again",
        invoice_id=first.id,
    )  # fmt: skip

    async def pay_again() -> None:
        async with units(tenant_id) as uow:
            assert await PAID_FOR[PaymentPurpose.INVOICE].paid(uow, payment) is not None

    blocked = text("select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
    async with units(tenant_id) as uow:
        assert await locked(uow) is not None
        paying = asyncio.create_task(pay_again())
        await eventually(lambda: admin.platform_rows(blocked), "the payment waits for the subscription")
        await uow.billing.lock_wallet()
    await paying


async def test_a_payment_that_hangs_keeps_no_other_tenant_waiting(
    units: Units, fees: PaymentCollector, tenant_id: TenantId, admin: Database
) -> None:
    hanging, renewed = TenantId(new_id()), asyncio.Event()

    class Due(DueTenants):
        async def with_due_subscriptions(self) -> list[TenantId]:
            return [hanging, tenant_id]

    class Slow(PaymentCollector):
        async def pay(self, tenant_id: TenantId, invoice_id: InvoiceId, actor: Actor | None = None) -> Collected:
            collected = await super().pay(tenant_id, invoice_id, actor)
            renewed.set()
            return collected

    @asynccontextmanager
    async def hangs(tenant_id: TenantId) -> AsyncIterator[UnitOfWork]:
        if tenant_id == hanging:
            await renewed.wait()
        async with units(tenant_id) as uow:
            yield uow

    collector = Slow(units, fees._payments, fees.terms)
    async with asyncio.timeout(10):
        assert await plan_duties(Due(admin.engine), hangs, collector)["subscriptions.renew"].run() == 2
    assert await standing(admin, tenant_id) == ("ACTIVE", True, 2, 0, 2)
