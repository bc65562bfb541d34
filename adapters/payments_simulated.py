"""Payment services that are none: one takes every payment, and no money; the other takes nothing."""

from __future__ import annotations

from domain.billing.money import AMOUNT_MICROS_MAX
from domain.errors import ErrorCode, Rejected
from domain.ids import TenantId
from domain.payments.entities import GatewayKind, Payment, PaymentMethod, Refund
from domain.payments.port import Bounds, Event, Opened, Outcome, OutcomeState, RefundOutcome

BOUNDS = Bounds(1, AMOUNT_MICROS_MAX, 1)


class SimulatedGateway:
    """Implements `domain.payments.port.PaymentGateway`. It remembers nothing: an id follows from the payment's."""

    kind = GatewayKind.SIMULATED
    takes_methods = False

    def check(self, micros: int, *, back: bool = False) -> None:
        BOUNDS.check(micros, back=back)

    async def customer(self, tenant_id: TenantId) -> str:
        return f"simulated_{tenant_id.hex}"

    async def open(self, payment: Payment, customer: str, method: PaymentMethod | None) -> Opened:
        return Opened(f"simulated_{payment.id.hex}")

    async def charge(self, payment: Payment, method: PaymentMethod | None, *, attended: bool) -> Outcome:
        return Outcome(OutcomeState.SUCCEEDED)

    async def look_up(self, payment: Payment) -> Outcome:
        return Outcome(OutcomeState.UNSTARTED)

    async def cancel(self, payment: Payment) -> Outcome:
        return Outcome(OutcomeState.UNSTARTED)

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        return RefundOutcome(f"simulated_{refund.id.hex}")

    async def forget_method(self, method: PaymentMethod) -> None:
        """There is none."""

    async def read_event(self, body: bytes, signature: str) -> Event | None:
        return None


class NoGateway(SimulatedGateway):
    """Where an operator has set none up."""

    def check(self, micros: int, *, back: bool = False) -> None:
        raise Rejected(ErrorCode.INVALID_STATE, "This installation takes no payments. Ask its operator for credit.")
