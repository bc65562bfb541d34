"""Answers that PostgreSQL writes: what they are made of, and what happens when one cannot be."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from sqlalchemy import text

from app.graphql.sqlplan import SqlPlans
from persistence.database import Database
from resolvers.reads import LOOKUPS
from schema.base import TABLES
from schema.ids import encode_id
from tests.graphql.clients import Person, Site
from tests.graphql.executors import Planned, Stock
from tests.graphql.studio import Studio, populated
from workers.runtime import Runtime

PAGED = "{ projects(first: 2) { edges { node { id title chapters(first: 2) { edges { node { id title } } } } } } }"
BELOW = {
    "Chapter": "title project { title } versions(first: 2) { edges { cursor node { number } } pageInfo { endCursor } } "
    "generations(first: 1) { edges { node { state } } }",
    "CodexEntry": "name relations(first: 2) { edges { node { kind from { name } to { id } } } }",
    "CodexRelation": "kind from { id name } to { id name }",
    "Generation": "state model job { state } chapter { title } version { number } truncationReason",
    "Job": "state kind attempt retryOf createdAt",
    "OutlineNode": "title kind parentId status",
    "Project": "title createdAt chapters(first: 2) { edges { node { id } } } codexEntries(first: 2) { edges { node { name } } }",
    "TextVersion": "number text origin createdAt baseVersionId generation { state }",
}


@pytest.fixture(scope="module")
async def studio(alice: Person, runtime: Runtime) -> Studio:
    return await populated(alice, runtime)


@pytest.mark.parametrize("type_name", sorted(BELOW))
async def test_a_node_of_every_type_is_written_with_all_that_hangs_on_it(
    site: Site, alice: Person, studio: Studio, type_name: str
) -> None:
    actor = await site.api.authenticator.authenticate(alice.authorization)
    stock, planned = Stock(site.api.schema, site.api.services), Planned(site.api.schema, site.api.services)
    query = f"query ($id: ID!) {{ node(id: $id) {{ __typename id ... on {type_name} {{ {BELOW[type_name]} }} }} }}"
    for id_ in (studio.ids[type_name], encode_id(type_name, alice.tenant_id)):
        expected = await stock(query, {"id": id_}, actor)
        assert "errors" not in expected
        told = await planned(query, {"id": id_}, actor)
        assert json.dumps(told) == json.dumps(expected, default=str)


def test_every_type_that_has_a_table_and_is_found_by_id_is_among_these() -> None:
    assert LOOKUPS.keys() & TABLES.keys() - {"TrustedDocument"} == BELOW.keys()


async def test_an_answer_over_the_product_is_the_executors_and_says_what_it_cost(alice: Person, studio: Studio) -> None:
    said = [await alice.ask(PAGED) for _ in range(5)]  # the third time and later, PostgreSQL writes it
    assert [one["data"] for one in said] == [said[0]["data"]] * 5
    assert {one["extensions"]["cost"]["actual"] for one in said} == {said[0]["extensions"]["cost"]["actual"]}


@pytest.mark.parametrize("transport", ["http", "websocket", "sse"])
async def test_a_plan_that_fails_leaves_the_answer_to_the_executor(
    alice: Person, studio: Studio, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, transport: str
) -> None:
    expected = (await alice.ask(PAGED))["data"]
    for _ in range(3):
        await alice.ask(PAGED)

    async def broken(*_: Any) -> Any:
        raise RuntimeError("a defect of a plan")

    monkeypatch.setattr(SqlPlans, "attempt", broken)
    with caplog.at_level(logging.ERROR, "fabula.graphql"):
        assert await _over(alice, transport, PAGED) == expected
    assert "could not be answered by its plan" in caplog.text


@pytest.mark.parametrize("transport", ["http", "websocket", "sse"])
async def test_without_its_database_a_planned_operation_fails_as_any_other(
    alice: Person, studio: Studio, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    for _ in range(4):
        await alice.ask(PAGED)

    async def away(*_: Any, **__: Any) -> Any:
        raise ConnectionRefusedError

    monkeypatch.setattr(Database, "shaped", away)
    assert await _over(alice, transport, PAGED) == "INTERNAL_ERROR"


async def _over(person: Person, transport: str, query: str) -> Any:
    """The data, or the code of the only error."""
    if transport == "http":
        answer = await person.ask(query)
    elif transport == "websocket":
        async with person.socket() as ws:
            await ws.subscribe("1", query)
            answer = (await ws.receive())["payload"]
    else:
        async with person.site.sse(query, {}, authorization=person.authorization) as events:
            [(_, answer), _] = [event async for event in events]
    errors = answer.get("errors")
    return errors[0]["extensions"]["code"] if errors else answer["data"]


@pytest.mark.parametrize(
    "query",
    [
        "{ __typename }",
        "{ me { role } }",
        "{ projects { edges { node { wordCount } } } }",
        "{ projects { edges { node { id } } } wallet { available { amount } } }",
        '{ search(query: "x") { edges { cursor } } }',
        "{ projects(first: 101) { edges { cursor } } }",
        '{ projects(after: "garbage") { edges { cursor } } }',
    ],
)
async def test_what_is_worked_out_or_refused_is_left_to_the_executor(site: Site, alice: Person, query: str) -> None:
    actor = await site.api.authenticator.authenticate(alice.authorization)
    assert await Planned(site.api.schema, site.api.services)(query, {}, actor) is None


async def test_who_may_not_read_is_not_answered(site: Site, alice: Person, studio: Studio) -> None:
    made = await alice.mutate("apiTokenCreate", "token", name="x", scopes=["write"])
    writer = alice.with_token(made["token"])
    for actor in (None, await site.api.authenticator.authenticate(writer.authorization)):
        assert await Planned(site.api.schema, site.api.services)(PAGED, {}, actor) is None
    assert [await writer.code(PAGED) for _ in range(5)] == ["FORBIDDEN"] * 5


MISSING = """query ($id: ID!) {
  node(id: $id) { ... on CodexEntry { name relations(first: 5) { edges { node { kind to { name } } } } } }
}"""


async def test_where_null_may_not_be_the_executor_says_what_is_missing(
    site: Site, alice: Person, studio: Studio, admin: Database
) -> None:
    actor = await site.api.authenticator.authenticate(alice.authorization)
    planned = Planned(site.api.schema, site.api.services)
    reference = "query ($id: ID!) { node(id: $id) { ... on CodexRelation { kind to { name } } } }"
    asked = [(MISSING, {"id": studio.ids["CodexEntry"]}), (reference, {"id": studio.ids["CodexRelation"]})]
    assert [await planned(query, given, actor) is None for query, given in asked] == [False, False]
    deleted = "update app.codex_entries set deleted_at = {} where tenant_id = :tenant and name like 'Lan%'"
    values = {"tenant": studio.person.tenant_id}
    await admin.change(studio.person.tenant_id, text(deleted.format("now()")).bindparams(**values))
    try:
        for query, given in asked:
            assert await planned(query, given, actor) is None
            answer = await alice.ask(query, **given)
            assert [error["path"][-1] for error in answer["errors"]] == ["to"]
    finally:
        await admin.change(studio.person.tenant_id, text(deleted.format("null")).bindparams(**values))
