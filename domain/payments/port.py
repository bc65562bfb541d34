"""The port to a payment service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from domain.billing.money import CURRENCY, Money
from domain.errors import DomainError, ErrorCode, Rejected
from domain.ids import PaymentId, RefundId, TenantId
from domain.payments.entities import GatewayKind, Payment, PaymentMethod, Refund


class GatewayUnavailable(DomainError):
    """The payment service gave no answer, or none that says what happened. The payment has to be asked about."""


class GatewayRefused(DomainError):
    """The payment service will not do this, now or later. `message` may be shown to whoever pays."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"the payment service refuses: {code}")
        self.code = code
        self.message = message


class BadSignature(DomainError):
    """An event that the payment service did not sign, or signed too long ago."""


class OutcomeState(StrEnum):
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNSTARTED = "UNSTARTED"
    """Nothing was charged, and nothing will be unless we ask for it."""
    WAITING = "WAITING"
    """For a person at the payment service's page, or for a bank."""


@dataclass(frozen=True, slots=True)
class Card:
    """A card that a payment was made with, and that is saved for later."""

    external_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a payment. `page_url`: where a person has to go. `code` and `message`: why it failed."""

    state: OutcomeState
    page_url: str | None = None
    code: str = ""
    message: str = ""
    card: Card | None = None
    refunded_micros: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """A payment as the payment service knows it before any money moves."""

    external_id: str
    page_url: str | None = None


@dataclass(frozen=True, slots=True)
class RefundOutcome:
    """`code` says why the payment service refuses; empty when the money goes back."""

    external_id: str | None
    code: str = ""
    message: str = ""


class DisputeState(StrEnum):
    OPEN = "OPEN"
    WON = "WON"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class Dispute:
    external_id: str
    micros: int
    state: DisputeState


@dataclass(frozen=True, slots=True)
class FailedRefund:
    """One of ours that the payment service took on, and whose money came back to us. `code` says why."""

    refund_id: RefundId
    code: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a payment of ours. Of what, the payment service is asked: events come in any order."""

    id: str
    tenant_id: TenantId
    payment_id: PaymentId
    dispute: Dispute | None = None
    failed_refund: FailedRefund | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a payment may be of. `step_micros` is the smallest unit of the currency that the service knows."""

    min_micros: int
    max_micros: int
    step_micros: int

    def check(self, micros: int, *, back: bool = False) -> None:
        """Raises Rejected for an amount that is not within; one that goes `back` may be as small as can be."""
        if not (1 if back else self.min_micros) <= micros <= self.max_micros:
            low, high = Money(self.min_micros).amount, Money(self.max_micros).amount
            message = f"A payment is of {low} to {high:,} {CURRENCY}."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "amount")
        if micros % self.step_micros:
            message = f"A payment is of whole multiples of {Money(self.step_micros).amount} {CURRENCY}."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "amount")


class PaymentGateway(Protocol):
    """Takes money. Every method may raise GatewayUnavailable, and may then be called again."""

    @property
    def kind(self) -> GatewayKind: ...
    @property
    def takes_methods(self) -> bool:
        """Whether a payment needs a saved method or a person at a page."""
        ...

    def check(self, micros: int, *, back: bool = False) -> None:
        """Raises Rejected for what it cannot take or, with `back`, pay back."""
        ...

    async def customer(self, tenant_id: TenantId) -> str:
        """A new payer; the same for a tenant within a day."""
        ...

    async def open(self, payment: Payment, customer: str, method: PaymentMethod | None) -> Opened:
        """Make the payment known, and move no money: a page where a person pays when there is no method.

        Raises GatewayRefused.
        """
        ...

    async def charge(self, payment: Payment, method: PaymentMethod | None, *, attended: bool) -> Outcome:
        """Take an opened payment's money; the same payment is never charged twice."""
        ...

    async def look_up(self, payment: Payment) -> Outcome:
        """What became of an opened payment."""
        ...

    async def cancel(self, payment: Payment) -> Outcome:
        """See to it that an opened payment takes no money any more; what became of it when it is too late."""
        ...

    async def refund(self, payment: Payment, refund: Refund) -> RefundOutcome:
        """Pay back; the same refund is never paid twice."""
        ...

    async def forget_method(self, method: PaymentMethod) -> None: ...

    async def read_event(self, body: bytes, signature: str) -> Event | None:
        """None for an event that is nothing to us. Raises BadSignature."""
        ...
