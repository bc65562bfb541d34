"""Coupons through HTTP: who makes them, what they give, and that no limit is passed however many come at once."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.wiring import CODES_MAX
from domain.accounts import Role
from tests.graphql.clients import Person, Site
from tests.graphql.test_plans import WALLET, available, begin, coupon, made, rows

INVALID = ("COUPON_INVALID", ["input", "code"])
COUPONS = """{ coupons(first: 1) { edges { node { id code kind percent amount { amount } redeemed redemptionsMax
  tenantRedemptionsMax planIds minimum { amount } active } } } }"""


@pytest.fixture
async def owner(site: Site) -> Person:
    """Of a tenant with no credit at all."""
    return await site.tenant(credit_micros=0)


async def redeem(person: Person, code: str, key: str = "k") -> Any:
    fields = "redemption { id periodsLeft } wallet { available { amount } }"
    return await person.mutate("couponRedeem", fields, code=code, idempotencyKey=key)


async def invoiced(person: Person) -> list[int]:
    """The totals of the tenant's invoices."""
    return [row[0] for row in await rows(person, "select total_micros from app.invoices order by id")]


async def test_credit_is_there_at_once_and_expires_when_it_says(platform: Person, owner: Person) -> None:
    code = await coupon(platform, "CREDIT", amount="2.5", expiresDays=30)
    payload = await redeem(owner, f"  {code.lower()} ")
    assert (payload["userErrors"], payload["wallet"]["available"]["amount"]) == ([], "2.5")
    [grant] = (await owner(WALLET))["grants"]
    left = datetime.fromisoformat(grant["expiresAt"]) - datetime.now(UTC)
    assert (grant["source"], left.days) == ("COUPON", 29)
    assert (await redeem(owner, f"  {code.lower()} "))["redemption"] == payload["redemption"]
    assert await owner.refusal("couponRedeem", code=code, idempotencyKey="k2") == INVALID, "once a tenant"
    assert await available(owner) == Decimal("2.5")


async def test_of_fifty_at_once_as_many_redeem_as_there_are_redemptions(platform: Person, site: Site) -> None:
    code = await coupon(platform, "CREDIT", amount="1", redemptionsMax=20)
    tenants = [await site.tenant(credit_micros=0) for _ in range(50)]
    answers = await asyncio.gather(*(redeem(one, code) for one in tenants))
    codes = [one["userErrors"][0]["code"] if one["userErrors"] else "" for one in answers]
    assert (codes.count(""), codes.count("COUPON_INVALID")) == (20, 30)
    assert sum([await available(one) for one in tenants]) == 20
    [newest] = (await platform(COUPONS))["edges"]
    assert (newest["node"]["redeemed"], newest["node"]["redemptionsMax"]) == (20, 20)


async def test_a_tenant_redeems_no_more_often_than_it_may_however_many_come_at_once(
    platform: Person, owner: Person
) -> None:
    code = await coupon(platform, "CREDIT", amount="1", tenantRedemptionsMax=3)
    answers = await asyncio.gather(*(redeem(owner, code, f"k{n}") for n in range(10)))
    assert sum(not one["userErrors"] for one in answers) == 3
    assert await available(owner) == 3
    [newest] = (await platform(COUPONS))["edges"]
    assert newest["node"]["redeemed"] == 3, "what is refused is not counted"


async def test_every_code_that_cannot_be_redeemed_has_the_same_answer(platform: Person, owner: Person) -> None:
    now = datetime.now(UTC)
    later, earlier = (now + timedelta(days=1)).isoformat(), (now - timedelta(seconds=1)).isoformat()
    disabled = await coupon(platform, "CREDIT", amount="1")
    [newest] = (await platform(COUPONS))["edges"]
    await platform.mutate("couponDisable", id=newest["node"]["id"])
    codes = [
        "NO-SUCH-CODE", "", "%", "x" * 10_000, "\u0000", disabled,
        await coupon(platform, "CREDIT", amount="1", validFrom=later),
        await coupon(platform, "CREDIT", amount="1", validTo=earlier),
    ]  # fmt: skip
    answers = [(await redeem(owner, code, f"k{n}"))["userErrors"] for n, code in enumerate(codes)]
    assert {(one[0]["code"], one[0]["message"]) for one in answers} == {
        ("COUPON_INVALID", "This code cannot be redeemed.")
    }


async def test_who_guesses_has_to_wait(platform: Person, owner: Person) -> None:
    code = await coupon(platform, "CREDIT", amount="1")
    for n in range(CODES_MAX - 1):
        assert await owner.refusal("couponRedeem", code=f"GUESS-{n}", idempotencyKey=f"k{n}") == INVALID
    assert (await redeem(owner, code, "last"))["userErrors"] == []
    assert (await owner.refusal("couponRedeem", code=code, idempotencyKey="more"))[0] == "RATE_LIMITED"
    plan = await made(platform)
    refusal = await owner.refusal("planSubscribe", planId=plan, couponCode="GUESS-X", idempotencyKey="more")
    assert refusal[0] == "RATE_LIMITED"


