"""What an operation costs before it runs: the sums are done by hand here, from the weights in the schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, validate

from app.graphql.cost import Costs, plan_of, static_cost
from app.settings import Limits, Settings
from resolvers.root import build_schema
from tests.conftest import opened_site
from tests.documents import EVENTS
from tests.graphql.clients import Person, Site
from tests.graphql.generations import start

SCHEMA = build_schema()._schema


def cost(query: str, variables: dict[str, Any] | None = None) -> int:
    document, operation = parsed(query)
    return static_cost(SCHEMA, document, operation, variables)


def parsed(query: str) -> tuple[Any, OperationDefinitionNode]:
    document = parse(query)
    assert validate(SCHEMA, document) == []
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return document, operation


FROM_THE_ISSUE = """query ($first: Int! = 20, $inner: Int!) {
  projects(first: $first) {
    edges { cursor node { id title chapters(first: $inner) { edges { node { id title wordCount } } } } }
    pageInfo { hasNextPage endCursor }
  }
}"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __typename }", 0),
        ("{ me { role } }", 1),
        ("{ projects { edges { node { title } } } }", 1 + 20),
        ("{ projects(first: 3) { edges { node { title } } pageInfo { endCursor } } }", 1 + 3),
        ("{ projects(first: 3) { edges { node { wordCount } } } }", 1 + 3 * (1 + 1)),
        ("{ projects(first: 1000000) { edges { cursor } } }", 1),
        ("{ projects(first: 1000000) { edges { node { id } } } }", 1 + 100),
        ("{ projects(first: -5) { edges { node { id } } } }", 1),
        ('{ search(query: "x", first: 5) { edges { node { title project { id } } } } }', 20 + 5 * (1 + 1)),
        ('{ nodes(ids: ["a", "b", "c"]) { id } }', 3),
        ("{ channels(first: 3) { edges { node { name } } } }", 1 + 3),
        ('{ node(id: "x") { ... on Project { outline { title } } } }', 1 + 200),
        ('{ node(id: "x") { ... on Generation { events(first: 5) { events { seq } } } } }', 1 + 1 + 5),
        ('{ node(id: "x") { ... on Generation { events(first: 5000) { events { seq } } } } }', 1 + 1 + 1000),
        ('{ node(id: "x") { ... on TextVersion { text } } }', 1 + 5),
        ('mutation { projectDelete(input: {id: "x"}) { project { id } userErrors { code } } }', 5 + 1),
        ('mutation { jobRetry(input: {id: "x", idempotencyKey: "k"}) { job { id } } }', 10 + 1),
        ('subscription { jobEvents(id: "x") { seq } }', 1),
        ("{ __schema { types { fields { type { name } } } } }", 100),
    ],
)
def test_a_field_costs_its_weight_and_a_list_as_often_as_it_is_long(query: str, expected: int) -> None:
    assert cost(query) == expected


def test_before_its_variables_are_known_a_page_is_its_default_or_the_longest() -> None:
    assert cost(FROM_THE_ISSUE) == 1 + 20 * (1 + 1 + 100)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"inner": 10}, 1 + 20 * (1 + 1 + 10)),
        ({"first": 2, "inner": 3}, 1 + 2 * (1 + 1 + 3)),
        ({"first": 0, "inner": 3}, 1),
        ({"first": "garbage", "inner": 2**70}, 1 + 100 * (1 + 1 + 100)),
        ({"first": None}, 1 + 100 * (1 + 1 + 20)),
    ],
)
def test_the_variables_that_are_sent_decide(variables: dict[str, Any], expected: int) -> None:
    assert cost(FROM_THE_ISSUE, variables) == expected


def test_a_list_of_ids_is_as_long_as_the_variable_that_carries_it() -> None:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert (cost(query), cost(query, {"ids": ["a"] * 7}), cost(query, {"ids": ["a"] * 700})) == (100, 7, 100)


def test_an_abstract_type_costs_what_its_dearest_member_does() -> None:
    query = """query ($n: Int!) { node(id: "x") {
      ... on Project { chapters(first: $n) { edges { node { id } } } }
      ... on Chapter { versions(first: 10) { edges { node { text } } } }
    } }"""
    assert cost(query, {"n": 99}) == 1 + 1 + 99
    assert cost(query, {"n": 5}) == 1 + 1 + 10 * (1 + 5)


def test_fields_that_merge_cost_once_however_often_they_are_spread() -> None:
    query = """{ ...A ...A ... on Query { ...B } }
    fragment A on Query { projects(first: 5) { edges { node { id } } } }
    fragment B on Query { projects(first: 5) { edges { node { title wordCount } } } other: me { role } }"""
    assert cost(query) == (1 + 5 * (1 + 1)) + 1


