"""Payments through Stripe's own library against a local Stripe: whatever happens on the wire, money counts once."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from unittest.mock import ANY

import pytest

from adapters.payments_stripe import StripeGateway
from app.stripe_webhook import BODY_BYTES_MAX
from domain.ids import TenantId, new_id
from domain.invoices import InvoiceItem, InvoiceReason, InvoiceTerms, ItemKind, Seller
from domain.invoices.service import issue
from domain.payments.port import GatewayUnavailable
from persistence.database import Database
from schema.ids import encode_id
from tests.fakes.stripe_server import (
    API_KEY,
    DECLINE,
    ERROR,
    HANG,
    LOST,
    NEEDS_ACTION,
    WEBHOOK_SECRET,
    FakeStripe,
)
from tests.graphql.clients import Person, Site
from tests.graphql.paying import (
    METHODS,
    available,
    entries,
    left_alone,
    payments,
    top_up,
    units,
    with_card,
)


@pytest.fixture
async def owner(site: Site) -> Person:
    return await site.tenant(credit_micros=0)


async def test_a_top_up_is_paid_at_stripes_page_and_counts_once_it_says_so(
    owner: Person, site: Site, stripe: FakeStripe
) -> None:
    begun = await top_up(owner)
    [(session_id, session)] = stripe.sessions.items()
    assert (begun["userErrors"], begun["entry"], begun["payment"]["state"]) == ([], None, "PENDING")
    assert begun["payment"]["checkoutUrl"] == session["url"]
    stripe.pay_page(session_id)
    assert await stripe.tell_all(site.url) == [200, 200]
    assert [(one["kind"], one["reference"]) for one in await entries(owner)] == [("TOP_UP", f"payment:{session_id}")]
    assert await available(owner) == 10
    done = await top_up(owner)
    assert (done["payment"]["state"], done["payment"]["checkoutUrl"]) == ("SUCCEEDED", None)
    assert done["entry"]["reference"] == f"payment:{session_id}"
    assert stripe.charged == [1_000]


# With a saved card.


@pytest.fixture
async def payer(owner: Person, site: Site, stripe: FakeStripe) -> Person:
    return await with_card(owner, site, stripe)


async def states(person: Person) -> list[str]:
    return [one["state"] for one in await payments(person)]


async def test_a_saved_card_is_charged_at_once(payer: Person, stripe: FakeStripe) -> None:
    assert await payer(METHODS) == [{"id": ANY, "brand": "visa", "last4": "4242", "isDefault": True}]
    paid = await top_up(payer, "5.00")
    [intent_id] = stripe.intents
    assert (paid["userErrors"], paid["payment"]["state"]) == ([], "SUCCEEDED")
    assert (paid["entry"]["reference"], paid["payment"]["externalId"]) == (f"payment:{intent_id}", intent_id)
    assert (stripe.charged, units(paid["wallet"]["available"])) == ([500], 15)


async def test_a_card_that_is_declined_gives_nothing_and_is_not_tried_again_by_its_key(
    payer: Person, site: Site, stripe: FakeStripe
) -> None:
    stripe.faults.append(("/confirm", DECLINE))
    for _ in range(2):
        paid = await top_up(payer)
        assert [one["code"] for one in paid["userErrors"]] == ["PAYMENT_REFUSED"]
        assert (paid["entry"], paid["payment"]["state"], paid["payment"]["failureCode"]) == (
            None, "FAILED", "card_declined")  # fmt: skip
    assert await stripe.tell_all(site.url) == [200]
    assert (len(stripe.intents), await available(payer)) == (1, 10)
    assert (await top_up(payer, key="another"))["payment"]["state"] == "SUCCEEDED"


async def test_a_bank_that_asks_its_customer_is_asked_at_its_page(
    payer: Person, site: Site, stripe: FakeStripe
) -> None:
    stripe.faults.append(("/confirm", NEEDS_ACTION))
    paid = await top_up(payer)
    [(intent_id, intent)] = stripe.intents.items()
    assert (paid["payment"]["state"], paid["payment"]["checkoutUrl"]) == ("PENDING", f"{stripe.url}/bank/{intent_id}")
    stripe.take(intent)
    await stripe.tell_all(site.url)
    assert await available(payer) == 20


# What may befall the wire. Whatever it is: one charge at most, one entry for each charge.


async def test_an_answer_that_is_lost_after_the_charge_is_learned_by_asking(
    payer: Person, site: Site, stripe: FakeStripe, admin: Database
) -> None:
    stripe.faults += [("/confirm", LOST), ("/confirm", LOST)]
    paid = await top_up(payer)
    assert (paid["entry"], paid["payment"]["state"], stripe.charged) == (None, "PENDING", [1_000])
    service = site.api.services.payments
    assert await service.ask(payer.tenant_id) == 0  # it is too young to be asked about
    await left_alone(admin, payer)
    assert await service.ask(payer.tenant_id) == 1
    assert await service.ask(payer.tenant_id) == 0
    assert (await available(payer), len(await entries(payer)), stripe.charged) == (20, 2, [1_000])


async def test_an_answer_that_is_lost_is_had_by_asking_again_with_the_key(payer: Person, stripe: FakeStripe) -> None:
    stripe.faults += [("/confirm", LOST), ("/confirm", LOST)]
    assert (await top_up(payer))["payment"]["state"] == "PENDING"
    assert (await top_up(payer))["payment"]["state"] == "SUCCEEDED"
    assert (await available(payer), len(await entries(payer)), stripe.charged) == (20, 2, [1_000])


async def test_an_opened_payment_whose_answer_is_lost_is_opened_once(payer: Person, stripe: FakeStripe) -> None:
    stripe.faults += [("/payment_intents", LOST), ("/payment_intents", LOST)]
    assert (await top_up(payer))["payment"]["state"] == "PENDING"
    assert (await top_up(payer))["payment"]["state"] == "SUCCEEDED"
    assert len(stripe.intents) == 1


async def test_a_payment_that_nobody_comes_back_for_is_never_charged(
    payer: Person, site: Site, stripe: FakeStripe, admin: Database
) -> None:
    for number, fault in enumerate((("/payment_intents", ERROR), ("/confirm", ERROR))):
        stripe.faults.append(fault)
        await top_up(payer, key=f"k{number}")
    await left_alone(admin, payer)
    assert await site.api.services.payments.ask(payer.tenant_id) == 2
    assert (await states(payer))[:2] == ["FAILED", "FAILED"]
    for number in range(2):
        assert (await top_up(payer, key=f"k{number}"))["payment"]["state"] == "FAILED"
    assert (stripe.charged, [one["status"] for one in stripe.intents.values()]) == ([], ["canceled"])


async def test_a_page_that_nobody_pays_at_is_closed_after_an_hour(
    owner: Person, site: Site, stripe: FakeStripe, admin: Database
) -> None:
    await top_up(owner)
    service = site.api.services.payments
    await left_alone(admin, owner, 59)
    assert (await service.ask(owner.tenant_id), await states(owner)) == (0, ["PENDING"])
    await left_alone(admin, owner, 2)
    assert (await service.ask(owner.tenant_id), await states(owner)) == (1, ["FAILED"])
    assert [one["status"] for one in stripe.sessions.values()] == ["expired"]


async def test_twenty_requests_with_one_key_are_one_charge(payer: Person, stripe: FakeStripe) -> None:
    answers = await asyncio.gather(*(top_up(payer) for _ in range(20)))
    assert {one["payment"]["state"] for one in answers} == {"SUCCEEDED"}
    assert (len({one["entry"]["id"] for one in answers}), stripe.charged, await available(payer)) == (1, [1_000], 20)


async def test_an_event_that_comes_before_the_answer_counts_once(payer: Person, site: Site, stripe: FakeStripe) -> None:
    told: list[list[int]] = []

    async def tell(path: str) -> None:
        if path.endswith("/confirm"):
            told.append(await stripe.tell_all(site.url))

    stripe.before_answer = tell
    paid = await top_up(payer)
    assert (told, paid["payment"]["state"], paid["entry"]["id"] is not None) == ([[200]], "SUCCEEDED", True)
    assert (await available(payer), len(await entries(payer))) == (20, 2)


async def test_an_event_counts_once_however_often_it_comes_and_whoever_asks_meanwhile(
    payer: Person, site: Site, stripe: FakeStripe, admin: Database
) -> None:
    stripe.faults += [("/confirm", LOST), ("/confirm", LOST)]
    await top_up(payer)
    await left_alone(admin, payer)
    [event] = stripe.events
    said = await asyncio.gather(
        *(stripe.tell(site.url, event) for _ in range(5)),
        *(site.api.services.payments.ask(payer.tenant_id) for _ in range(3)),
    )
    assert said[:5] == [200] * 5
    assert await stripe.tell(site.url, event) == 200
    assert (await available(payer), len(await entries(payer))) == (20, 2)


async def test_an_event_that_cannot_be_looked_into_comes_again(owner: Person, site: Site, stripe: FakeStripe) -> None:
    await top_up(owner)
    stripe.pay_page(next(iter(stripe.sessions)))
    stripe.faults += [("/checkout/sessions", ERROR)]
    event = stripe.events[-1]
    assert await stripe.tell(site.url, event) == 503
    assert await available(owner) == 0
    assert await stripe.tell(site.url, event) == 200
    assert await available(owner) == 10


# Who says so.


async def test_only_what_stripe_has_signed_of_late_is_believed(owner: Person, site: Site, stripe: FakeStripe) -> None:
    await top_up(owner)
    stripe.pay_page(next(iter(stripe.sessions)))
    event = stripe.events[-1]
    assert await stripe.tell(site.url, event, secret="whsec_of_somebody_else") == 400
    assert await stripe.tell(site.url, event, age_s=305) == 400
    for header in ({}, {"stripe-signature": ""}, {"stripe-signature": "t=,v1="}):
        assert (await site.http.post("/webhooks/stripe", content=b"{}", headers=header)).status_code == 400
    assert await available(owner) == 0
    assert await stripe.tell(site.url, event, age_s=290) == 200
    assert await available(owner) == 10


async def test_what_is_no_event_of_ours_is_taken_and_forgotten(site: Site, stripe: FakeStripe) -> None:
    for metadata in ({}, None, {"fabula_tenant": "x", "fabula_payment": "y"},
                     {"fabula_tenant": str(new_id()), "fabula_payment": str(new_id())}):  # fmt: skip
        thing = {"id": "pi_0", "object": "payment_intent", "metadata": metadata}
        event = {"id": "evt_0", "type": "payment_intent.succeeded", "data": {"object": thing}}
        assert await stripe.tell(site.url, event) == 200
    assert await stripe.tell(site.url, {"id": "evt_0", "type": "customer.created", "data": {"object": {}}}) == 200
    assert await stripe.tell(site.url, {"id": "evt_0"}) == 400  # signed, and no event all the same


async def test_an_event_of_more_than_its_limit_is_not_read(site: Site) -> None:
    for size, status in ((BODY_BYTES_MAX, 400), (BODY_BYTES_MAX + 1, 413)):
        assert (await site.http.post("/webhooks/stripe", content=b"x" * size)).status_code == status


@pytest.mark.parametrize(
    ("amount", "good"),
    [("0.49", False), ("0.50", True), ("0.501", False), ("0.51", True), ("999999.99", True), ("1000000", False)],
)
async def test_stripe_takes_whole_cents_from_fifty_to_its_limit(
    owner: Person, stripe: FakeStripe, amount: str, good: bool
) -> None:
    if good:
        assert (await top_up(owner, amount))["payment"]["state"] == "PENDING"
        [session] = stripe.sessions.values()
        assert int(session["wanted"]["amount"]) == Decimal(amount) * 100
        return
    assert await owner.refusal("creditTopUp", amount=amount, idempotencyKey="k") == (
        "BAD_USER_INPUT", ["input", "amount"])  # fmt: skip
    assert stripe.requests == []


async def test_no_key_stands_in_a_log_or_an_answer(
    payer: Person, site: Site, stripe: FakeStripe, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway = StripeGateway("sk_test_plantedWrongKey99", WEBHOOK_SECRET, return_url="http://x/", api_url=stripe.url)
    with pytest.raises(GatewayUnavailable) as refused:
        await gateway.customer(payer.tenant_id)
    stripe.faults += [("/confirm", ERROR)]
    answers = [await top_up(payer), await top_up(payer, key="k2")]
    await stripe.tell(site.url, {"id": "evt_1"}, secret="whsec_wrong")
    for secret in (API_KEY, WEBHOOK_SECRET, "sk_test_plantedWrongKey99"):
        for shown in (caplog.text, str(refused.value), str(answers)):
            assert secret not in shown


async def test_a_service_that_does_not_answer_is_not_waited_for(stripe: FakeStripe) -> None:
    gateway = StripeGateway(API_KEY, WEBHOOK_SECRET, return_url="http://x/", api_url=stripe.url, timeout_s=0.1)
    stripe.faults += [("/customers", HANG), ("/customers", HANG)]
    with pytest.raises(GatewayUnavailable):
        await gateway.customer(TenantId(new_id()))


async def test_a_card_that_is_removed_is_forgotten_there_and_here(
    payer: Person, bob: Person, stripe: FakeStripe
) -> None:
    [card] = await payer(METHODS)
    assert await bob.refusal("paymentMethodRemove", id=card["id"]) == ("NOT_FOUND", ["input", "id"])
    stripe.faults.append(("/detach", ERROR))
    assert await payer.refusal("paymentMethodRemove", id=card["id"]) == ("INVALID_STATE", None)
    assert len(await payer(METHODS)) == 1
    gone = await payer.mutate("paymentMethodRemove", "deletedId", id=card["id"])
    assert (gone["deletedId"], await payer(METHODS), stripe.detached) == (card["id"], [], ["pm_1"])
    assert (await top_up(payer))["payment"]["checkoutUrl"] is not None


PAY_INVOICE = "invoice { state } payment { id state checkoutUrl }"


@pytest.mark.parametrize("card", [True, False])
async def test_an_invoice_is_paid_once_whatever_the_keys(
    owner: Person, site: Site, stripe: FakeStripe, card: bool
) -> None:
    if card:
        await with_card(owner, site, stripe)
    stripe.sessions.clear()
    async with site.api.services.units(owner.tenant_id) as uow:
        await uow.invoices.add_item(InvoiceItem(ItemKind.SUBSCRIPTION, "Plan", 9_000_000, str(new_id()), unit="months"))
        invoice = await issue(
            uow, InvoiceReason.SUBSCRIPTION, InvoiceTerms(Seller("Inkwell Ltd", "Wellington", "NZ 1"))
        )
    assert invoice is not None
    given = {"invoiceId": encode_id("Invoice", invoice.id)}
    query = f"mutation ($i: InvoicePayInput!) {{ invoicePay(input: $i) {{ {PAY_INVOICE} userErrors {{ code }} }} }}"
    made = await asyncio.gather(*(owner(query, i=given | {"idempotencyKey": str(number)}) for number in range(8)))
    assert len({one["payment"]["id"] for one in made if one["payment"]}) == 1
    if not card:
        [session_id] = stripe.sessions
        again = await owner(query, i=given | {"idempotencyKey": "later"})
        assert again["payment"]["checkoutUrl"] == stripe.sessions[session_id]["url"]
        stripe.pay_page(session_id)
        await stripe.tell_all(site.url)
    assert (stripe.charged, await available(owner)) == ([900], 10 if card else 0)
    assert (await owner(query, i=given | {"idempotencyKey": "late"}))["userErrors"] == [{"code": "INVALID_STATE"}]
