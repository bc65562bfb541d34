"""Payments, what they are made with, what is paid back, and top-ups without being asked."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from domain import billing
from domain.payments import entities
from domain.payments.entities import GatewayKind, PaymentPurpose, PaymentState, RefundOrigin, RefundState
from persistence.payments import reads
from schema.base import Money, Node, Payload, described_enum, mapped, money
from schema.batched import batched, ids_of, needs, reference
from schema.billing.ledger import LedgerEntry, Wallet
from schema.context import Info
from schema.cost import Cost

described_enum(
    PaymentPurpose,
    TOP_UP="Credit that somebody asked for.",
    AUTO_TOP_UP="Credit that ran low: an automatic top-up.",
    INVOICE="An invoice.",
)
described_enum(
    PaymentState,
    PENDING="Nobody knows yet, or somebody has to go to `checkoutUrl`.",
    SUCCEEDED="The money was taken; a part of it may have been paid back.",
    FAILED="No money was taken; `failureCode` says why.",
    REFUNDED="All of it was paid back.",
)
described_enum(
    GatewayKind,
    SIMULATED="None: every payment succeeds, and no money moves. For development.",
    STRIPE="Stripe.",
)
described_enum(
    RefundState,
    PENDING="The credit is taken back, and the payment service has not said yet that the money went.",
    SUCCEEDED="The money went back.",
    FAILED="The payment service refused, and the credit is there again.",
)
described_enum(
    RefundOrigin,
    PLATFORM="The platform paid back.",
    GATEWAY="Somebody paid back at the payment service's own desk.",
    DISPUTE="The payer's bank took it back.",
)


@strawberry.type(description="Money that was paid back, or is being.")
class PaymentRefund:
    amount: Money = strawberry.field(description="How much.")
    taken: Money = strawberry.field(description="How much credit left the wallet for it.")
    state: RefundState = strawberry.field(description="How far it is.")
    origin: RefundOrigin = strawberry.field(description="Who paid back.")
    reason: str = strawberry.field(description="Why, where a person decided; empty otherwise.")
    created_at: datetime = strawberry.field(description="When it began.")


def refund_of(row: Any) -> PaymentRefund:
    return PaymentRefund(
        amount=money(row.amount_micros), taken=money(row.taken_micros), state=RefundState(row.state),
        origin=RefundOrigin(row.origin), reason=row.reason, created_at=row.created_at,
    )  # fmt: skip


@mapped(
    entities.Payment,
    external_id="What the payment service calls it; null before it knows of it.",
    failure_code="Why it failed, in the payment service's words; null otherwise.",
    failure_message="The same as a sentence; null without one.",
    created_at="When it was asked for.",
    finished_at="When it succeeded or failed; null before.",
)
class Payment(Node):
    """Money that the tenant pays."""

    purpose: PaymentPurpose = strawberry.field(description="What is paid for.")
    state: PaymentState = strawberry.field(description="How far it is.")
    gateway: GatewayKind = strawberry.field(description="The payment service.")
    entry: LedgerEntry | None = reference(
        "LedgerEntry", "entry_id", description="The entry that made it credit; null before, and where it is none."
    )

    @strawberry.field(description="How much.", metadata=needs("amount_micros"))
    def amount(self) -> Money:
        return money(self.amount_micros)

    @strawberry.field(description="How much of it was paid back, or is being.", metadata=needs("refunded_micros"))
    def refunded(self) -> Money:
        return money(self.refunded_micros)

    @strawberry.field(
        description="The page of the payment service where somebody has to go to pay; null when nobody has to.",
        metadata=needs("page_url", "state"),
    )
    def checkout_url(self) -> str | None:
        return self.page_url if self.state == PaymentState.PENDING else None

    @batched(description="What was paid back of it, the oldest first.", columns=("id",))
    async def refunds(payments: list[Any], info: Info) -> list[list[PaymentRefund]]:
        found = await info.context.reads.lists(reads.REFUNDS, "payment_id", ids_of(payments))
        return [[refund_of(row) for row in rows] for rows in found]


@mapped(
    entities.PaymentMethod,
    brand="Whose card it is, such as `visa`.",
    last4="The last four digits.",
    exp_month="The month after which it is not good any more, 1 to 12.",
    exp_year="The year of that month.",
    is_default="Whether payments are made with it.",
    created_at="When it was saved.",
)
class PaymentMethod(Node):
    """A card that the payment service has saved. Its number is known to nobody else."""


@strawberry.type(description="A top-up whenever credit runs low.", directives=[Cost(weight=0)])
class AutomaticTopUp:
    threshold: Decimal = strawberry.field(description="It pays when less than this can be spent, in whole units.")
    amount: Decimal = strawberry.field(description="How much it pays, in whole units.")
    monthly_limit: Decimal = strawberry.field(
        description="How much it pays at most in a calendar month (UTC), in whole units."
    )
    enabled: bool = strawberry.field(description="Whether it pays.")
    failures: int = strawberry.field(description="How many payments failed in a row; after three it is off.")


def automatic_of(row: Any) -> AutomaticTopUp:
    threshold, amount, limit = (
        billing.Money(micros).amount for micros in (row.threshold_micros, row.amount_micros, row.monthly_limit_micros)
    )
    return AutomaticTopUp(
        threshold=threshold, amount=amount, monthly_limit=limit, enabled=row.enabled, failures=row.failures
    )


@strawberry.input(description="Credit to pay for.")
class CreditTopUpInput:
    amount: Decimal = strawberry.field(description='In whole units, with at most six decimals: "10.00".')
    idempotency_key: str = strawberry.field(description="The same key never pays twice.")


@strawberry.input(description="A card to forget.")
class PaymentMethodRemoveInput:
    id: strawberry.ID = strawberry.field(description="The payment method.")


@strawberry.input(description="Money to pay back.")
class PaymentRefundInput:
    payment_id: strawberry.ID = strawberry.field(description="The payment.")
    amount: Decimal = strawberry.field(description="How much of it, in whole units.")
    reason: str = strawberry.field(description="Why; it stands in the ledger.")
    idempotency_key: str = strawberry.field(description="The same key never pays back twice.")
    tenant_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose payment; your tenant's if null."
    )


@strawberry.input(description="When to pay for credit without being asked.")
class AutomaticTopUpSetInput:
    threshold: Decimal = strawberry.field(description="Pay when less than this can be spent, in whole units.")
    amount: Decimal = strawberry.field(description="How much to pay, in whole units.")
    monthly_limit: Decimal = strawberry.field(
        description="How much to pay at most in a calendar month (UTC), in whole units; `amount` or more."
    )
    enabled: bool = strawberry.field(description="Whether to pay at all.")


@strawberry.type(description="The credit that was paid for.")
class CreditTopUpPayload(Payload):
    entry: LedgerEntry | None = strawberry.field(
        default=None, description="The entry in the ledger; null while the payment is pending."
    )
    wallet: Wallet | None = strawberry.field(default=None, description="The wallet as it is now.")
    payment: Payment | None = strawberry.field(
        default=None, description="The payment; where it waits for somebody, `checkoutUrl` says where to go."
    )


@strawberry.type(description="The card that was forgotten.")
class PaymentMethodRemovePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="Its former id.")


@strawberry.type(description="The payment of which money was paid back.")
class PaymentRefundPayload(Payload):
    payment: Payment | None = strawberry.field(
        default=None, description="The payment as it is now; null where it is another tenant's."
    )
    refund: PaymentRefund | None = strawberry.field(default=None, description="What was paid back, or is being.")
    wallet: Wallet | None = strawberry.field(default=None, description="The wallet as it is now.")


@strawberry.type(description="What was decided about automatic top-ups.")
class AutomaticTopUpSetPayload(Payload):
    automatic_top_up: AutomaticTopUp | None = strawberry.field(default=None, description="As it is now.")
