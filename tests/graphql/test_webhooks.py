"""Webhook endpoints as administrators see them: secrets once, addresses to nobody else, every delivery."""

from __future__ import annotations

import json
from typing import Any

from domain.accounts import Role
from tests.graphql.clients import Person, Site

URL = "https://app.example/hooks/T0KEN-IN-THE-PATH"
ENDPOINTS = """{ webhookEndpoints { edges { node { id url events enabled failingSince disabledAt
    deliveries { edges { node { id type eventId state body attempts log { status } } } } } } } }"""


async def made(owner: Person, **values: Any) -> dict[str, Any]:
    payload: dict[str, Any] = await owner.mutate(
        "webhookEndpointCreate", "secret webhookEndpoint { id url events enabled }",
        **{"url": URL, "events": ["AUDIT_RECORDED"], **values},
    )  # fmt: skip
    return payload


async def listed(owner: Person) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await owner(ENDPOINTS))["edges"]]


async def test_a_secret_is_shown_when_it_is_made_and_never_again(site: Site) -> None:
    owner = await site.tenant()
    created = await made(owner)
    secret, one = created["secret"], created["webhookEndpoint"]
    assert secret.startswith("whsec_") and len(secret) == 49
    assert (one["url"], one["events"], one["enabled"]) == (URL, ["AUDIT_RECORDED"], True)
    rotated = await owner.mutate("webhookEndpointRotateSecret", "secret webhookEndpoint { id }", id=one["id"])
    assert rotated["secret"].startswith("whsec_") and rotated["secret"] != secret
    everything = json.dumps([await owner(ENDPOINTS), await owner("{ auditEntries { edges { node { details } } } }")])
    assert secret not in everything and rotated["secret"] not in everything


async def test_the_audit_log_says_where_an_endpoint_leads_but_not_its_whole_address(site: Site) -> None:
    owner = await site.tenant()
    one = (await made(owner))["webhookEndpoint"]
    await owner.mutate("webhookEndpointUpdate", id=one["id"], enabled=False, events=["TEST"])
    await owner.mutate("webhookEndpointDelete", id=one["id"])
    edges = (await owner("{ auditEntries { edges { node { action details } } } }"))["edges"]
    assert [(edge["node"]["action"], edge["node"]["details"]) for edge in reversed(edges)] == [
        ("webhook_endpoint.create", {"host": "app.example", "events": ["audit.recorded"]}),
        ("webhook_endpoint.update", {"events": ["webhook.test"], "enabled": False}),
        ("webhook_endpoint.delete", {}),
    ]


async def test_what_an_endpoint_was_told_is_in_its_log(site: Site) -> None:
    owner = await site.tenant()
    one = (await made(owner))["webhookEndpoint"]
    await owner.mutate("clientAppCreate", name="Reader")
    tested = await owner.mutate("webhookEndpointTest", "webhookDelivery { id type state }", id=one["id"])
    assert (tested["webhookDelivery"]["type"], tested["webhookDelivery"]["state"]) == ("webhook.test", "QUEUED")
    [endpoint] = await listed(owner)
    deliveries = [edge["node"] for edge in endpoint["deliveries"]["edges"]]
    assert [each["type"] for each in deliveries] == ["webhook.test", "audit.recorded", "audit.recorded"]
    body = json.loads(deliveries[1]["body"])
    assert (body["id"], body["data"]["action"]) == (deliveries[1]["eventId"], "client_app.create")
    assert [(each["state"], each["attempts"], each["log"]) for each in deliveries] == [("QUEUED", 0, [])] * 3
    again = await owner.mutate("webhookRedeliver", "webhookDelivery { id eventId body }", id=deliveries[1]["id"])
    assert again["webhookDelivery"]["id"] != deliveries[1]["id"]
    assert (again["webhookDelivery"]["eventId"], again["webhookDelivery"]["body"]) == (
        deliveries[1]["eventId"], deliveries[1]["body"],
    )  # fmt: skip


async def test_an_endpoint_that_is_off_or_deleted_is_not_tested(site: Site) -> None:
    owner = await site.tenant()
    one = (await made(owner))["webhookEndpoint"]
    await owner.mutate("webhookEndpointUpdate", id=one["id"], enabled=False)
    assert await owner.refusal("webhookEndpointTest", id=one["id"]) == ("INVALID_STATE", ["input", "id"])
    assert (await owner.mutate("webhookEndpointDelete", "deletedId", id=one["id"]))["deletedId"] == one["id"]
    assert await owner.refusal("webhookEndpointTest", id=one["id"]) == ("NOT_FOUND", ["input", "id"])
    assert await listed(owner) == []
    assert await owner("query ($id: ID!) { node(id: $id) { id } }", id=one["id"]) is None


async def test_a_bad_address_is_refused_with_its_field(site: Site) -> None:
    owner = await site.tenant()
    for url in ("ftp://app.example", "not an address", "https://user:password@app.example"):
        refused = await owner.refusal("webhookEndpointCreate", url=url, events=["TEST"])
        assert refused == ("BAD_USER_INPUT", ["input", "url"])


async def test_who_is_no_administrator_finds_no_endpoint_by_its_id(site: Site) -> None:
    owner = await site.tenant()
    one = (await made(owner))["webhookEndpoint"]
    test = await owner.mutate("webhookEndpointTest", "webhookDelivery { id }", id=one["id"])
    ids = [one["id"], test["webhookDelivery"]["id"]]
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on WebhookEndpoint { url } } }"
    assert [each["id"] for each in await owner(query, ids=ids)] == ids
    for role in (Role.EDITOR, Role.VIEWER):
        member = await site.member(owner, role)
        assert await member(query, ids=ids) == [None, None]
        assert await member.code(ENDPOINTS) == "FORBIDDEN"
