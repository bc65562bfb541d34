"""Webhooks: who may, where to, how often, and with which secret."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from domain.accounts import Membership, Role, User
from domain.errors import ErrorCode, Forbidden
from domain.ids import DeliveryId, EndpointId, new_id
from domain.operations import deliveries, webhooks
from domain.operations.webhooks import (
    ATTEMPTS_MAX,
    BACKOFF_S,
    CLAIM_S,
    ENDPOINTS_MAX,
    FAILING_MAX,
    SECRET_OVERLAP,
    SEND_S,
    Answer,
    EndpointDraft,
    WebhookEndpoint,
    WebhookEvent,
    clean_url,
    publish,
    signed,
)
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.memory.operations import MemoryVault
from tests.domain.world import World, refused

URL = "https://app.example/hooks"
EVENTS = (WebhookEvent.AUDIT_RECORDED,)
VAULT = MemoryVault()
GOOD, BAD = Answer(204, None, 12), Answer(500, None, 12)


async def endpoint(world: World, **draft: Any) -> WebhookEndpoint:
    wanted = EndpointDraft(**{"url": URL, "events": EVENTS, **draft})
    return (await webhooks.create_endpoint(world.uow.webhooks, world.author, wanted, VAULT)).endpoint


def secret_of(one: WebhookEndpoint) -> str:
    return VAULT.open(one.tenant_id, one.id, one.secret)


async def told(world: World) -> webhooks.WebhookDelivery:
    await publish(world.uow, WebhookEvent.AUDIT_RECORDED, {"n": 1})
    return list(world.uow.webhooks.deliveries.values())[-1]


# Endpoints.


@pytest.mark.parametrize("url", [URL, "https://app.example:8443/a?b=c", "https://1.2.3.4/", "https://[2606::1]/"])
def test_an_address_of_the_web_is_taken(url: str) -> None:
    assert clean_url(url, any_address=False) == url


@pytest.mark.parametrize(
    "url",
    ["app.example", "https://", "https:///x", "ftp://app.example", "http://app.example", "https://a b.example",
     "https://user:pw@app.example", "https://user@app.example", "https://app.example/#x", "https://app.example:0",
     "https://app.example:99999", "https://app.example:x", "https://\u00e4.example", "https://[::1"],
)  # fmt: skip
def test_anything_else_is_refused(url: str) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "url"):
        clean_url(url, any_address=False)


def test_while_developing_http_will_do() -> None:
    assert clean_url("http://localhost:3000/x", any_address=True) == "http://localhost:3000/x"
    with refused(ErrorCode.BAD_USER_INPUT, "url"):
        clean_url("ftp://localhost", any_address=True)


async def test_a_tenant_has_so_many_endpoints_and_no_more() -> None:
    world = World(MemoryUnitOfWork())
    made = [await endpoint(world) for _ in range(ENDPOINTS_MAX)]
    assert len({secret_of(one) for one in made}) == ENDPOINTS_MAX
    with refused(ErrorCode.LIMIT_REACHED):
        await endpoint(world)
    await webhooks.delete_endpoint(world.uow.webhooks, world.author, made[0].id, NOW)
    await endpoint(world)


async def test_an_endpoint_is_told_of_something() -> None:
    world = World(MemoryUnitOfWork())
    with refused(ErrorCode.EMPTY, "events"):
        await endpoint(world, events=[])
    one = await endpoint(world, events=[WebhookEvent.TEST, WebhookEvent.AUDIT_RECORDED, WebhookEvent.TEST])
    assert one.events == ["audit.recorded", "webhook.test"]


async def test_only_administrators_have_to_do_with_endpoints() -> None:
    world = World(MemoryUnitOfWork())
    one, editor = await endpoint(world), world.actor(Role.EDITOR)
    store = world.uow.webhooks
    for refusal in (
        webhooks.create_endpoint(store, editor, EndpointDraft(URL, EVENTS), VAULT),
        webhooks.update_endpoint(store, editor, one.id, EndpointDraft(enabled=False), NOW),
        webhooks.delete_endpoint(store, editor, one.id, NOW),
        webhooks.rotate_secret(store, editor, one.id, NOW, VAULT),
        webhooks.send_test(world.uow, editor, one.id),
        webhooks.redeliver(world.uow, editor, DeliveryId(new_id())),
    ):
        with pytest.raises(Forbidden):
            await refusal


async def test_a_deleted_endpoint_has_no_secret_and_is_not_there() -> None:
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    await webhooks.rotate_secret(world.uow.webhooks, world.author, one.id, NOW, VAULT)
    await webhooks.delete_endpoint(world.uow.webhooks, world.author, one.id, NOW)
    assert (one.secret, one.previous_secret) == (b"", None)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await webhooks.rotate_secret(world.uow.webhooks, world.author, one.id, NOW, VAULT)


async def test_turning_an_endpoint_on_forgets_its_failures() -> None:
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    one.enabled, one.failing_since, one.disabled_at = False, NOW, NOW
    await webhooks.update_endpoint(world.uow.webhooks, world.author, one.id, EndpointDraft(enabled=True), NOW)
    assert [one.enabled, one.failing_since, one.disabled_at, one.url] == [True, None, None, URL]


# Events.


async def test_an_event_goes_to_each_endpoint_that_wants_it_under_one_id() -> None:
    world = World(MemoryUnitOfWork())
    wanted = [await endpoint(world) for _ in range(2)]
    await endpoint(world, events=[WebhookEvent.TEST])
    (await endpoint(world)).enabled = False
    await publish(world.uow, WebhookEvent.AUDIT_RECORDED, {"n": "雨"})
    made = list(world.uow.webhooks.deliveries.values())
    assert [one.endpoint_id for one in made] == [one.id for one in wanted]
    [event_id], [body] = {one.event_id for one in made}, {one.body for one in made}
    assert json.loads(body) == {
        "id": str(event_id), "type": "audit.recorded", "at": NOW.isoformat(timespec="milliseconds"), "data": {"n": "雨"},
    }  # fmt: skip


async def test_a_signature_is_over_the_time_and_the_bytes() -> None:
    assert (
        webhooks.signature("whsec_x", 1_700_000_000, b"{}")
        == "be8cb8325f2202445260a855532f967e30ad2a9394ce28da66ee02880ddcb661"
    )
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    delivery = await told(world)
    call = signed(one, delivery, NOW, VAULT)
    at_s = int(NOW.timestamp())
    expected = webhooks.signature(secret_of(one), at_s, delivery.body.encode())
    assert call.headers["Fabula-Signature"] == f"t={at_s},v1={expected}"
    assert (call.url, call.body, call.headers["Fabula-Event-Id"]) == (
        URL,
        delivery.body.encode(),
        str(delivery.event_id),
    )


async def test_a_secret_is_kept_sealed_and_shown_once() -> None:
    world = World(MemoryUnitOfWork())
    made = await webhooks.create_endpoint(world.uow.webhooks, world.author, EndpointDraft(URL, EVENTS), VAULT)
    rotated = await webhooks.rotate_secret(world.uow.webhooks, world.author, made.endpoint.id, NOW, VAULT)
    one = rotated.endpoint
    assert rotated.secret.startswith("whsec_") and rotated.secret != made.secret
    assert one.previous_secret is not None
    assert not webhooks.in_clear(one.secret) and not webhooks.in_clear(one.previous_secret)
    assert [secret_of(one), webhooks.opened(VAULT, one, one.previous_secret)] == [rotated.secret, made.secret]
    assert rotated.secret not in repr(rotated)


async def test_a_secret_from_before_they_were_sealed_still_signs() -> None:
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    delivery = await told(world)
    one.secret = b"whsec_in-the-clear"
    at_s = int(NOW.timestamp())
    expected = webhooks.signature("whsec_in-the-clear", at_s, delivery.body.encode())
    assert signed(one, delivery, NOW, VAULT).headers["Fabula-Signature"] == f"t={at_s},v1={expected}"


async def test_what_cannot_be_signed_waits_for_its_next_try() -> None:
    world, vault = World(MemoryUnitOfWork()), MemoryVault()
    vault.lost = True
    await endpoint(world)
    delivery = await told(world)
    assert await deliveries.begin(world.uow, delivery.id, vault) is None
    assert (delivery.state, [one["error"] for one in delivery.log], world.uow.webhooks.waits_s) == (
        "QUEUED", ["the endpoint's secret cannot be opened"], [BACKOFF_S[0]])  # fmt: skip


async def test_the_old_secret_signs_until_the_overlap_ends() -> None:
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    delivery, old = await told(world), secret_of(one)
    await webhooks.rotate_secret(world.uow.webhooks, world.author, one.id, NOW, VAULT)
    for after, secrets in (
        (SECRET_OVERLAP - timedelta(seconds=1), [secret_of(one), old]),
        (SECRET_OVERLAP, [secret_of(one)]),
    ):
        at = NOW + after
        at_s = int(at.timestamp())
        expected = ",".join(f"v1={webhooks.signature(each, at_s, delivery.body.encode())}" for each in secrets)
        assert signed(one, delivery, at, VAULT).headers["Fabula-Signature"] == f"t={at_s},{expected}"


# Deliveries.


async def test_a_delivery_waits_longer_each_time_up_to_a_day_and_then_is_dead() -> None:
    world = World(MemoryUnitOfWork())
    await endpoint(world)
    delivery = await told(world)
    while delivery.state == "QUEUED":
        assert await deliveries.begin(world.uow, delivery.id, VAULT) is not None
        await deliveries.finish(world.uow, delivery, BAD)
    assert (delivery.state, delivery.attempts, len(delivery.log)) == ("DEAD", ATTEMPTS_MAX, ATTEMPTS_MAX)
    assert world.uow.webhooks.waits_s == [*BACKOFF_S, 0]
    assert sorted(BACKOFF_S) == list(BACKOFF_S) and BACKOFF_S[-1] == 86_400
    assert await deliveries.begin(world.uow, delivery.id, VAULT) is None


@pytest.mark.parametrize(("status", "good"), [(199, False), (200, True), (299, True), (300, False), (None, False)])
def test_an_answer_is_good_from_200_to_299(status: int | None, good: bool) -> None:
    assert Answer(status, None, 0).good is good


async def test_what_was_delivered_is_never_sent_again_by_itself() -> None:
    world = World(MemoryUnitOfWork())
    await endpoint(world)
    delivery = await told(world)
    await deliveries.begin(world.uow, delivery.id, VAULT)
    await deliveries.finish(world.uow, delivery, GOOD)
    assert delivery.state == "DELIVERED"
    assert await deliveries.begin(world.uow, delivery.id, VAULT) is None


async def test_a_delivery_that_kills_who_sends_it_is_given_up() -> None:
    world = World(MemoryUnitOfWork())
    await endpoint(world)
    delivery = await told(world)
    for _ in range(ATTEMPTS_MAX):
        assert await deliveries.begin(world.uow, delivery.id, VAULT) is not None
    assert await deliveries.begin(world.uow, delivery.id, VAULT) is None
    assert (delivery.state, delivery.log[-1]["error"]) == ("DEAD", "given up")


@pytest.mark.parametrize("gone", ["off", "deleted"])
async def test_what_waits_for_an_endpoint_that_is_gone_is_dead(gone: str) -> None:
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    delivery = await told(world)
    one.enabled, one.deleted_at = gone != "off", NOW if gone == "deleted" else None
    assert await deliveries.begin(world.uow, delivery.id, VAULT) is None
    assert (delivery.state, delivery.log[-1]["error"]) == ("DEAD", "the endpoint is off")


@pytest.mark.parametrize(("days", "enabled"), [(FAILING_MAX - timedelta(seconds=1), True), (FAILING_MAX, False)])
async def test_an_endpoint_may_fail_for_days_but_not_longer(days: timedelta, enabled: bool) -> None:
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    delivery = await told(world)
    await deliveries.begin(world.uow, delivery.id, VAULT)
    one.failing_since = NOW - days
    await deliveries.finish(world.uow, delivery, BAD)
    assert one.enabled is enabled
    assert len(world.uow.audit.entries) == (0 if enabled else 1)


async def test_who_is_told_of_an_endpoint_that_is_off_learns_its_host_and_no_more() -> None:
    world = World(MemoryUnitOfWork())
    await world.uow.accounts.add_user(User(world.author.user_id, "mei@example.org", "Mei", ""))
    await world.uow.accounts.add_membership(Membership(world.uow.tenant_id, world.author.user_id, Role.OWNER))
    one = await endpoint(world, url="https://app.example:8443/hooks/a-secret?key=another")
    delivery = await told(world)
    await deliveries.begin(world.uow, delivery.id, VAULT)
    one.failing_since = NOW - FAILING_MAX
    await deliveries.finish(world.uow, delivery, BAD)
    [notice], [mail] = world.uow.notifications.rows, world.uow.mails.rows.values()
    assert notice.params == {"host": "app.example:8443"}
    assert mail.params == {"name": "Mei", "host": "app.example:8443", "days": "3"}


async def test_a_test_goes_to_its_endpoint_whatever_that_wants() -> None:
    world = World(MemoryUnitOfWork())
    one = await endpoint(world)
    made = await webhooks.send_test(world.uow, world.author, one.id)
    assert (made.type, made.endpoint_id, json.loads(made.body)["data"]) == ("webhook.test", one.id, {"url": URL})
    one.enabled = False
    with refused(ErrorCode.INVALID_STATE, "id"):
        await webhooks.send_test(world.uow, world.author, one.id)
    with refused(ErrorCode.NOT_FOUND, "id"):
        await webhooks.send_test(world.uow, world.author, EndpointId(new_id()))


async def test_a_redelivery_is_the_same_event_as_a_delivery_of_its_own() -> None:
    world = World(MemoryUnitOfWork())
    await endpoint(world)
    old = await told(world)
    again = await webhooks.redeliver(world.uow, world.author, old.id)
    assert again.id != old.id
    assert (again.event_id, again.body, again.type, again.state, again.attempts) == (
        old.event_id, old.body, old.type, "QUEUED", 0,
    )  # fmt: skip


def test_a_claim_outlives_the_sending() -> None:
    assert CLAIM_S >= SEND_S + 10
