"""Coupons and their redemptions."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import strawberry

from domain.plans import coupons as domain
from domain.plans.coupons import CouponKind
from schema.base import Money, Node, Payload, described_enum, mapped, money
from schema.batched import needs
from schema.billing.ledger import Wallet
from schema.ids import encode_id

described_enum(
    CouponKind,
    CREDIT="Credit, at once.",
    PERCENT="A part of a plan's fee.",
    AMOUNT="An amount off a plan's fee.",
)


@mapped(
    domain.Coupon,
    code="What is typed, in upper case.",
    periods="How many fees become less.",
    expires_days="How many days its credit lasts; null for ever.",
    valid_from="From when it can be redeemed; null for always.",
    valid_to="Until when; null for ever.",
    active="Whether it can be redeemed.",
)
class Coupon(Node):
    """A code that gives credit, or takes something off coming fees. For platform administrators."""

    kind: CouponKind = strawberry.field(description="What it gives.")

    @strawberry.field(description="The amount; null for a part of the fee.", metadata=needs("kind", "value"))
    def amount(self) -> Money | None:
        return money(self.value) if self.kind != CouponKind.PERCENT else None

    @strawberry.field(
        description="The part of the fee, in per cent; null for an amount.", metadata=needs("kind", "value")
    )
    def percent(self) -> int | None:
        return self.value if self.kind == CouponKind.PERCENT else None

    @strawberry.field(description="The plans whose fees it is good for; empty for any.", metadata=needs("plan_ids"))
    def plan_ids(self) -> list[strawberry.ID]:
        return [strawberry.ID(encode_id("Plan", UUID(one))) for one in self.plan_ids]

    @strawberry.field(description="The least fee that it takes something off.", metadata=needs("minimum_micros"))
    def minimum(self) -> Money:
        return money(self.minimum_micros)

    @strawberry.field(description="How often it was redeemed.", metadata=needs("redeemed"))
    def redeemed(self) -> int:
        return self.redeemed  # type: ignore[return-value]

    @strawberry.field(description="How often it can be; null for any number.", metadata=needs("redemptions_max"))
    def redemptions_max(self) -> int | None:
        return self.redemptions_max  # type: ignore[return-value]

    @strawberry.field(description="How often by one tenant.", metadata=needs("tenant_redemptions_max"))
    def tenant_redemptions_max(self) -> int:
        return self.tenant_redemptions_max  # type: ignore[return-value]


@mapped(
    domain.Redemption,
    periods_left="How many coming fees it still makes less.",
    created_at="When the coupon was redeemed.",
)
class CouponRedemption(Node):
    """A coupon that the tenant has redeemed."""


@strawberry.input(description="A coupon to make.")
class CouponCreateInput:
    code: str = strawberry.field(description="6 to 40 letters, digits and hyphens, in any case. Make it hard to guess.")
    kind: CouponKind = strawberry.field(description="What it gives.")
    amount: Decimal | None = strawberry.field(default=None, description="In whole units, for CREDIT and AMOUNT.")
    percent: int | None = strawberry.field(default=None, description="1 to 100, for PERCENT.")
    periods: int = strawberry.field(default=1, description="How many fees become less.")
    expires_days: int | None = strawberry.field(
        default=None, description="How many days its credit lasts; null for ever."
    )
    plan_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="The plans whose fees it is good for; empty for any."
    )
    redemptions_max: int | None = strawberry.field(
        default=None, description="How often it can be redeemed; null for any number."
    )
    tenant_redemptions_max: int = strawberry.field(default=1, description="How often by one tenant.")
    minimum: Decimal | None = strawberry.field(
        default=None, description="The least fee that it takes something off, in whole units; any if null."
    )
    valid_from: datetime | None = strawberry.field(default=None, description="From when; null for now.")
    valid_to: datetime | None = strawberry.field(default=None, description="Until when; null for ever.")


@strawberry.input(description="A coupon that is not to be redeemed any more.")
class CouponDisableInput:
    id: strawberry.ID = strawberry.field(description="The coupon.")


@strawberry.input(description="A code to redeem.")
class CouponRedeemInput:
    code: str = strawberry.field(description="The code, in any case.")
    idempotency_key: str = strawberry.field(description="The same key and code redeem once.")


@strawberry.type(description="The new coupon.")
class CouponCreatePayload(Payload):
    coupon: Coupon | None = strawberry.field(default=None, description="The coupon.")


@strawberry.type(description="The disabled coupon.")
class CouponDisablePayload(Payload):
    coupon: Coupon | None = strawberry.field(default=None, description="The coupon.")


@strawberry.type(description="What a code gave.")
class CouponRedeemPayload(Payload):
    redemption: CouponRedemption | None = strawberry.field(default=None, description="The redemption.")
    wallet: Wallet | None = strawberry.field(default=None, description="The wallet as it is now.")
