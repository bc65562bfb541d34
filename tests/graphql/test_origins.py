"""Which pages may call the API, and that no request runs that a page can send anywhere without asking first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from app.settings import Settings
from tests.conftest import opened_site
from tests.graphql.clients import Person, Site

HELLO = "{ __typename }"


# -- pages of other origins ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def public(settings: Settings) -> AsyncIterator[Site]:
    """As it stands on the internet: one web page is known."""
    changed = {"dev": False, "allowed_origins": ("https://studio.example",)}
    async with opened_site(settings.model_copy(update=changed)) as one:
        yield one


@pytest.mark.parametrize("origin", ["https://evil.example", "http://studio.example", "null", "http://localhost:5173",
                                    "https://studio.example.evil.example", "https://studio.example:8443"])  # fmt: skip
async def test_pages_of_other_origins_are_refused(public: Site, origin: str) -> None:
    response = await public.post(HELLO, origin=origin)
    assert response.status_code == 403
    assert "access-control-allow-origin" not in response.headers
    preflight = await public.http.options(
        "/graphql", headers={"origin": origin, "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 403


async def test_a_known_page_may_call_and_is_told_so(public: Site) -> None:
    origin = "https://studio.example"
    response = await public.post(HELLO, origin=origin)
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, origin)
    assert response.headers["vary"] == "origin"
    assert response.headers["access-control-expose-headers"] == "retry-after, x-request-id"
    preflight = await public.http.options(
        "/graphql", headers={"origin": origin, "access-control-request-method": "POST"}
    )
    assert preflight.status_code == 204
    allowed = {one.strip() for one in preflight.headers["access-control-allow-headers"].split(",")}
    assert {"authorization", "content-type", "x-tenant"} <= allowed


async def test_our_own_pages_and_programs_may_call(public: Site) -> None:
    assert (await public.post(HELLO, origin=public.url)).status_code == 200
    assert (await public.post(HELLO)).status_code == 200


async def test_while_developing_any_page_of_this_machine_may_call(site: Site) -> None:
    for origin, status in (("http://localhost:5173", 200), ("http://127.0.0.1:1", 200), ("https://evil.example", 403)):
        assert (await site.post(HELLO, origin=origin)).status_code == status


# -- requests without a preflight ------------------------------------------------------------------------------------


MUTATION = 'mutation { projectCreate(input: {title: "Forged"}) { project { id } } }'


def _plain(person: Person) -> list[dict[str, Any]]:
    """Every kind of request that a page can send anywhere without asking first."""
    query, body = {"query": MUTATION}, orjson.dumps({"query": MUTATION})
    simple = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
              "text/plain; application/json", "text/plain;charset=UTF-8, application/json"]  # fmt: skip
    return [
        {"method": "GET", "params": query},
        {"method": "HEAD", "params": query},
        {"method": "POST", "params": query},
        {"method": "POST", "data": query},
        {"method": "POST", "files": {"operations": (None, body)}},
        {"method": "POST", "content": body},
        *({"method": "POST", "content": body, "headers": {"content-type": one}} for one in simple),
    ]


@pytest.mark.parametrize("number", range(11))
async def test_a_request_that_needs_no_preflight_runs_nothing(alice: Person, number: int) -> None:
    request = _plain(alice)[number]
    headers = {"authorization": alice.authorization, **request.pop("headers", {})}
    response: httpx.Response = await alice.site.http.request(url="/graphql", headers=headers, **request)
    assert response.status_code in {400, 405, 415}
    assert await alice('{ projects(filter: {titleContains: "Forged"}) { edges { node { id } } } }') == {"edges": []}
