"""Payments in a process: the payment service that the settings name, what follows from payments, and their duties."""

from __future__ import annotations

from adapters.payments_simulated import NoGateway, SimulatedGateway
from adapters.payments_stripe import StripeGateway
from app.settings import Settings
from domain.ids import TenantId
from domain.payments.automatic import AutomaticCredit, top_up_if_low
from domain.payments.entities import PaymentPurpose
from domain.payments.paid_for import Credit, PaidFor
from domain.payments.port import PaymentGateway
from domain.payments.refunds import Refunds
from domain.payments.service import Payments
from domain.plans.collecting import FeePaid
from domain.unit_of_work import OpenUnitOfWork
from persistence.payments.due import DuePayments
from workers.jobs import Duty, in_lanes

PAID_FOR: dict[PaymentPurpose, PaidFor] = {
    PaymentPurpose.TOP_UP: Credit(),
    PaymentPurpose.AUTO_TOP_UP: AutomaticCredit(),
    PaymentPurpose.INVOICE: FeePaid(),
}


def payments_of(settings: Settings, units: OpenUnitOfWork) -> Payments:
    return Payments(units, _gateway(settings), PAID_FOR)


def _gateway(settings: Settings) -> PaymentGateway:
    """Stripe where there is a key; where not, a simulated one while developing, and none otherwise."""
    if len(settings.stripe_secret_key):
        return StripeGateway(
            settings.stripe_secret_key.get_secret_value(), settings.stripe_webhook_secret.get_secret_value(),
            return_url=settings.payment_return_url, api_url=settings.stripe_api_url,
        )  # fmt: skip
    return SimulatedGateway() if settings.simulated_payments else NoGateway()


def payment_duties(due: DuePayments, payments: Payments) -> dict[str, Duty]:
    """What runs by the clock, by the names of its schedules."""
    refunds = Refunds(payments.units, payments.gateway)

    async def ask_in(tenant_id: TenantId) -> int:
        try:
            closed = await payments.ask(tenant_id)
        finally:
            ended = await refunds.ask(tenant_id)
        return closed + ended

    async def top_up_in(tenant_id: TenantId) -> int:
        return int(await top_up_if_low(payments, tenant_id) is not None)

    async def ask() -> int:
        return await in_lanes(await due.pending(), ask_in)

    async def top_up() -> int:
        return await in_lanes(await due.automatic(), top_up_in)

    return {
        "payments.ask": Duty("*/5 * * * *", ask),
        "payments.top_up": Duty("* * * * *", top_up),
        "payment_events.forget": Duty("57 * * * *", due.forget_events),
    }
