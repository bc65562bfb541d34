"""GraphQL over HTTP: what may be sent, what is answered, and what of an error a client sees."""

from __future__ import annotations

import asyncio
import json
import logging
from argparse import Namespace
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from app import check
from app.graphql import http
from app.settings import Limits, Settings
from resolvers.reads import TenantReads
from tests.conftest import opened_site
from tests.fakes.weaviate_server import VERSION, FakeWeaviate
from tests.graphql.clients import Person, Site

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
HELLO = {"query": "{ __typename }"}


async def send(site: Site, body: Any = None, method: str = "POST", **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(HELLO if body is None else body).encode()
    return await site.http.request(method, "/graphql", content=content, headers={"content-type": JSON, **headers})


def code_of(response: httpx.Response) -> str:
    """The code of the only error, in a body of the shape that every error has."""
    body = response.json()
    [error] = body["errors"]
    assert set(error) >= {"message", "extensions"}
    assert error["extensions"]["requestId"] == response.headers["x-request-id"]
    return str(error["extensions"]["code"])


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}; charset=utf-8, {JSON};q=0.9", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON}", JSON),
        (f"text/html, {GRAPHQL};q=0.8", GRAPHQL),
        ("APPLICATION/JSON", JSON),
        ("text/html, */*;q=0.1", JSON),
    ],
)
async def test_the_answer_comes_in_the_type_that_is_preferred(site: Site, accept: str | None, answered: str) -> None:
    response = await send(site, **({"accept": accept} if accept else {"accept": ""}))
    assert response.status_code == 200
    assert response.headers["content-type"] == f"{answered}; charset=utf-8"
    assert response.json()["data"] == {"__typename": "Query"}


