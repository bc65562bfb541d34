"""Coupons: codes of the platform that give credit, or take something off coming fees.

Nobody learns from a refusal whether a code exists: whatever stands in the way, the answer is the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

from domain.accounts import Actor, Permission
from domain.billing.grants import GrantSource
from domain.billing.ledger import grant_entry
from domain.billing.money import AMOUNT_MICROS_MAX
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import CouponId, PlanId, RedemptionId, TenantId, new_id
from domain.jobs import claim, scoped_key
from domain.plans.entities import PlanVersion
from domain.text import clean_line

if TYPE_CHECKING:
    from domain.unit_of_work import UnitOfWork

_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{5,39}")
CODE_CHARS_MAX = 100
PERIODS_MAX = 120
EXPIRES_DAYS_MAX = 3_650
PLANS_MAX = 100
REDEMPTIONS_MAX = 1_000_000_000


class CouponKind(StrEnum):
    """What a coupon gives."""

    CREDIT = "CREDIT"
    PERCENT = "PERCENT"
    AMOUNT = "AMOUNT"


@dataclass(eq=False)
class Coupon:
    """`value` is in micro-units, of a PERCENT coupon in hundredths of the fee.

    `periods` is how many fees become less, `expires_days` how long its credit lasts, `plan_ids` which plans' fees it is
    good for (none: any), `minimum_micros` the least fee that it takes something off.
    """

    id: CouponId
    code: str
    kind: str
    value: int
    periods: int = 1
    expires_days: int | None = None
    plan_ids: list[str] = field(default_factory=list)
    redemptions_max: int | None = None
    tenant_redemptions_max: int = 1
    minimum_micros: int = 0
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    active: bool = True
    redeemed: int = 0
    created_at: datetime | None = None

    def off(self, version: PlanVersion) -> int:
        """What it takes off a version's fee; 0 where it is not good for it."""
        fee = version.price_micros
        if self.kind == CouponKind.CREDIT or fee < self.minimum_micros:
            return 0
        if self.plan_ids and str(version.plan_id) not in self.plan_ids:
            return 0
        return fee * self.value // 100 if self.kind == CouponKind.PERCENT else min(self.value, fee)


@dataclass(eq=False)
class Redemption:
    """`reference` says what it was redeemed for. `periods_left` is how many fees it still makes less."""

    tenant_id: TenantId
    id: RedemptionId
    coupon_id: CouponId
    reference: str
    periods_left: int = 0
    created_at: datetime | None = None


# -- the platform ----------------------------------------------------------------------------------------------------


async def create_coupon(uow: UnitOfWork, actor: Actor, coupon: Coupon) -> Coupon:
    """Raises Rejected for what no coupon can be, ALREADY_EXISTS for a code that is taken."""
    actor.require(Permission.PLATFORM)
    coupon.code = clean_line(coupon.code, "code").upper()
    for wrong, name, message in _faults(coupon):
        if wrong:
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", name)
    for plan_id in coupon.plan_ids:
        if await uow.plans.plan(PlanId(UUID(plan_id))) is None:
            raise NotFound("The plan", "input", "planIds")
    if not await uow.coupons.add(coupon):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "There is a coupon with this code.", "input", "code")
    return coupon


def _faults(one: Coupon) -> list[tuple[bool, str, str]]:
    percent, credit = one.kind == CouponKind.PERCENT, one.kind == CouponKind.CREDIT
    most, days = one.redemptions_max, one.expires_days
    ends = one.valid_from is not None and one.valid_to is not None and one.valid_to <= one.valid_from
    return [
        (not _CODE.fullmatch(one.code), "code", "A code has 6 to 40 letters of A to Z, digits and hyphens."),
        (percent and not 1 <= one.value <= 100, "percent", "Between 1 and 100 per cent."),
        (not percent and not 1 <= one.value <= AMOUNT_MICROS_MAX, "amount", "A coupon is worth more than nothing."),
        (not 1 <= one.periods <= PERIODS_MAX, "periods", f"Between 1 and {PERIODS_MAX} periods."),
        (days is not None and not (credit and 1 <= days <= EXPIRES_DAYS_MAX), "expiresDays",
         f"Credit lasts 1 to {EXPIRES_DAYS_MAX:,} days, or for ever; nothing else expires."),
        (most is not None and not 1 <= most <= REDEMPTIONS_MAX, "redemptionsMax", "At least one redemption."),
        (not 1 <= one.tenant_redemptions_max <= REDEMPTIONS_MAX, "tenantRedemptionsMax", "At least one redemption."),
        (len(one.plan_ids) > PLANS_MAX, "planIds", f"At most {PLANS_MAX} plans."),
        (credit and bool(one.plan_ids), "planIds", "Credit is not for a plan."),
        (one.minimum_micros < 0, "minimum", "A fee is not below zero."),
        (ends, "validTo", "It ends after it begins."),
    ]  # fmt: skip


