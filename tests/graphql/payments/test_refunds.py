"""Money that goes back, by us, by Stripe's own desk or by a bank: the wallet loses what it should, and once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.billing.grants import GrantSource
from domain.billing.ledger import grant_entry
from domain.ids import new_id
from domain.payments.refunds import Refunds
from persistence.database import Database
from tests.fakes.stripe_server import ERROR, FakeStripe
from tests.graphql.clients import Person, Site
from tests.graphql.paying import available, entries, left_alone, payments, told, top_up, units, with_card

BACK = """refund { state origin reason amount { amount } taken { amount } } wallet { available { amount } }"""


@pytest.fixture
async def payer(site: Site, stripe: FakeStripe) -> Person:
    """Has paid 10.00 at a page and 20.00 with a card: the newest of `payments`."""
    person = await with_card(await site.tenant(credit_micros=0), site, stripe)
    await top_up(person, "20.00")
    await stripe.tell_all(site.url)
    return person


@pytest.fixture
async def paid(payer: Person) -> Any:
    return (await payments(payer))[0]


async def pay_back(platform: Person, payer: Person, paid: Any, amount: str, key: str = "k") -> Any:
    return await platform.mutate(
        "paymentRefund", BACK, paymentId=paid["id"], amount=amount, reason="a complaint", idempotencyKey=key,
        tenantId=payer.tenant_gid,
    )  # fmt: skip


async def refused(platform: Person, payer: Person, paid: Any, amount: str, key: str = "k") -> Any:
    return await platform.refusal(
        "paymentRefund", paymentId=paid["id"], amount=amount, reason="a complaint", idempotencyKey=key,
        tenantId=payer.tenant_gid,
    )  # fmt: skip


def sent(stripe: FakeStripe) -> list[int]:
    return [one["amount"] for one in stripe.refunds.values()]


async def test_a_refund_takes_the_credit_and_sends_the_money_once(
    platform: Person, payer: Person, paid: Any, site: Site, stripe: FakeStripe
) -> None:
    for _ in range(2):
        made = await pay_back(platform, payer, paid, "5.00")
        assert (made["userErrors"], made["refund"]["state"], made["wallet"]) == (
            [], "SUCCEEDED", {"available": {"amount": "25"}})  # fmt: skip
    assert await stripe.tell_all(site.url) == [200]
    after = (await payments(payer))[0]
    assert (after["state"], units(after["refunded"])) == ("SUCCEEDED", 5)
    assert (sent(stripe), await available(payer), (await entries(payer))[0]["kind"]) == ([500], 25, "REFUND")
    made = await pay_back(platform, payer, paid, "15.00", "the rest")
    after = (await payments(payer))[0]
    assert (after["state"], sent(stripe), await available(payer)) == ("REFUNDED", [500, 1_500], 10)
    assert await refused(platform, payer, paid, "0.01", "more") == ("INVALID_STATE", ["input", "paymentId"])


async def test_twenty_refunds_with_one_key_are_one(
    platform: Person, payer: Person, paid: Any, stripe: FakeStripe
) -> None:
    await asyncio.gather(*(pay_back(platform, payer, paid, "5.00") for _ in range(20)))
    assert (sent(stripe), await available(payer)) == ([500], 25)
    assert await refused(platform, payer, paid, "6.00") == ("IDEMPOTENCY_CONFLICT", ["input", "idempotencyKey"])


@pytest.mark.parametrize(("amount", "code"), [("20.01", "BAD_USER_INPUT"), ("0", "BAD_USER_INPUT"), ("0.001", "BAD_USER_INPUT")])  # fmt: skip
async def test_no_more_goes_back_than_was_paid_and_whole_cents(
    platform: Person, payer: Person, paid: Any, stripe: FakeStripe, amount: str, code: str
) -> None:
    assert await refused(platform, payer, paid, amount) == (code, ["input", "amount"])
    assert (await pay_back(platform, payer, paid, "20.00"))["userErrors"] == []
    assert await refused(platform, payer, paid | {"id": payer.tenant_gid}, "1") == (
        "BAD_USER_INPUT", ["input", "paymentId"])  # fmt: skip


async def test_credit_that_is_held_or_was_only_given_does_not_go_back(
    platform: Person, payer: Person, paid: Any, site: Site, stripe: FakeStripe
) -> None:
    async with site.api.services.units(payer.tenant_id) as uow:  # 30 paid, 30 given
        await uow.billing.post(grant_entry("gift", 30_000_000, GrantSource.GIFT))
    platform_key = {"reason": "spent", "tenantId": payer.tenant_gid}
    await platform.mutate("creditAdjust", amount="-45.00", idempotencyKey=str(new_id()), **platform_key)
    assert await available(payer) == 15
    assert await refused(platform, payer, paid, "15.01") == ("QUOTA_EXHAUSTED", ["input", "amount"])
    assert sent(stripe) == []
    assert (await pay_back(platform, payer, paid, "15.00"))["refund"]["state"] == "SUCCEEDED"


async def test_a_refund_that_stripe_refuses_gives_the_credit_back(
    platform: Person, payer: Person, paid: Any, stripe: FakeStripe
) -> None:
    next(iter(stripe.intents.values()))["amount"] = 0  # Stripe has less to pay back than we know
    for _ in range(2):
        made = await pay_back(platform, payer, paid, "5.00")
        assert [one["code"] for one in made["userErrors"]] == ["PAYMENT_REFUSED"]
        assert (made["refund"]["state"], units(made["refund"]["taken"])) == ("FAILED", 0)
    assert await available(payer) == 30
    assert [one["kind"] for one in await entries(payer)][:2] == ["REVERSAL", "REFUND"]
    assert units((await payments(payer))[0]["refunded"]) == 0


@pytest.mark.parametrize("sent_before", [True, False])
async def test_a_refund_without_an_answer_is_brought_to_its_end_by_the_clock(
    platform: Person, payer: Person, paid: Any, site: Site, stripe: FakeStripe, admin: Database, sent_before: bool
) -> None:
    if sent_before:
        stripe.before_answer = _lose_refunds(stripe)
    else:
        stripe.faults.append(("/refunds", ERROR))
    assert (await pay_back(platform, payer, paid, "5.00"))["refund"]["state"] == "PENDING"
    assert (await available(payer), sent(stripe)) == (25, [500] if sent_before else [])
    stripe.before_answer = None
    service = site.api.services.payments
    refunds = Refunds(service.units, service.gateway)
    assert await refunds.ask(payer.tenant_id) == 0  # it is too young to be asked about
    await left_alone(admin, payer)
    assert (await refunds.ask(payer.tenant_id), await refunds.ask(payer.tenant_id)) == (1, 0)
    assert (sent(stripe), await available(payer)) == ([500], 25)
    assert (await payments(payer))[0]["refunds"][0]["state"] == "SUCCEEDED"


def _lose_refunds(stripe: FakeStripe) -> Any:
    """The money goes, and no answer arrives that would say so."""

    async def lose(path: str) -> None:
        if path.endswith("/refunds") and stripe.refunds:
            raise ConnectionResetError

    return lose


async def test_a_refund_whose_money_somebody_else_has_sent_leaves_the_wallet_once(
    platform: Person, payer: Person, paid: Any, site: Site, stripe: FakeStripe, admin: Database
) -> None:
    stripe.faults.append(("/refunds", ERROR))
    assert (await pay_back(platform, payer, paid, "20.00"))["refund"]["state"] == "PENDING"
    stripe.pay_back(next(iter(stripe.intents)), 2_000)
    assert await stripe.tell_all(site.url) == [200]
    await left_alone(admin, payer)
    service = site.api.services.payments
    assert await Refunds(service.units, service.gateway).ask(payer.tenant_id) == 1
    after = (await payments(payer))[0]
    assert (after["state"], units(after["refunded"]), await available(payer)) == ("REFUNDED", 20, 10)
    assert sorted((one["origin"], one["state"]) for one in after["refunds"]) == [
        ("GATEWAY", "SUCCEEDED"), ("PLATFORM", "FAILED")]  # fmt: skip


@pytest.mark.parametrize("counted", [True, False])
async def test_a_refund_that_fails_after_all_gives_the_credit_back_once(
    platform: Person, payer: Person, paid: Any, site: Site, stripe: FakeStripe, counted: bool
) -> None:
    await pay_back(platform, payer, paid, "15.00", "first")
    await pay_back(platform, payer, paid, "5.00")
    assert (await stripe.tell_all(site.url), await available(payer)) == ([200, 200], 10)
    stripe.fail_refund(counted=counted)
    assert await stripe.tell_all(site.url) == [200, 200]
    after = (await payments(payer))[0]
    assert (after["state"], units(after["refunded"]), await available(payer)) == ("SUCCEEDED", 15, 15)
    assert sorted(one["state"] for one in after["refunds"]) == ["FAILED", "SUCCEEDED"]


# What goes back without us.


async def test_what_stripes_desk_paid_back_leaves_the_wallet_once(
    payer: Person, paid: Any, site: Site, stripe: FakeStripe
) -> None:
    stripe.pay_back(next(iter(stripe.intents)), 300)
    [event] = stripe.events
    assert await asyncio.gather(*(stripe.tell(site.url, event) for _ in range(3))) == [200] * 3
    assert await available(payer) == 27
    after = (await payments(payer))[0]
    assert [(one["origin"], units(one["taken"])) for one in after["refunds"]] == [("GATEWAY", 3)]
    assert "PAYMENT_LOST" in await told(payer)


async def test_a_bank_takes_what_is_there_and_gives_it_back_when_it_was_wrong(
    platform: Person, payer: Person, paid: Any, site: Site, stripe: FakeStripe
) -> None:
    await platform.mutate(
        "creditAdjust", amount="-18", reason="spent", idempotencyKey=str(new_id()), tenantId=payer.tenant_gid
    )
    [intent_id] = stripe.intents
    stripe.dispute(intent_id, 2_000)
    assert await stripe.tell_all(site.url) == [200]
    after = (await payments(payer))[0]
    assert (await available(payer), after["state"]) == (0, "REFUNDED")
    [lost] = after["refunds"]
    assert (lost["origin"], units(lost["amount"]), units(lost["taken"])) == ("DISPUTE", 20, 12)
    for _ in range(2):
        stripe.dispute(intent_id, 2_000, "won")
        assert await stripe.tell_all(site.url) == [200]
    after = (await payments(payer))[0]
    assert (await available(payer), after["state"], units(after["refunded"])) == (12, "SUCCEEDED", 0)


async def test_a_dispute_that_is_lost_takes_nothing_more(
    payer: Person, paid: Any, site: Site, stripe: FakeStripe
) -> None:
    [intent_id] = stripe.intents
    for status in ("needs_response", "lost"):
        stripe.dispute(intent_id, 500, status)
        await stripe.tell_all(site.url)
    assert await available(payer) == 25


@pytest.mark.parametrize("status", ["warning_needs_response", "warning_under_review", "warning_closed", "prevented"])
async def test_a_bank_that_only_asks_takes_nothing(
    payer: Person, paid: Any, site: Site, stripe: FakeStripe, status: str
) -> None:
    stripe.dispute(next(iter(stripe.intents)), 2_000, status)
    assert await stripe.tell_all(site.url) == [200]
    assert (await available(payer), (await payments(payer))[0]["refunds"]) == (30, [])


async def test_a_bank_that_asked_first_takes_when_it_disputes(
    payer: Person, paid: Any, site: Site, stripe: FakeStripe
) -> None:
    [intent_id] = stripe.intents
    for status, left in (("warning_needs_response", 30), ("needs_response", 10)):
        stripe.dispute(intent_id, 2_000, status)
        assert await stripe.tell_all(site.url) == [200]
        assert await available(payer) == left


async def test_a_dispute_that_was_won_before_its_first_event_came_takes_nothing(
    payer: Person, paid: Any, site: Site, stripe: FakeStripe
) -> None:
    [intent_id] = stripe.intents
    for status in ("needs_response", "won"):
        stripe.dispute(intent_id, 2_000, status)
    assert await stripe.tell_all(site.url) == [200, 200]
    assert (await available(payer), (await payments(payer))[0]["refunds"]) == (30, [])


async def test_an_owner_pays_nothing_back_to_himself(payer: Person, paid: Any) -> None:
    query = "mutation ($i: PaymentRefundInput!) { paymentRefund(input: $i) { userErrors { code } } }"
    given = {"paymentId": paid["id"], "amount": "1", "reason": "r", "idempotencyKey": "k"}
    assert await payer.code(query, i=given) == "FORBIDDEN"
