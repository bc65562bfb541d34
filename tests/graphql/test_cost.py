"""What an operation costs before it runs: the sums are done by hand here, from the weights in the schema."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, validate

from app.graphql.cost import Costs, plan_of, static_cost
from resolvers.root import build_schema

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
        ("{ channels { name } }", 10),
        ('{ node(id: "x") { ... on Project { outline { title } } } }', 1 + 200),
        ('{ node(id: "x") { ... on Generation { events(first: 5) { events { seq } } } } }', 1 + 1 + 5),
        ('{ node(id: "x") { ... on Generation { events(first: 5000) { events { seq } } } } }', 1 + 1 + 1000),
        ('{ node(id: "x") { ... on TextVersion { text } } }', 1 + 5),
        ('mutation { projectDelete(input: {id: "x"}) { project { id } userErrors { code } } }', 10 + 1),
        ('mutation { jobRetry(input: {id: "x", idempotencyKey: "k"}) { job { id } } }', 50 + 1),
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
    assert plan.actual(None) == 0
