"""Credit that is paid for without being asked: when it runs low, one payment at a time, so much a month."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from app.payments import payment_duties
from app.settings import Settings
from domain.ids import new_id
from domain.payments.automatic import top_up_if_low
from persistence.database import Database, create_engine
from persistence.payments.due import DuePayments
from tests.conftest import opened_site
from tests.fakes.stripe_server import DECLINE, ERROR, FakeStripe
from tests.graphql.clients import Person, Site
from tests.graphql.paying import METHODS, available, left_alone, payments, told, with_card
from workers.jobs import Duty

SET = "automaticTopUp { threshold amount monthlyLimit enabled failures }"
AS_IT_IS = "{ automaticTopUp { enabled failures } }"


@pytest.fixture
async def payer(site: Site, stripe: FakeStripe) -> Person:
    """Has 10.00 and a saved card."""
    return await with_card(await site.tenant(credit_micros=0), site, stripe)


@pytest.fixture
async def duties(settings: Settings, site: Site) -> AsyncIterator[dict[str, Duty]]:
    """As the relay runs them."""
    relay = create_engine(settings.database_relay_url.get_secret_value(), pool_size=1)
    yield payment_duties(DuePayments(relay, site.api.database.engine), site.api.services.payments)
    await relay.dispose()


async def decide(person: Person, **values: Any) -> Any:
    wanted = {"threshold": "5.00", "amount": "20.00", "monthlyLimit": "40.00", "enabled": True} | values
    return await person.mutate("automaticTopUpSet", SET, **wanted)


async def spend(platform: Person, person: Person, amount: str) -> None:
    await platform.mutate(
        "creditAdjust", amount=f"-{amount}", reason="spent", idempotencyKey=str(new_id()), tenantId=person.tenant_gid
    )


async def made(person: Person) -> list[str]:
    return [one["state"] for one in await payments(person) if one["purpose"] == "AUTO_TOP_UP"]


async def test_credit_that_falls_below_the_threshold_is_paid_for_by_the_minute(
    platform: Person, payer: Person, stripe: FakeStripe, duties: dict[str, Duty]
) -> None:
    decided = await decide(payer)
    assert decided["automaticTopUp"] == {
        "threshold": "5", "amount": "20", "monthlyLimit": "40", "enabled": True, "failures": 0}  # fmt: skip
    await spend(platform, payer, "5.00")
    await duties["payments.top_up"].run()
    assert (await available(payer), stripe.charged) == (5, [])  # not below it
    await spend(platform, payer, "0.000001")
    for _ in range(2):
        await duties["payments.top_up"].run()
    assert (stripe.charged, await made(payer)) == ([2_000], ["SUCCEEDED"])
    assert "PAYMENT_SUCCEEDED" in await told(payer)


async def test_a_month_has_its_limit(platform: Person, payer: Person, site: Site, stripe: FakeStripe) -> None:
    await decide(payer)
    for spent in ("10.00", "20.00", "20.00"):
        await spend(platform, payer, spent)
        await top_up_if_low(site.api.services.payments, payer.tenant_id)
    assert (stripe.charged, await available(payer)) == ([2_000, 2_000], 0)
    await decide(payer, monthlyLimit="59.99")
    assert await top_up_if_low(site.api.services.payments, payer.tenant_id) is None
    await decide(payer, monthlyLimit="60.00")
    await top_up_if_low(site.api.services.payments, payer.tenant_id)
    assert await available(payer) == 20


async def test_two_who_see_the_same_wallet_make_the_same_payment(
    platform: Person, payer: Person, site: Site, stripe: FakeStripe
) -> None:
    await decide(payer)
    await spend(platform, payer, "10.00")
    await asyncio.gather(*(top_up_if_low(site.api.services.payments, payer.tenant_id) for _ in range(10)))
    assert (stripe.charged, await available(payer)) == ([2_000], 20)


async def test_while_one_is_pending_there_is_no_other(
    platform: Person, payer: Person, site: Site, stripe: FakeStripe
) -> None:
    await decide(payer)
    await spend(platform, payer, "10.00")
    stripe.faults.append(("/confirm", ERROR))
    for _ in range(3):
        await top_up_if_low(site.api.services.payments, payer.tenant_id)
    assert (await made(payer), len(stripe.intents), stripe.charged) == (["PENDING"], 1, [])


async def test_after_three_failures_in_a_row_it_is_off_and_says_so(
    platform: Person, payer: Person, site: Site, stripe: FakeStripe, admin: Database
) -> None:
    await decide(payer)
    await spend(platform, payer, "10.00")
    for number in range(1, 4):
        stripe.faults.append(("/confirm", DECLINE))
        for _ in range(2):  # the second comes too soon
            await top_up_if_low(site.api.services.payments, payer.tenant_id)
        assert await payer(AS_IT_IS) == {"enabled": number < 3, "failures": number}
        await _hours_pass(admin, payer)
    assert await top_up_if_low(site.api.services.payments, payer.tenant_id) is None
    assert (await told(payer))[:3] == ["AUTOMATIC_TOP_UP_OFF", "PAYMENT_FAILED", "PAYMENT_FAILED"]
    mails = await admin.platform_rows(
        text("select params from app.mails where tenant_id = :t and template = 'top_up_failed' order by id").bindparams(
            t=payer.tenant_id
        )
    )
    assert [row.params["failures"] for row in mails] == ["1", "2", "3"]
    await decide(payer)
    assert (await top_up_if_low(site.api.services.payments, payer.tenant_id)) is not None
    assert (await available(payer), await payer(AS_IT_IS)) == (20, {"enabled": True, "failures": 0})


async def _hours_pass(admin: Database, person: Person) -> None:
    statement = "update app.payments set finished_at = finished_at - interval '61 minutes' where tenant_id = :t"
    async with admin.engine.begin() as connection:
        await connection.execute(text(statement), {"t": person.tenant_id})


async def test_without_a_card_it_fails_without_asking_stripe(
    platform: Person, payer: Person, site: Site, stripe: FakeStripe
) -> None:
    await decide(payer)
    await spend(platform, payer, "10.00")
    [card] = await payer(METHODS)
    await payer.mutate("paymentMethodRemove", id=card["id"])
    stripe.requests.clear()
    await top_up_if_low(site.api.services.payments, payer.tenant_id)
    assert (await made(payer), stripe.requests) == (["FAILED"], [])


async def test_the_simulated_service_needs_no_card(settings: Settings) -> None:
    async with opened_site(settings) as site:
        assert (await site.http.post("/webhooks/stripe")).status_code in {404, 405}  # nobody signs anything here
        person = await site.tenant(credit_micros=0)
        await decide(person)
        await top_up_if_low(site.api.services.payments, person.tenant_id)
        assert await available(person) == 20


async def test_what_is_pending_too_long_is_asked_about_by_the_clock(
    payer: Person, platform: Person, stripe: FakeStripe, admin: Database, site: Site, duties: dict[str, Duty]
) -> None:
    await decide(payer)
    await spend(platform, payer, "10.00")
    stripe.faults.append(("/confirm", ERROR))
    await top_up_if_low(site.api.services.payments, payer.tenant_id)
    await duties["payments.ask"].run()
    assert await made(payer) == ["PENDING"]
    await left_alone(admin, payer)
    await duties["payments.ask"].run()
    assert (await made(payer), stripe.charged) == (["FAILED"], [])


async def test_events_are_remembered_for_a_month(duties: dict[str, Duty], admin: Database) -> None:
    rows = "insert into app.payment_events (gateway, event_id, received_at) values ('STRIPE', :e, now() - cast(:a as interval))"
    async with admin.engine.begin() as connection:
        await connection.execute(text(rows.replace(":a", "'29 days 23 hours'")), {"e": "young"})
        await connection.execute(text(rows.replace(":a", "'30 days 1 minute'")), {"e": "old"})
    await duties["payment_events.forget"].run()
    left = await admin.platform_rows(text("select event_id from app.payment_events where event_id in ('young', 'old')"))
    assert [row.event_id for row in left] == ["young"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("threshold", "0"), ("threshold", "-1"), ("amount", "0.49"), ("amount", "0.505"), ("monthlyLimit", "19.99")],
)
async def test_what_cannot_be_is_refused(payer: Person, field: str, value: str) -> None:
    wanted = {"threshold": "5", "amount": "20", "monthlyLimit": "20", "enabled": True} | {field: value}
    assert await payer.refusal("automaticTopUpSet", **wanted) == ("BAD_USER_INPUT", ["input", field])
    await payer.mutate("automaticTopUpSet", SET, threshold="0.000001", amount="0.50", monthlyLimit="0.50", enabled=True)