@pytest.mark.parametrize(
    "accept", ["text/html", "image/png, text/plain", f"{JSON};q=0", f"{GRAPHQL};q=0.0, {JSON};q=0"]
)
async def test_a_client_that_takes_none_of_our_types_is_told_so(site: Site, accept: str) -> None:
    response = await send(site, accept=accept)
    assert (response.status_code, code_of(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_only_json_is_read(site: Site, sent: str) -> None:
    response = await send(site, **{"content-type": sent})
    assert (response.status_code, code_of(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "sent", ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
)
async def test_parameters_of_the_content_type_do_no_harm(site: Site, sent: str) -> None:
    assert (await send(site, **{"content-type": sent})).status_code == 200


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE"])
async def test_operations_are_posted_or_got(site: Site, method: str) -> None:
    response = await site.http.request(method, "/graphql", params={"query": "{ __typename }"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert code_of(response) == "METHOD_NOT_ALLOWED"


async def test_a_query_in_nobodys_name_can_be_got_and_nothing_else(site: Site) -> None:
    got = await site.http.get("/graphql", params={"query": "{ __typename }"})
    assert (got.status_code, got.json()["data"]) == (200, {"__typename": "Query"})
    for text in ("mutation { __typename }", 'subscription { jobEvents(id: "x") { seq } }'):
        response = await site.http.get("/graphql", params={"query": text})
        assert (response.status_code, code_of(response)) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"{ __typename }"',
        b"{}",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": ""}',
        b'{"query": "  "}',
        b'{"query": "{ __typename }", "variables": "x"}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "operationName": 5}',
        b'{"query": "{ __typename }", "extensions": []}',
        b'[{"query": "{ __typename }"}]',
    ],
)
@pytest.mark.parametrize("accept", [JSON, GRAPHQL])
async def test_a_body_that_is_no_request_is_refused(site: Site, body: bytes, accept: str) -> None:
    response = await send(site, body, accept=accept)
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"
    assert "data" not in response.json()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("query", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ('{ projects(first: "x") { edges { cursor } } }', "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "BAD_REQUEST"),
        ("query ($id: ID!) { node(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
async def test_a_document_that_cannot_run_says_why(site: Site, query: str, code: str) -> None:
    modern = await send(site, {"query": query}, accept=GRAPHQL)
    legacy = await send(site, {"query": query}, accept=JSON)
    assert (modern.status_code, code_of(modern)) == (400, code)
    assert (legacy.status_code, code_of(legacy)) == (200, code)
    assert "data" not in modern.json()


async def test_an_operation_is_chosen_by_its_name(site: Site) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    assert (await send(site, {"query": query, "operationName": "B"})).json()["data"] == {"b": "Query"}
    assert code_of(await send(site, {"query": query, "operationName": "C"})) == "BAD_REQUEST"


async def test_a_partial_answer_is_200_in_both_types(alice: Person) -> None:
    for accept in (JSON, GRAPHQL):
        response = await send(
            alice.site, {"query": '{ good: __typename node(id: "garbage") { id } }'}, accept=accept,
            authorization=alice.authorization,
        )  # fmt: skip
        body = response.json()
        assert (response.status_code, body["data"]) == (200, {"good": "Query", "node": None})
        assert (body["errors"][0]["path"], code_of(response)) == (["node"], "BAD_USER_INPUT")
        assert body["errors"][0]["locations"] == [{"line": 1, "column": 20}]


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("Bearer nonsense", "UNAUTHENTICATED"),
        ("Bearer", "UNAUTHENTICATED"),
        ("Basic YTpi", "UNAUTHENTICATED"),
        ("Bearer fab_0_AAAA", "UNAUTHENTICATED"),
        ("Bearer fab_x", "UNAUTHENTICATED"),
    ],
)
async def test_bad_credentials_are_401_whatever_is_asked(site: Site, authorization: str, code: str) -> None:
    response = await send(site, authorization=authorization)
    assert (response.status_code, code_of(response)) == (401, code)
    assert response.headers["www-authenticate"] == "Bearer"


async def test_the_scheme_of_credentials_is_read_in_any_case(alice: Person) -> None:
    response = await send(alice.site, authorization=f"bearer   {alice.access_token}")
    assert response.status_code == 200


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_body_is_read_to_its_limit_and_not_a_byte_further(site: Site, excess: int) -> None:
    limit = site.settings.limits.body_bytes_max
    frame = json.dumps({**HELLO, "variables": {"x": ""}}).encode()
    body = frame.replace(b'""', b'"' + b"x" * (limit - len(frame) + excess) + b'"')
    assert len(body) == limit + excess
    response = await send(site, body)
    if excess:
        assert (response.status_code, code_of(response)) == (413, "PAYLOAD_TOO_LARGE")
    else:
        assert response.json()["data"] == {"__typename": "Query"}


async def test_ten_megabytes_of_text_are_refused_in_json_and_change_nothing(alice: Person) -> None:
    query = "mutation ($t: String!) { projectCreate(input: {title: $t}) { project { id } } }"
    response = await alice.site.post(query, {"t": "x" * 10_000_000}, authorization=alice.authorization)
    assert (response.status_code, code_of(response)) == (413, "PAYLOAD_TOO_LARGE")
    assert response.headers["content-type"] == f"{JSON}; charset=utf-8"
    assert await alice("{ projects { edges { cursor } } }") == {"edges": []}


async def test_a_body_without_a_length_is_counted_all_the_same(site: Site) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 65_536

    response = await site.http.post("/graphql", content=endless(), headers={"content-type": JSON})
    assert (response.status_code, code_of(response)) == (413, "PAYLOAD_TOO_LARGE")


# -- errors ----------------------------------------------------------------------------------------------------------


async def test_what_nobody_foresaw_is_masked_and_logged_under_the_requests_id(
    alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(TenantReads, "one", broken)
    with caplog.at_level(logging.ERROR):
        response = await alice.site.post(
            '{ node(id: "' + alice.tenant_gid + '") { id } }', authorization=alice.authorization
        )
    [error] = response.json()["errors"]
    assert (response.status_code, error["message"], code_of(response)) == (200, "Internal error", "INTERNAL_ERROR")
    assert "hunter2" not in response.text
    [record] = [one for one in caplog.records if "hunter2" in one.getMessage()]
    assert response.headers["x-request-id"] in record.getMessage()


async def test_a_failure_before_execution_is_masked_as_well(
    alice: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> Any:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(type(alice.site.api.authenticator), "_by_access_token", broken)
    alice.site.api.authenticator.forget()
    response = await alice.site.post("{ __typename }", authorization=alice.authorization)
    assert (response.status_code, code_of(response)) == (500, "INTERNAL_ERROR")
    assert "hunter2" not in response.text
    assert "hunter2" in caplog.text


async def test_an_operation_that_takes_too_long_is_ended(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def slow(*_: Any) -> Any:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(TenantReads, "one", slow)
    limits = Limits(query_timeout_s=0.1)
    async with opened_site(settings.model_copy(update={"limits": limits})) as site:
        person = await site.tenant()
        answer = await person.ask("query ($id: ID!) { node(id: $id) { id } }", id=person.tenant_gid)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["TIMEOUT"]
        assert answer["data"] is None
        await asyncio.wait_for(ended.wait(), 5)


async def test_a_subscription_needs_a_stream(alice: Person) -> None:
    response = await alice.site.post('subscription { jobEvents(id: "x") { seq } }', authorization=alice.authorization)
    assert (response.status_code, code_of(response)) == (406, "NOT_ACCEPTABLE")


# -- what operators ask ----------------------------------------------------------------------------------------------


async def test_the_process_says_how_it_is(site: Site) -> None:
    assert (await site.http.get("/healthz")).text == "ok\n"
    ready = await site.http.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert {name: check["ok"] for name, check in ready.json()["checks"].items()} == {
        "postgres": True, "redis": True, "search": True}  # fmt: skip
    assert (await site.http.get("/version")).json() == {"version": "0.1.0"}
    assert (await site.http.get("/metrics")).status_code == 200


async def test_a_process_without_its_stores_is_alive_and_not_ready(settings: Settings) -> None:
    lost = {"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")}
    async with opened_site(settings.model_copy(update=lost)) as site:
        assert (await site.http.get("/healthz")).status_code == 200
        ready = await site.http.get("/readyz")
        assert (ready.status_code, ready.json()["checks"]["redis"]["ok"]) == (503, False)
        assert ready.json()["checks"]["postgres"] == {"ok": True}


async def test_a_process_says_how_its_index_is_and_is_ready_without_it(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with FakeWeaviate() as index:
        told = settings.model_copy(update={"weaviate_url": index.url, "weaviate_grpc_url": index.grpc_url})
        async with opened_site(told) as site:
            ready = (await site.http.get("/readyz")).json()
            assert ready["checks"]["weaviate"] == {"ok": True, "answers": True, "version": VERSION}
            assert await asyncio.to_thread(check.main, told, Namespace()) == 0
            await index.stop()
            answer = await site.http.get("/readyz")
            assert (answer.status_code, answer.json()["checks"]["weaviate"]) == (
                200, {"ok": True, "answers": False, "error": "IndexAway"}
            )  # fmt: skip
            assert await asyncio.to_thread(check.main, told, Namespace()) == 1
            assert capsys.readouterr().out.splitlines()[-1] == "weaviate: IndexAway"
            await index.start()


HASHED = orjson.dumps({"documentId": "sha256:" + "0" * 64})


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        (HASHED, True),
        (orjson.dumps({"documentId": "sha256:" + "0" * 64, "variables": {"password": "a secret"}}), False),
        (orjson.dumps({"query": 'mutation { login(input: {email: "a", password: "a secret"}) { tokens { x } } }'}), False),
        (HASHED.ljust(http.REMEMBERED_BYTES_MAX), True),
        (HASHED.ljust(http.REMEMBERED_BYTES_MAX + 1), False),
    ],
)  # fmt: skip
def test_only_small_bodies_that_hold_no_secret_are_remembered(body: bytes, kept: bool) -> None:
    http._remembered.clear()
    assert http.as_asked(body) == http.as_asked(body)
    assert (body in http._remembered) is kept


def test_as_many_bodies_are_remembered_as_may_be() -> None:
    http._remembered.clear()
    for number in range(http.REMEMBERED_MAX + 1):
        http.as_asked(orjson.dumps({"documentId": f"sha256:{number:064}"}))
        assert len(http._remembered) <= http.REMEMBERED_MAX
    assert len(http._remembered) == 1