async def test_a_part_is_taken_off_the_fees_of_so_many_periods(platform: Person, owner: Person) -> None:
    plan, code = await made(platform), await coupon(platform, "PERCENT", percent=25, periods=2)
    begun = await begin(owner, plan, couponCode=code)
    assert begun["userErrors"] == []
    assert await invoiced(owner) == [7_500_000]
    [left] = await rows(owner, "select periods_left from app.coupon_redemptions")
    assert left == (1,)


async def test_an_amount_is_kept_for_the_next_fee_that_it_is_good_for(platform: Person, owner: Person) -> None:
    cheap, dear = await made(platform, "5"), await made(platform, "20")
    code = await coupon(platform, "AMOUNT", amount="8", planIds=[dear], minimum="6")
    assert (await redeem(owner, code))["redemption"]["periodsLeft"] == 1
    await begin(owner, cheap)
    await owner.mutate("subscriptionCancel", atPeriodEnd=False)
    await begin(owner, dear, "k2")
    assert await invoiced(owner) == [5_000_000, 12_000_000]


async def test_a_code_that_is_not_good_for_a_plan_begins_nothing(platform: Person, owner: Person) -> None:
    cheap, dear = await made(platform, "5"), await made(platform, "20")
    for code in (
        await coupon(platform, "AMOUNT", amount="8", planIds=[dear]),
        await coupon(platform, "PERCENT", percent=10, minimum="5.01"),
        await coupon(platform, "CREDIT", amount="1"),
    ):
        refusal = await owner.refusal("planSubscribe", planId=cheap, couponCode=code, idempotencyKey="k")
        assert refusal == ("COUPON_INVALID", ["input", "couponCode"])
    assert await owner("{ subscription { id } }") is None
    assert await rows(owner, "select 1 from app.coupon_redemptions") == []


async def test_a_whole_fee_off_is_paid_at_once(platform: Person, owner: Person) -> None:
    plan, code = await made(platform, includedCredit="3"), await coupon(platform, "PERCENT", percent=100)
    begun = await begin(owner, plan, couponCode=code)
    assert begun["subscription"]["state"] == "ACTIVE"
    assert await available(owner) == 3


@pytest.mark.parametrize("role", [Role.OWNER, Role.BILLING, Role.ADMIN, Role.AUTHOR, Role.VIEWER])
async def test_only_who_pays_redeems(platform: Person, owner: Person, site: Site, role: Role) -> None:
    member, code = await site.member(owner, role), await coupon(platform, "CREDIT", amount="1")
    query = "mutation ($i: CouponRedeemInput!) { couponRedeem(input: $i) { userErrors { code } } }"
    answer = await member.ask(query, i={"code": code, "idempotencyKey": "k"})
    assert ("errors" not in answer) is (role in {Role.OWNER, Role.BILLING})
    assert await available(owner) == (1 if role in {Role.OWNER, Role.BILLING} else 0)


async def test_coupons_are_the_platforms(owner: Person) -> None:
    assert await owner.code(COUPONS) == "FORBIDDEN"
    query = "mutation ($i: CouponCreateInput!) { couponCreate(input: $i) { userErrors { code } } }"
    assert await owner.code(query, i={"code": "ABCDEF", "kind": "CREDIT", "amount": "1"}) == "FORBIDDEN"


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("CREDIT", {}, "amount"),
        ("CREDIT", {"amount": "0"}, "amount"),
        ("CREDIT", {"amount": "1", "percent": 5}, "amount"),
        ("CREDIT", {"amount": "1", "expiresDays": 0}, "expiresDays"),
        ("PERCENT", {"percent": 0}, "percent"),
        ("PERCENT", {"percent": 101}, "percent"),
        ("PERCENT", {"percent": 5, "amount": "1"}, "percent"),
        ("PERCENT", {"percent": 5, "expiresDays": 3}, "expiresDays"),
        ("AMOUNT", {"amount": "1", "periods": 0}, "periods"),
        ("AMOUNT", {"amount": "1", "redemptionsMax": 0}, "redemptionsMax"),
        ("AMOUNT", {"amount": "1", "tenantRedemptionsMax": 0}, "tenantRedemptionsMax"),
        ("AMOUNT", {"amount": "1", "minimum": "-1"}, "minimum"),
        ("AMOUNT", {"amount": "1", "validFrom": "2030-01-01T00:00:00Z", "validTo": "2030-01-01T00:00:00Z"}, "validTo"),
        ("AMOUNT", {"amount": "1", "code": "SHORT"}, "code"),
        ("AMOUNT", {"amount": "1", "code": "with space"}, "code"),
    ],
)
async def test_what_no_coupon_can_be_is_refused(
    platform: Person, kind: str, values: dict[str, Any], field: str
) -> None:
    input_ = {"code": f"C-{secrets.token_hex(8)}", "kind": kind, **values}
    assert await platform.refusal("couponCreate", **input_) == ("BAD_USER_INPUT", ["input", field])


async def test_a_code_is_taken_in_any_case(platform: Person) -> None:
    code = await coupon(platform, "CREDIT", amount="1")
    assert await platform.refusal("couponCreate", code=code.lower(), kind="CREDIT", amount="1") == (
        "ALREADY_EXISTS", ["input", "code"])  # fmt: skip
