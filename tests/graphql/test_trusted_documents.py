"""Trusted documents over every transport: what a hash stands for, who may send text, and what is counted."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import text as sql

from app.graphql import documents, trusted
from app.graphql.documents import Documents
from app.graphql.errors import RequestRefused
from app.graphql.request import GraphQLRequest, read_request
from app.manifest import OWN
from app.settings import Settings
from domain.accounts import Role
from domain.integrations import REGISTRATIONS_MAX
from persistence.database import Database
from tests.conftest import opened_site
from tests.documents import EVENTS, GENERATE
from tests.graphql.clients import Person, Site

SHELF = "query Shelf { projects { edges { node { title } } } }"
CREATE = "mutation Create($t: String!) { projectCreate(input: {title: $t}) { project { title } } }"
NOT_FOUND = "PERSISTED_DOCUMENT_NOT_FOUND"
GRAPHQL = "application/graphql-response+json"
PREFLIGHT = {"x-fabula-preflight": "1"}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def id_of(text: str) -> str:
    return f"sha256:{sha(text)}"


def persisted(text: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": sha(text)}}


@dataclass
class App:
    """A client application, the person who runs it, and a token of it."""

    owner: Person
    id: str
    client: Person

    async def send(self, body: dict[str, Any], **headers: str) -> httpx.Response:
        headers = {"authorization": self.client.authorization, **headers}
        return await self.client.site.http.post("/graphql", json=body, headers=headers)

    async def get(self, **parameters: Any) -> httpx.Response:
        headers = {"authorization": self.client.authorization, **PREFLIGHT, **parameters.pop("headers", {})}
        return await self.client.site.http.get("/graphql", params=parameters, headers=headers)

    async def register(self, *texts: str) -> Any:
        documents = [{"hash": id_of(text), "text": text} for text in texts]
        return await self.owner.mutate(
            "trustedDocumentsRegister", "registered rejected { hash reason }", clientAppId=self.id, documents=documents
        )

    async def documents(self) -> list[dict[str, Any]]:
        query = """query ($id: ID!) { node(id: $id) { ... on ClientApp { documents(first: 100) { edges { node {
            id hash name text cost scopes useCount registeredAt firstUsedAt lastUsedAt retiredAt } } } } } }"""
        return [one["node"] for one in (await self.owner(query, id=self.id))["documents"]["edges"]]


async def new_app(owner: Person, token_scopes: tuple[str, ...] = ("read", "write"), **values: Any) -> App:
    made = await owner.mutate("clientAppCreate", "clientApp { id }", **{"name": "Reader", **values})
    app_id = made["clientApp"]["id"]
    made = await owner.mutate("apiTokenCreate", "token", name="key", scopes=list(token_scopes), clientAppId=app_id)
    return App(owner, app_id, owner.with_token(made["token"]))


@pytest.fixture(scope="module")
async def app(alice: Person) -> App:
    """A third party's: it may send these two and nothing else."""
    one = await new_app(alice, mode="REQUIRE")
    assert await one.register(SHELF, CREATE) == {"registered": 2, "rejected": [], "userErrors": []}
    return one


def codes(response: httpx.Response) -> list[str]:
    body = response.json()
    assert "data" not in body, body
    return [error["extensions"]["code"] for error in body["errors"]]


# -- registering -----------------------------------------------------------------------------------------------------


async def test_a_registered_document_says_what_it_is(app: App) -> None:
    create, shelf = sorted(await app.documents(), key=lambda one: one["name"])
    assert (shelf["hash"], shelf["text"], shelf["name"], shelf["retiredAt"]) == (id_of(SHELF), SHELF, "Shelf", None)
    assert (shelf["scopes"], create["scopes"]) == (["read"], ["write"])
    assert shelf["cost"] > 0
    assert shelf["registeredAt"] is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Syntax Error: Expected Name, found <EOF>."),
        ("{ nothing }", "Cannot query field 'nothing' on type 'Query'."),
        ("fragment F on Project { id }", "Fragment 'F' is never used."),
        ("{ " + " ".join(f"a{n}: __typename" for n in range(16)) + " }", "The operation has more than 15 aliases."),
        ("{ __typename " + "# x" * 20_000 + "\n}", "A document has at most 50,000 characters."),
    ],
    ids=["syntax", "validity", "no-operation", "aliases", "length"],
)
async def test_a_document_that_does_not_fit_is_named_with_the_reason(app: App, text: str, reason: str) -> None:
    answer = await app.register(SHELF, text)
    assert (answer["registered"], answer["rejected"]) == (1, [{"hash": id_of(text), "reason": reason}])


