"""What a hash stands for, and who may send text, over every transport."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text as sql

from app.graphql import trusted
from persistence.database import Database
from tests.documents import EVENTS
from tests.graphql.client_apps import CREATE, NOT_FOUND, SHELF, App, codes, id_of, new_app, persisted, sha
from tests.graphql.clients import Person
from tests.graphql.generations import start

GRAPHQL = "application/graphql-response+json"


# -- HTTP POST -------------------------------------------------------------------------------------------------------


async def test_a_hash_stands_for_its_text(app: App) -> None:
    for body in ({"documentId": id_of(SHELF)}, {"extensions": persisted(SHELF)}, {"query": SHELF},
                 {"query": SHELF, "documentId": id_of(SHELF)}, {"query": "", "extensions": persisted(SHELF)},
                 {"documentId": id_of(SHELF).upper().replace("SHA", "sha")}):  # fmt: skip
        response = await app.send(body)
        assert response.status_code == 200
        assert "projects" in response.json()["data"], body


async def test_variables_come_with_the_hash(app: App) -> None:
    response = await app.send({"documentId": id_of(CREATE), "variables": {"t": "By hash"}, "operationName": "Create"})
    assert response.json()["data"] == {"projectCreate": {"project": {"title": "By hash"}}}


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{ __typename }"},
        {"documentId": id_of("{ __typename }")},
        {"documentId": id_of("{ __typename }"), "query": "{ __typename }"},
        {"documentId": "projects"},
        {"documentId": "sha256:xyz"},
        {"documentId": sha(SHELF)},
        {"extensions": persisted("{ __typename }")},
    ],
)
async def test_anything_else_is_not_found(app: App, body: dict[str, Any]) -> None:
    legacy, modern = await app.send(body), await app.send(body, accept=GRAPHQL)
    assert (legacy.status_code, codes(legacy)) == (200, [NOT_FOUND])
    assert (modern.status_code, codes(modern)) == (400, [NOT_FOUND])


async def test_clients_of_persisted_queries_are_told_in_their_own_words(app: App) -> None:
    [error] = (await app.send({"extensions": persisted("{ __typename }")})).json()["errors"]
    assert error["message"] == "PersistedQueryNotFound"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": SHELF, "documentId": id_of(CREATE)}, "BAD_USER_INPUT"),
        ({"query": SHELF + " ", "documentId": id_of(SHELF)}, "BAD_USER_INPUT"),
        ({"query": SHELF, "extensions": persisted(CREATE)}, "BAD_USER_INPUT"),
        ({"documentId": id_of(SHELF), "extensions": persisted(CREATE)}, "BAD_USER_INPUT"),
        ({"documentId": 5}, "BAD_REQUEST"),
        ({"documentId": ""}, "BAD_REQUEST"),
        ({"documentId": id_of(SHELF), "query": 5}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": sha(SHELF)}}}, "BAD_REQUEST"),
        ({"extensions": {"persistedQuery": sha(SHELF)}}, "BAD_REQUEST"),
        ({"documentId": id_of(SHELF), "variables": []}, "BAD_REQUEST"),
    ],
)
async def test_a_request_that_contradicts_itself_is_refused(app: App, body: dict[str, Any], code: str) -> None:
    response = await app.send(body)
    assert (response.status_code, codes(response)) == (400, [code])


async def test_a_trusted_document_is_neither_parsed_nor_validated_again(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    await app.send({"documentId": id_of(SHELF)})
    for name in ("parse", "validate"):
        monkeypatch.setattr(f"app.graphql.documents.{name}", lambda *_, name=name, **__: pytest.fail(name))
    assert "errors" not in (await app.send({"documentId": id_of(SHELF)})).json()


async def test_an_unknown_hash_asks_the_database_once_in_a_while(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    database = app.client.site.api.database
    body = {"documentId": id_of("{ a: __typename }")}
    await app.send(body)
    before = database.statements
    await app.send(body)
    again = database.statements - before
    monkeypatch.setattr(trusted, "UNKNOWN_TTL_S", 0.0)
    fresh = {"documentId": id_of("{ b: __typename }")}
    await app.send(fresh)
    before = database.statements
    await app.send(fresh)
    assert database.statements - before == again + 1


async def test_a_document_of_another_schema_is_validated_before_it_runs(
    app: App, admin: Database, alice: Person
) -> None:
    one = await new_app(alice)
    await one.register(SHELF)
    gone = "{ thing }"
    async with admin.engine.begin() as connection:
        await connection.execute(
            sql("update app.trusted_documents set hash = :h, text = :t, fingerprint = 'older' where name = 'Shelf' "
                "and client_app_id = (select id from app.client_apps order by created_at desc limit 1)"),
            {"h": sha(gone), "t": gone},
        )  # fmt: skip
    assert codes(await one.send({"documentId": id_of(gone)})) == ["GRAPHQL_VALIDATION_FAILED"]


# -- HTTP GET --------------------------------------------------------------------------------------------------------


async def test_a_trusted_query_can_be_got_and_kept(app: App) -> None:
    response = await app.get(documentId=id_of(SHELF))
    assert response.status_code == 200
    assert "projects" in response.json()["data"]
    assert response.headers["cache-control"] == "private, no-cache"
    assert "authorization" in response.headers["vary"]
    again = await app.get(documentId=id_of(SHELF), headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", response.headers["etag"])


async def test_changed_data_has_another_tag(app: App) -> None:
    before = (await app.get(documentId=id_of(SHELF))).headers["etag"]
    await app.send({"documentId": id_of(CREATE), "variables": {"t": "One more"}})
    after = await app.get(documentId=id_of(SHELF), headers={"if-none-match": before})
    assert after.status_code == 200
    assert after.headers["etag"] != before


async def test_parameters_of_the_url_are_those_of_a_body(alice: Person) -> None:
    one = await new_app(alice)
    query = "query One($id: ID!) { node(id: $id) { id } }"
    await one.register(query)
    response = await one.get(
        extensions=json.dumps(persisted(query)), variables=json.dumps({"id": alice.tenant_gid}), operationName="One"
    )
    assert response.json()["data"] == {"node": {"id": alice.tenant_gid}}


@pytest.mark.parametrize("header", ["x-fabula-preflight", "apollo-require-preflight"])
async def test_a_get_that_any_page_could_send_is_refused(app: App, header: str) -> None:
    url, headers = f"/graphql?documentId={id_of(SHELF)}", {"authorization": app.client.authorization}
    bare = await app.client.site.http.get(url, headers=headers)
    assert (bare.status_code, codes(bare)) == (400, ["BAD_REQUEST"])
    assert (await app.client.site.http.get(url, headers={**headers, header: "1"})).status_code == 200


async def test_only_queries_can_be_got(app: App) -> None:
    events = "subscription Watch($id: ID!) { jobEvents(id: $id) { seq } }"
    await app.register(events)
    for document in (CREATE, events):
        response = await app.get(documentId=id_of(document), variables=json.dumps({"t": "x", "id": "x"}))
        assert (response.status_code, codes(response)) == (405, ["METHOD_NOT_ALLOWED"])
        assert response.headers["allow"] == "POST"


async def test_a_query_can_be_got_as_text_under_the_same_terms(app: App, alice: Person) -> None:
    assert "projects" in (await app.get(query=SHELF)).json()["data"]
    assert codes(await app.get(query=SHELF + " ")) == [NOT_FOUND]
    headers = {"authorization": alice.authorization}
    bare = await alice.site.http.get("/graphql", params={"query": SHELF}, headers=headers)
    assert (bare.status_code, codes(bare)) == (400, ["BAD_REQUEST"])
    headers["x-fabula-preflight"] = "1"
    assert (await alice.site.http.get("/graphql", params={"query": SHELF}, headers=headers)).status_code == 200
    changes = await alice.site.http.get("/graphql", params={"query": "mutation { __typename }"}, headers=headers)
    assert (changes.status_code, codes(changes)) == (405, ["METHOD_NOT_ALLOWED"])


async def test_a_get_without_a_document_is_refused(app: App) -> None:
    response = await app.get()
    assert (response.status_code, codes(response)) == (405, ["METHOD_NOT_ALLOWED"])


@pytest.mark.parametrize("name", ["variables", "extensions"])
async def test_a_parameter_that_is_not_json_is_refused(app: App, name: str) -> None:
    response = await app.get(documentId=id_of(SHELF), **{name: "{"})
    assert (response.status_code, codes(response)) == (400, ["BAD_REQUEST"])


async def test_what_is_got_is_json_even_where_a_stream_would_do(app: App) -> None:
    response = await app.get(documentId=id_of(SHELF), headers={"accept": "text/event-stream"})
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert "projects" in response.json()["data"]


async def test_an_answer_with_errors_is_not_kept(app: App) -> None:
    response = await app.get(documentId=id_of("{ __typename }"))
    assert codes(response) == [NOT_FOUND]
    assert "etag" not in response.headers


# -- WebSocket and server-sent events --------------------------------------------------------------------------------


async def test_a_hash_runs_over_the_socket_and_anything_else_ends_alone(app: App) -> None:
    async with app.client.socket() as ws:
        for number, payload in enumerate(({"documentId": id_of(SHELF)}, {"query": "", "extensions": persisted(SHELF)})):
            await ws.send(id=f"{number}", type="subscribe", payload=payload)
            message = await ws.receive()
            assert (message["type"], "projects" in message["payload"]["data"]) == ("next", True)
            assert await ws.receive() == {"id": f"{number}", "type": "complete"}
        for payload in ({"query": "{ __typename }"}, {"documentId": id_of("{ __typename }")}):
            await ws.send(id="x", type="subscribe", payload=payload)
            message = await ws.receive()
            assert (message["id"], message["type"]) == ("x", "error")
            assert [error["extensions"]["code"] for error in message["payload"]] == [NOT_FOUND]
        await ws.send(id="y", type="subscribe", payload={"query": SHELF, "documentId": id_of(CREATE)})
        assert (await ws.receive())["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        await ws.send(id="z", type="subscribe", payload={"documentId": 5})
        assert await ws.closed() == 4400


@pytest.fixture(scope="module")
async def watched(alice: Person) -> str:
    """A generation that was cancelled before anybody worked at it."""
    one = await start(alice)
    await alice.mutate("generationCancel", "generation { id }", id=one.id)
    return one.id


async def test_a_subscription_is_trusted_over_the_socket_and_over_sse(app: App, watched: str) -> None:
    await app.register(EVENTS)
    body = {"documentId": id_of(EVENTS), "variables": {"id": watched}}
    async with app.client.socket() as ws:
        await ws.send(id="1", type="subscribe", payload=body)
        over_ws = [event["__typename"] async for event in ws.events("1")]
    assert over_ws[-1] == "GenerationCancelled"
    response = await app.send(body, accept="text/event-stream")
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert "GenerationCancelled" in response.text and "event: complete" in response.text
    refused = await app.send({"query": EVENTS + " ", "variables": {"id": watched}}, accept="text/event-stream")
    assert f'"code":"{NOT_FOUND}"' in refused.text and "event: complete" in refused.text


async def test_stricter_terms_hold_on_a_socket_that_is_open(alice: Person) -> None:
    one = await new_app(alice, mode="LOG")
    async with one.client.socket() as ws:
        await ws.subscribe("1", "{ __typename }")
        assert (await ws.receive())["type"] == "next"
        assert (await ws.receive())["type"] == "complete"
        await alice.mutate("clientAppUpdate", "clientApp { mode }", id=one.id, mode="REQUIRE")
        await ws.subscribe("2", "{ __typename }")
        assert (await ws.receive())["payload"][0]["extensions"]["code"] == NOT_FOUND