def test_an_alias_costs_again() -> None:
    assert cost("{ a: me { role } b: me { role } }") == 2


def test_a_fragment_on_an_interface_is_followed_where_it_applies() -> None:
    query = "{ me { user { ...N } } } fragment N on Node { id ... on Project { chapters { edges { node { id } } } } }"
    assert cost(query) == 1 + 1


def test_what_depends_on_no_variable_is_known_once() -> None:
    assert plan_of(SCHEMA, *parsed("query ($a: ID!) { node(id: $a) { id } }")).known == 1
    assert plan_of(SCHEMA, *parsed(FROM_THE_ISSUE)).known is None


def test_a_plan_is_made_once_for_an_operation_and_old_ones_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.graphql.cost.CACHE_MAX", 2)
    costs = Costs(SCHEMA)
    asked = [parsed("{ me { role } }") for _ in range(3)]
    first = costs.plan(*asked[0])
    assert costs.plan(*asked[0]) is first
    for one in asked[1:]:
        costs.plan(*one)
    assert costs.plan(*asked[0]) is not first


def test_only_introspection_is_told_from_other_fields() -> None:
    assert plan_of(SCHEMA, *parsed("{ __typename me { __typename } }")).introspects is False
    assert plan_of(SCHEMA, *parsed('{ ...F } fragment F on Query { __type(name: "Job") { name } }')).introspects is True


# -- what an answer did cost -----------------------------------------------------------------------------------------


def test_a_full_answer_costs_what_was_asked_and_a_short_one_what_it_has() -> None:
    plan = plan_of(SCHEMA, *parsed(FROM_THE_ISSUE))
    full, short = answer(2, 3), answer(1, 0)
    assert plan.actual(full) == plan.requested({"first": 2, "inner": 3}) == 1 + 2 * (1 + 1 + 3)
    assert plan.actual(short) == 1 + 1 * (1 + 1)


def answer(projects: int, chapters: int) -> dict[str, Any]:
    inner = {"edges": [{"node": {"id": "x"}}] * chapters}
    return {"projects": {"edges": [{"node": {"chapters": inner}}] * projects, "pageInfo": {}}}


def test_what_is_null_holds_no_lists() -> None:
    plan = plan_of(SCHEMA, *parsed('{ node(id: "x") { ... on Project { chapters { edges { node { id } } } } } }'))
    assert plan.actual({"node": None}) == 1


# -- the limit and the bucket, as clients meet them ------------------------------------------------------------------


@pytest.fixture(scope="module")
async def poor(settings: Settings) -> AsyncIterator[Site]:
    """A bucket of 100 that is not restored within the time of a test."""
    limits = Limits(cost_bucket_max=100, cost_restored_per_s=0.01)
    async with opened_site(settings.model_copy(update={"limits": limits})) as one:
        yield one


AT_THE_LIMIT = """query ($ids: [ID!]!) {
  projects(first: 100) { edges { node { chapters(first: 47) { edges { node { id } } } } } }
  nodes(ids: $ids) { __typename }
}"""
"""1 + 100 * (1 + 1 + 47), and one for each id."""


async def test_an_operation_may_cost_the_limit_and_no_more(alice: Person) -> None:
    within = await alice.ask(AT_THE_LIMIT, ids=[alice.tenant_gid] * 99)
    beyond = await alice.ask(AT_THE_LIMIT, ids=[alice.tenant_gid] * 100)
    assert within["extensions"]["cost"]["requested"] == Limits().query_cost_max == 5_000
    [error] = beyond["errors"]
    assert error["message"] == "The operation may cost 5,001, and 5,000 is the limit. Ask for shorter pages."
    assert error["extensions"]["code"] == "COST_LIMIT_EXCEEDED"
    assert error["extensions"]["cost"] == {"requested": 5_001, "limit": 5_000}
    assert "data" not in beyond


async def test_an_answer_says_what_it_cost_over_every_transport(alice: Person) -> None:
    await alice.mutate("projectCreate", title="The only one")
    query, expected = "{ projects(first: 30) { edges { node { id } } } }", (31, 2)
    async with alice.socket() as ws:
        await ws.subscribe("1", query)
        answers = [(await ws.receive())["payload"], await alice.ask(query)]
    async with alice.site.sse(query, {}, authorization=alice.authorization) as events:
        answers += [data async for name, data in events if name == "next"]
    costs = [answer["extensions"]["cost"] for answer in answers]
    assert [(one["requested"], one["actual"]) for one in costs] == [expected] * 3
    assert {(one["bucket"]["limit"], one["bucket"]["restoreRate"]) for one in costs} == {(10_000, 500)}