async def disable_coupon(uow: UnitOfWork, actor: Actor, coupon_id: CouponId) -> Coupon:
    """Idempotent. What was redeemed before stays."""
    actor.require(Permission.PLATFORM)
    coupon = await uow.coupons.coupon(coupon_id)
    if coupon is None:
        raise NotFound("The coupon", "input", "id")
    coupon.active = False
    return coupon


# -- a tenant --------------------------------------------------------------------------------------------------------


async def redeem(uow: UnitOfWork, actor: Actor, code: str, idempotency_key: str) -> RedemptionId:
    """Give a coupon's credit at once, or keep it for the next fees. Raises Rejected, always with one answer."""
    actor.require(Permission.BILLING)
    key = scoped_key(actor.principal, "couponRedeem", idempotency_key, {"code": code})
    if (before := await claim(uow.jobs, key)) is not None:
        return RedemptionId(before)
    redemption = await take_code(uow, code, f"{key.principal}:{key.key}")
    await uow.jobs.complete_key(key, redemption.id)
    return redemption.id


async def take_code(uow: UnitOfWork, code: str, reference: str, field_name: str = "code") -> Redemption:
    """Raises Rejected. What was counted is counted no more when the transaction is rolled back."""
    coupon = await uow.coupons.take(_plain(code))
    if coupon is None or await uow.coupons.count_redemptions(coupon.id) >= coupon.tenant_redemptions_max:
        raise _invalid(field_name)
    periods = 0 if coupon.kind == CouponKind.CREDIT else coupon.periods
    redemption = Redemption(uow.tenant_id, RedemptionId(new_id()), coupon.id, reference, periods, uow.now)
    await uow.coupons.add_redemption(redemption)
    if coupon.kind == CouponKind.CREDIT:
        expires_at = uow.now + timedelta(days=coupon.expires_days) if coupon.expires_days else None
        entry = grant_entry(f"coupon:{redemption.id}", coupon.value, GrantSource.COUPON, expires_at=expires_at)
        await uow.billing.post(entry)
    return redemption


@dataclass(frozen=True, slots=True)
class Discount:
    """What a coupon takes off a fee."""

    redemption_id: RedemptionId
    code: str
    micros: int


async def discount(uow: UnitOfWork, version: PlanVersion, reference: str, code: str | None = None) -> Discount | None:
    """What is taken off a fee by the oldest coupon that is good for it, which uses up one of its periods.

    With a code, by that one, redeemed now unless it was before. Raises Rejected when it is not good for this.
    """
    found = await _first(uow, version, code)
    if found is None and code is not None:
        await take_code(uow, code, reference, "couponCode")
        found = await _first(uow, version, code)
        if found is None:
            raise _invalid("couponCode")
    if found is None:
        return None
    redemption, coupon = found
    redemption.periods_left -= 1
    return Discount(redemption.id, coupon.code, coupon.off(version))


async def _first(uow: UnitOfWork, version: PlanVersion, code: str | None) -> tuple[Redemption, Coupon] | None:
    wanted = _plain(code) if code is not None else None
    for redemption, coupon in await uow.coupons.discounts():
        if coupon.off(version) and wanted in {None, coupon.code}:
            return redemption, coupon
    return None


def _plain(code: str) -> str:
    return code.strip().upper()[:CODE_CHARS_MAX].replace("\0", "")


def _invalid(field_name: str) -> Rejected:
    return Rejected(ErrorCode.COUPON_INVALID, "This code cannot be redeemed.", "input", field_name)