@profile(max_examples=100, deadline=None, derandomize=True)
@given(
    text=st.text(min_size=1).filter(str.strip),
    hash_=st.one_of(st.text(max_size=80), st.from_regex(r"\A(sha256:)?[0-9a-f]{64}\Z")),
)
def test_text_sent_with_another_hash_than_its_own_is_always_refused(text: str, hash_: str) -> None:
    for body in (
        {"query": text, "documentId": hash_ or "x"},
        {"query": text, "extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash_}}},
    ):
        with pytest.raises(RequestRefused) as refused:
            read_request(body)
        assert refused.value.code == "BAD_USER_INPUT"


async def test_the_database_itself_refuses_a_hash_that_is_not_its_texts(app: App, admin: Database) -> None:
    async with admin.engine.connect() as connection:
        with pytest.raises(Exception, match="trusted_documents_is_its_hash_check"):
            await connection.execute(sql("update app.trusted_documents set text = text || ' '"))


async def test_a_hundred_documents_are_registered_in_one_call(alice: Person) -> None:
    one = await new_app(alice)
    texts = [f"query Q{number} {{ __typename }}" for number in range(REGISTRATIONS_MAX + 1)]
    assert (await one.register(*texts[:-1]))["registered"] == REGISTRATIONS_MAX
    [error] = (await one.register(*texts))["userErrors"]
    assert (error["code"], error["field"]) == ("LIMIT_REACHED", ["input", "documents"])


async def test_a_retired_document_is_not_found_and_comes_back_when_registered_again(alice: Person) -> None:
    one = await new_app(alice)
    await one.register(SHELF)
    assert (await one.send({"documentId": id_of(SHELF)})).json()["data"] == {"projects": {"edges": []}}
    [document] = await one.documents()
    retired = await alice.mutate("trustedDocumentRetire", "trustedDocument { retiredAt }", id=document["id"])
    assert retired["trustedDocument"]["retiredAt"] is not None
    assert codes(await one.send({"documentId": id_of(SHELF)})) == [NOT_FOUND]
    await one.register(SHELF)
    assert "errors" not in (await one.send({"documentId": id_of(SHELF)})).json()


async def test_a_document_registered_after_it_was_asked_for_is_found_at_once(alice: Person) -> None:
    one = await new_app(alice)
    assert codes(await one.send({"documentId": id_of(SHELF)})) == [NOT_FOUND]
    await one.register(SHELF)
    assert "errors" not in (await one.send({"documentId": id_of(SHELF)})).json()


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
    """A generation that waits: nobody works in this module."""
    project = (await alice.mutate("projectCreate", "project { id }", title="T"))["project"]["id"]
    chapter = (await alice.mutate("chapterCreate", "chapter { id }", projectId=project, title="1"))["chapter"]["id"]
    started = (await alice(GENERATE, chapterId=chapter, key=chapter))["generation"]
    await alice.mutate("generationCancel", "generation { id }", id=started["id"])
    return str(started["id"])


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


# -- applications ----------------------------------------------------------------------------------------------------


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


# -- the product's own clients ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def strict(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """A site whose own clients may send the documents of one file and nothing else."""
    file = tmp_path_factory.mktemp("manifest") / "documents.json"
    file.write_text(json.dumps({id_of(SHELF): SHELF, id_of("{ __typename }"): "{ __typename }"}))
    changed = {"trusted_documents": file, "first_party_mode": "REQUIRE"}
    async with opened_site(Settings(**{**dict(settings), **changed})) as one:
        yield one


async def test_the_manifest_of_our_own_clients_is_there_for_every_tenant(alice: Person, bob: Person) -> None:
    manifest: dict[str, str] = json.loads(OWN.read_text())
    hash_ = next(hash_ for hash_, text in manifest.items() if "query Projects(" in text)
    for person in (alice, bob):
        response = await person.site.http.post(
            "/graphql", json={"documentId": hash_}, headers={"authorization": person.authorization}
        )
        assert "projects" in response.json()["data"]


async def test_people_send_text_unless_the_site_says_otherwise(strict: Site, alice: Person) -> None:
    assert await alice("{ projects { pageInfo { hasNextPage } } }") == {"pageInfo": {"hasNextPage": False}}
    person = await strict.tenant()
    assert await person(SHELF) == {"edges": []}
    assert await person.code("{ projects { pageInfo { hasNextPage } } }") == NOT_FOUND
    assert (await strict.post("{ __typename }")).json()["data"] == {"__typename": "Query"}
    assert codes(await strict.post("{ a: __typename }")) == [NOT_FOUND]
    async with person.socket() as ws:
        await ws.subscribe("1", "{ a: __typename }")
        assert (await ws.receive())["payload"][0]["extensions"]["code"] == NOT_FOUND


async def test_a_platform_document_is_found_by_every_process(alice: Person, admin: Database) -> None:
    text = "query Pushed { projects { edges { cursor } } }"
    async with admin.engine.begin() as connection:
        await connection.execute(
            sql("insert into app.platform_documents (hash, name, text, cost, scopes, fields, fingerprint) "
                "values (:h, 'Pushed', :t, 3, '[]', '[\"Query.projects\"]', 'older')"), {"h": sha(text), "t": text},
        )  # fmt: skip
    response = await alice.site.http.post(
        "/graphql", json={"documentId": id_of(text)}, headers={"authorization": alice.authorization}
    )
    assert "projects" in response.json()["data"]


async def test_a_registry_that_does_not_answer_is_no_refusal(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise OSError("no route")

    monkeypatch.setattr(Database, "platform_rows", away)
    body = {"documentId": id_of("{ never: __typename }")}
    response = await alice.site.http.post("/graphql", json=body)
    assert (response.status_code, codes(response)) == (503, ["INTERNAL_ERROR"])
    async with alice.site.socket() as ws:
        await ws.init()
        await ws.send(id="1", type="subscribe", payload=body)
        assert (await ws.receive())["payload"][0]["extensions"]["code"] == "INTERNAL_ERROR"
        await ws.subscribe("2", "{ __typename }")
        assert (await ws.receive())["type"] == "next"


# -- usage -----------------------------------------------------------------------------------------------------------

USAGE = """
query Usage($app: ID, $from: DateTime, $to: DateTime, $field: String) {
  schemaUsage(clientAppId: $app, from: $from, to: $to, field: $field) {
    fields { coordinate uses lastUsedAt deprecationReason }
    documents { hash name uses clientApp { id } }
    freeText { name uses clientApp { id } }
  }
}"""


async def test_what_is_used_is_counted_and_named(site: Site) -> None:
    owner = await site.tenant()
    one = await new_app(owner, mode="LOG")
    await one.register(SHELF)
    for _ in range(3):
        await one.send({"documentId": id_of(SHELF)})
    await one.send({"query": "query Loose { me { role } }"})
    await site.api.uses.flush()
    await one.send({"documentId": id_of(SHELF)})
    await site.api.uses.flush()
    usage = await owner(USAGE, app=one.id)
    assert usage["documents"] == [{"hash": id_of(SHELF), "name": "Shelf", "uses": 4, "clientApp": {"id": one.id}}]
    assert usage["freeText"] == [{"name": "Loose", "uses": 1, "clientApp": {"id": one.id}}]
    assert {field["coordinate"]: field["uses"] for field in usage["fields"]} == {
        "Project.title": 4, "ProjectConnection.edges": 4, "ProjectEdge.node": 4, "Query.projects": 4,
        "Query.me": 1, "Viewer.role": 1,
    }  # fmt: skip
    assert all(field["lastUsedAt"] and field["deprecationReason"] is None for field in usage["fields"])
    [document] = await one.documents()
    assert document["useCount"] == 4
    assert document["firstUsedAt"] < document["lastUsedAt"]


async def test_who_uses_a_field_can_be_asked(site: Site) -> None:
    owner = await site.tenant()
    one = await new_app(owner)
    other = "query Ids { projects { edges { node { id } } } }"
    await one.register(SHELF, other)
    for text in (SHELF, other):
        await one.send({"documentId": id_of(text)})
    await site.api.uses.flush()
    usage = await owner(USAGE, field="Project.title")
    assert [one["name"] for one in usage["documents"]] == ["Shelf"]
    assert [one["coordinate"] for one in usage["fields"]] == ["Project.title"]
    assert (await owner(USAGE, field="Project.genre"))["documents"] == []


async def test_a_deprecated_field_in_use_says_what_to_use_instead(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await site.tenant()
    await owner("query Old { projects { edges { node { genre } } } }")
    await site.api.uses.flush()
    genre = site.api.schema.type_map["Project"].fields["genre"]  # type: ignore[attr-defined]
    monkeypatch.setattr(genre, "deprecation_reason", "Use `tags`.")
    [field] = (await owner(USAGE, field="Project.genre"))["fields"]
    assert (field["coordinate"], field["uses"], field["deprecationReason"]) == ("Project.genre", 1, "Use `tags`.")


async def test_uses_are_kept_by_the_day(site: Site, admin: Database) -> None:
    owner = await site.tenant()
    one = await new_app(owner)
    await one.register(SHELF)
    await one.send({"documentId": id_of(SHELF)})
    await site.api.uses.flush()
    async with admin.engine.begin() as connection:
        await connection.execute(
            sql("update app.schema_uses set day = '2026-01-31' where tenant_id = :t"), {"t": owner.tenant_id}
        )
    for since, until, seen in (
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z", True),
        ("2026-01-31T23:59:59Z", "2026-02-01T00:00:00Z", True),
        ("2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", False),
        ("2026-01-01T00:00:00Z", "2026-01-30T23:59:59Z", False),
    ):
        usage = await owner(USAGE, **{"from": since, "to": until})
        assert bool(usage["documents"]) is seen, (since, until)
    assert await owner.code(USAGE, **{"from": "2026-02-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}) == "BAD_USER_INPUT"


async def test_our_own_clients_are_in_the_report_without_an_application(site: Site) -> None:
    owner = await site.tenant()
    await owner("query Mine { projects { pageInfo { hasNextPage } } }")
    await site.api.uses.flush()
    [free] = (await owner(USAGE))["freeText"]
    assert free == {"name": "Mine", "uses": 1, "clientApp": None}


async def test_text_of_an_application_that_should_know_better_is_marked_in_the_log(
    alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    one = await new_app(alice, mode="PREFER")
    await one.register(SHELF)
    with caplog.at_level(logging.INFO, "fabula.documents"):
        await one.send({"documentId": id_of(SHELF)})
        assert not [record for record in caplog.records if record.name == "fabula.documents"]
        await one.send({"query": "query Loose { __typename }"})
    [record] = [record for record in caplog.records if record.name == "fabula.documents"]
    assert "sent Loose as text" in record.getMessage()


async def test_only_administrators_see_what_is_used(site: Site, alice: Person) -> None:
    author = await site.member(alice, Role.AUTHOR)
    assert await author.code(USAGE) == "FORBIDDEN"
    assert await author.code("{ clientApps { edges { cursor } } }") == "FORBIDDEN"


def test_the_cache_of_trusted_documents_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "TRUSTED_MAX", 2)
    cache = Documents(site.api.schema, site.settings.limits)
    for name in "ABC":
        text = f"query {name} {{ __typename }}"
        cache.prepare_trusted(GraphQLRequest(""), sha(text), text, valid=True)
    assert list(cache._trusted) == [sha("query B { __typename }"), sha("query C { __typename }")]
