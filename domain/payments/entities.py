"""Payments: money that a tenant pays, through a payment service.

A payment's row is written before the payment service is asked for anything, and the payment service's own id of it
before any money can move. So whoever dies on the way leaves a row that says whom to ask, and asking takes no money.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.accounts import Actor
from domain.billing.money import CURRENCY
from domain.ids import InvoiceId, LedgerEntryId, PaymentId, PaymentMethodId, RefundId, TenantId, UserId

ASK_AFTER = timedelta(minutes=10)
"""A payment or a refund that is pending for longer is asked about: nobody works on it any more."""
PAGE_TTL = timedelta(hours=1)
"""For so long a payment waits for somebody at the payment service's page."""
FAILURES_MAX = 3
"""So many automatic top-ups that fail in a row turn them off."""
RETRY_AFTER = timedelta(hours=1)
"""An automatic top-up that failed is not tried again for so long: banks mind."""


class PaymentPurpose(StrEnum):
    """What is paid for."""

    TOP_UP = "TOP_UP"
    AUTO_TOP_UP = "AUTO_TOP_UP"
    INVOICE = "INVOICE"


class PaymentState(StrEnum):
    """How far a payment is. A payment of which a part was paid back has SUCCEEDED."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    REFUNDED = "REFUNDED"


class GatewayKind(StrEnum):
    """Payment services."""

    SIMULATED = "SIMULATED"
    STRIPE = "STRIPE"


class RefundState(StrEnum):
    """PENDING: the credit is taken back, and the payment service has not said yet that the money went."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class RefundOrigin(StrEnum):
    """Who paid back: we, somebody at the payment service's own desk, or the payer's bank."""

    PLATFORM = "PLATFORM"
    GATEWAY = "GATEWAY"
    DISPUTE = "DISPUTE"


@dataclass(frozen=True, slots=True)
class Order:
    """A payment that is wanted. `key` is unique in the tenant and never forgotten: it names one payment.

    `actor` is who asked, None for the platform itself; `attended`: somebody is there who can be sent to the payment
    service's page.
    """

    purpose: PaymentPurpose
    micros: int
    key: str
    invoice_id: InvoiceId | None = None
    actor: Actor | None = None
    request_id: str = ""
    attended: bool = False


@dataclass(eq=False)
class Payment:
    """`external_id` is what the payment service calls it; `page_url` is where a person has to go to pay."""

    tenant_id: TenantId
    id: PaymentId
    purpose: str
    amount_micros: int
    gateway: str
    key: str
    currency: str = CURRENCY
    state: str = PaymentState.PENDING
    external_id: str | None = None
    page_url: str | None = None
    refunded_micros: int = 0
    failure_code: str | None = None
    failure_message: str | None = None
    invoice_id: InvoiceId | None = None
    entry_id: LedgerEntryId | None = None
    requested_by: UserId | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def reference(self) -> str:
        """What it is called in the ledger."""
        return f"payment:{self.external_id}"


@dataclass(eq=False)
class PaymentMethod:
    """A card that the payment service has saved. Only what may be shown of it is known here."""

    tenant_id: TenantId
    id: PaymentMethodId
    gateway: str
    external_id: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    is_default: bool = False
    created_at: datetime | None = None


@dataclass(eq=False)
class Refund:
    """`taken_micros` is what the wallet gave back for it; for what a bank or a desk took, it may be less."""

    tenant_id: TenantId
    id: RefundId
    payment_id: PaymentId
    origin: str
    amount_micros: int
    key: str
    state: str = RefundState.PENDING
    taken_micros: int = 0
    reason: str = ""
    external_id: str | None = None
    entry_id: LedgerEntryId | None = None
    requested_by: UserId | None = None
    failure_code: str | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(eq=False)
class AutomaticTopUp:
    """Pays `amount_micros` whenever less than `threshold_micros` is available; so much a calendar month (UTC)."""

    tenant_id: TenantId
    threshold_micros: int
    amount_micros: int
    monthly_limit_micros: int
    enabled: bool = True
    failures: int = 0
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AutomaticSoFar:
    """Automatic top-ups up to now: how many, what they came to this month, and when one failed last."""

    count: int
    pending: bool
    micros: int
    failed_at: datetime | None
