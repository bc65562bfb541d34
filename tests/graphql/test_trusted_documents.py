"""The registry of trusted documents: what can be registered, and the documents of the product's own clients."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st
from sqlalchemy import text as sql

from app.graphql import documents
from app.graphql.documents import Documents
from app.graphql.errors import RequestRefused
from app.graphql.request import GraphQLRequest, read_request
from app.manifest import OWN
from app.settings import Settings
from domain.integrations import REGISTRATIONS_MAX
from persistence.database import Database
from tests.conftest import opened_site
from tests.graphql.client_apps import NOT_FOUND, SHELF, App, codes, id_of, new_app, sha
from tests.graphql.clients import Person, Site

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


def test_the_cache_of_trusted_documents_is_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "TRUSTED_MAX", 2)
    cache = Documents(site.api.schema, site.settings.limits)
    for name in "ABC":
        text = f"query {name} {{ __typename }}"
        cache.prepare_trusted(GraphQLRequest(""), sha(text), text, valid=True)
    assert list(cache._trusted) == [sha("query B { __typename }"), sha("query C { __typename }")]