async def test_the_first_answer_of_a_stream_says_what_it_cost(alice: Person) -> None:
    generation = (await start(alice)).id
    async with alice.socket() as ws:
        await ws.subscribe("1", EVENTS, id=generation)
        await alice.mutate("generationCancel", id=generation)
        answers = []
        while (message := await ws.receive())["type"] == "next":
            answers.append(message["payload"])
    assert answers[0]["extensions"]["cost"]["requested"] == answers[0]["extensions"]["cost"]["actual"] == 1 + 1 + 5
    assert all("extensions" not in answer for answer in answers[1:])


async def test_what_pages_did_not_fill_is_given_back(poor: Site) -> None:
    person = await poor.tenant()
    for _ in range(30):
        answer = await person.ask("{ projects(first: 60) { edges { node { id } } } }")
    cost = answer["extensions"]["cost"]
    assert (cost["requested"], cost["actual"]) == (61, 1)
    assert cost["bucket"] == {"limit": 100, "remaining": 70, "restoreRate": 0.01}


async def test_an_answer_of_which_nothing_was_executed_costs_nothing(poor: Site) -> None:
    person = await poor.tenant()
    answer = await person.ask("query ($id: ID!) { node(id: $id) { id } }", id={})
    assert answer["extensions"]["cost"] == {
        "requested": 1, "actual": 0, "bucket": {"limit": 100, "remaining": 100, "restoreRate": 0.01}}  # fmt: skip


SPEND = """mutation {
  a: projectDelete(input: {id: "x"}) { userErrors { code } }
  b: projectDelete(input: {id: "x"}) { userErrors { code } }
}"""
"""Costs ten, and does nothing."""


async def test_an_empty_bucket_is_429_and_says_when_to_come_again(poor: Site) -> None:
    person = await poor.tenant()
    for _ in range(10):
        assert "data" in await person.ask(SPEND)
    response = await poor.post(SPEND, authorization=person.authorization)
    [error] = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (429, "RATE_LIMITED")
    assert error["message"].startswith("The operation may cost 10, and 0 is left. Try again in ")
    assert 950 <= int(response.headers["retry-after"]) == error["extensions"]["retryAfterS"] <= 1_000
    assert error["extensions"]["cost"]["bucket"]["remaining"] == 0
    assert (await person.ask("{ __typename }"))["data"] == {"__typename": "Query"}  # what costs nothing goes on


async def test_an_empty_bucket_ends_one_operation_of_a_socket_or_stream(poor: Site) -> None:
    person = await poor.tenant()
    for _ in range(10):
        await person.ask(SPEND)
    async with person.socket() as ws:
        await ws.subscribe("1", SPEND)
        message = await ws.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")
        await ws.subscribe("2", "{ __typename }")
        assert (await ws.receive())["type"] == "next"
    async with poor.sse(SPEND, {}, authorization=person.authorization) as events:
        told = [event async for event in events]
    assert [name for name, _ in told] == ["next", "complete"]
    assert told[0][1]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_an_operation_dearer_than_the_whole_bucket_is_refused_for_good(poor: Site) -> None:
    person = await poor.tenant()
    assert await person.code("{ projects(first: 100) { edges { node { id } } } }") == "COST_LIMIT_EXCEEDED"


async def test_nobody_in_particular_pays_by_address_and_a_token_for_itself(poor: Site) -> None:
    person = await poor.tenant()
    made = await person.mutate("apiTokenCreate", "token", name="x", scopes=["read"])
    for _ in range(9):
        await person.ask(SPEND)
    assert await person.code(SPEND) == "RATE_LIMITED"
    assert "data" in await person.with_token(made["token"]).ask(SPEND)
    while (response := await poor.post(SPEND)).status_code != 429:
        assert response.status_code == 200
    assert "data" in await person.with_token(made["token"]).ask(SPEND)


async def test_while_redis_is_away_nobody_is_refused(settings: Settings) -> None:
    limits = Limits(cost_bucket_max=10, cost_restored_per_s=0.001)
    lost = {"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0"), "limits": limits}
    async with opened_site(settings.model_copy(update=lost)) as site:
        person = await site.tenant()
        for _ in range(3):
            answer = await person.ask(SPEND)
            assert answer["extensions"]["cost"]["bucket"] == {"limit": 10, "remaining": 10, "restoreRate": 0.001}
