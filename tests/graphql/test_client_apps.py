"""Client applications: what their tokens may do, their budgets, and the pages that may use them."""

from __future__ import annotations

import pytest

from tests.graphql.client_apps import NOT_FOUND, SHELF, App, codes, id_of, new_app
from tests.graphql.clients import Person

# -- tokens and budgets ----------------------------------------------------------------------------------------------


async def test_an_application_has_its_own_documents_only(app: App, alice: Person, bob: Person) -> None:
    for owner in (alice, bob):
        other = await new_app(owner)
        assert codes(await other.send({"documentId": id_of(SHELF)})) == [NOT_FOUND]


async def test_a_token_may_do_what_it_its_owner_and_its_application_all_may(alice: Person) -> None:
    me = "query Me { me { scopes } }"
    for app_scopes, scopes, effective in (
        (["read"], ("read", "write"), ["read"]),
        (["read", "generate"], ("write", "generate"), ["generate"]),
        (None, ("read", "admin"), ["read"]),
        (["write"], ("read",), []),
    ):
        values = {"scopes": app_scopes} if app_scopes else {}
        one = await new_app(alice, scopes, **values)
        await one.register(me)
        assert (await one.send({"documentId": id_of(me)})).json()["data"]["me"]["scopes"] == effective


async def test_a_token_falls_with_its_application(alice: Person) -> None:
    one = await new_app(alice, mode="LOG")
    assert (await one.send({"query": "{ __typename }"})).status_code == 200
    deleted = await alice.mutate("clientAppDelete", "deletedId", id=one.id)
    assert deleted["deletedId"] == one.id
    assert (await one.send({"query": "{ __typename }"})).status_code == 401
    assert await alice.refusal("clientAppUpdate", id=one.id, name="x") == ("NOT_FOUND", ["input", "id"])
    refused = await alice.refusal("apiTokenCreate", name="x", scopes=["read"], clientAppId=one.id)
    assert refused == ("NOT_FOUND", ["input", "clientAppId"])


async def test_another_tenants_application_gets_no_token(app: App, bob: Person) -> None:
    refused = await bob.refusal("apiTokenCreate", name="x", scopes=["read"], clientAppId=app.id)
    assert refused == ("NOT_FOUND", ["input", "clientAppId"])


async def test_a_budget_is_the_bucket_of_each_token(alice: Person) -> None:
    query = "query Some($n: Int!) { projects(first: $n) { edges { node { id } } } }"
    ten, eleven = ({"documentId": id_of(query), "variables": {"n": n}} for n in (10, 11))
    free = await new_app(alice)
    await free.register(query)
    cost = (await free.send(ten)).json()["extensions"]["cost"]["requested"]
    one = await new_app(alice, mode="LOG", costBudget=cost)
    await one.register(query)
    assert (await one.send(ten)).json()["extensions"]["cost"]["bucket"]["limit"] == cost
    assert codes(await one.send(eleven)) == ["COST_LIMIT_EXCEEDED"]
    assert codes(await one.send({"query": query + " ", "variables": {"n": 11}})) == ["COST_LIMIT_EXCEEDED"]


async def test_applications_are_listed_with_what_was_decided(bob: Person) -> None:
    await new_app(bob, name="Site", mode="PREFER", allowedOrigins=["https://a.example"], costBudget=7)
    await new_app(bob, name="Script")
    edges = (await bob("{ clientApps { edges { node { name mode allowedOrigins scopes costBudget } } } }"))["edges"]
    assert [one["node"] for one in edges][:2] == [
        {"name": "Script", "mode": "REQUIRE", "allowedOrigins": [], "scopes": ["generate", "read", "write"],
         "costBudget": None},
        {"name": "Site", "mode": "PREFER", "allowedOrigins": ["https://a.example"],
         "scopes": ["generate", "read", "write"], "costBudget": 7},
    ]  # fmt: skip


# -- origins ---------------------------------------------------------------------------------------------------------


PAGE = "https://integrator.example"


@pytest.fixture(scope="module")
async def paged(bob: Person) -> App:
    return await new_app(bob, mode="LOG", allowedOrigins=[PAGE])


async def test_a_page_that_an_application_allows_may_use_its_tokens(paged: App) -> None:
    response = await paged.send({"query": "{ __typename }"}, origin=PAGE)
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, PAGE)
    preflight = await paged.client.site.http.options(
        "/graphql", headers={"origin": PAGE, "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 204
    assert "x-fabula-preflight" in preflight.headers["access-control-allow-headers"]


async def test_an_applications_tokens_are_for_its_own_pages_and_for_programs(paged: App, bob: Person) -> None:
    for origin in ("http://localhost:5173", paged.client.site.url):
        response = await paged.send({"query": "{ __typename }"}, origin=origin)
        assert (response.status_code, codes(response)) == (403, ["FORBIDDEN"])
    assert (await paged.send({"query": "{ __typename }"})).status_code == 200
    for person in (bob.authorization, None):
        headers = {"authorization": person} if person else {}
        response = await bob.site.post("{ __typename }", origin=PAGE, **headers)
        assert (response.status_code, codes(response)) == (403, ["FORBIDDEN"])


async def test_the_same_holds_for_sockets(paged: App, bob: Person) -> None:
    for authorization, origin, good in (
        (paged.client.authorization, PAGE, True),
        (bob.authorization, PAGE, False),
        (paged.client.authorization, "http://localhost:5173", False),
    ):
        async with bob.site.socket(origin=origin) as ws:
            await ws.send(type="connection_init", payload={"authorization": authorization})
            assert (await ws.receive())["type"] == "connection_ack" if good else await ws.closed() == 4401


async def test_a_page_reaches_nothing_but_the_endpoint(paged: App) -> None:
    response = await paged.client.site.http.get("/version", headers={"origin": PAGE})
    assert response.status_code == 403


async def test_an_origin_goes_with_its_application(bob: Person) -> None:
    page = "https://gone.example"
    one = await new_app(bob, mode="LOG", allowedOrigins=[page])
    assert (await one.send({"query": "{ __typename }"}, origin=page)).status_code == 200
    await bob.mutate("clientAppDelete", id=one.id)
    response = await bob.site.post("{ __typename }", origin=page)
    assert response.text == "This origin is not allowed.\n"
