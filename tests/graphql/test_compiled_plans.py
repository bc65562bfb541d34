"""What is compiled, when, and for which requests: arguments, conditions, bounds, middleware, events."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import (
    DocumentNode,
    ExecutionResult,
    MiddlewareManager,
    execute,
    parse,
    subscribe,
)

from app.graphql.compiled import Plans
from app.graphql.compiled.plan import VARIANTS_MAX
from tests.graphql.held_equal import (
    LEFT_TO_THE_COLLECTOR,
    Unplanned,
    compiling,
    counted,
    equal,
    later,
    schema_of,
    seen,
    written,
)

pytestmark = [LEFT_TO_THE_COLLECTOR, pytest.mark.usefixtures("burial")]


# -- arguments -------------------------------------------------------------------------------------------------------


async def test_a_list_that_a_resolver_changes_is_no_other_fields_and_no_other_requests() -> None:
    def add(_source: Any, _info: Any, **given: Any) -> str:
        counted("add")
        given["to"].append(9)
        if "like" in given:
            given["like"]["xs"].append(8)
            given["like"]["more"] = True
        return repr(given)

    schema = schema_of(
        "type Query { add(to: [Int!]!, like: Like): String! } input Like { xs: [Int!]!, more: Boolean }", Query_add=add
    )
    said = await equal(
        schema,
        "query ($l: [Int!]!) { a: add(to: [1]) b: add(to: [1]) c: add(to: [2], like: {xs: [3]}) "
        "d: add(to: $l) ...F } fragment F on Query { e: add(to: [2], like: {xs: [3]}) }",
        variables={"l": [4]},
    )
    assert said.data["a"] == said.data["b"] == "{'to': [1, 9]}"
    assert said.data["c"] == said.data["e"] == "{'to': [2, 9], 'like': {'xs': [3, 8], 'more': True}}"
    assert said.calls == {"add": 5}


async def test_arguments_follow_their_variables_from_request_to_request() -> None:
    schema = schema_of(
        "type Query { say(a: Int = 7, b: String): String! }", Query_say=lambda _source, _info, **given: repr(given)
    )
    document = parse('query ($a: Int, $b: String = "b") { x: say(a: $a, b: $b) y: say(b: null) z: say }')
    executor = compiling(0)
    for variables in ({}, {"a": 1}, {"a": None, "b": None}, {"b": "c"}, {}):
        expected = execute(schema, document, variable_values=variables)
        said = execute(schema, document, variable_values=variables, executor_class=executor)
        assert isinstance(expected, ExecutionResult)
        assert isinstance(said, ExecutionResult)
        assert said == expected
    assert written(executor)


# -- plans -----------------------------------------------------------------------------------------------------------


async def test_a_plan_is_of_its_conditions_its_operation_and_its_schema() -> None:
    one = schema_of("type Query { a: Int b: A } type A { n: Int }")
    other = schema_of("type Query { a: String b: [A] } type A { n: String! }")
    document = parse(
        "query X($c: Boolean!, $d: Boolean = true) { a @include(if: $c) b { n @skip(if: $d) __typename } }"
        "query Y($c: Boolean = false) { y: a b @skip(if: $c) { m: n } }"
    )
    executor = compiling(0)
    for schema, root in ((one, {"a": 1, "b": {"n": 2}}), (other, {"a": "s", "b": [{"n": "t"}, {}]})) * 2:
        for name, c, d in itertools.product("XY", (True, False), (True, False, None)):
            variables = {"c": c} | ({} if d is None or name == "Y" else {"d": d})
            said, expected = [
                execute(schema, document, root, variable_values=variables, operation_name=name, executor_class=one_of)
                for one_of in (executor, None)
            ]
            assert said == expected
    assert len(executor.plans) == 4


async def test_the_same_operation_with_other_fragments_is_another() -> None:
    schema = schema_of("type Query { a: Int b: Int }")
    operation, one = parse("query { ...F } fragment F on Query { a }").definitions
    two = parse("fragment F on Query { b }").definitions[0]
    executor = compiling(0)
    for fragment, expected in ((one, {"a": 1}), (two, {"b": 2}), (one, {"a": 1})):
        document = DocumentNode(definitions=(operation, fragment))
        result: Any = execute(schema, document, {"a": 1, "b": 2}, executor_class=executor)
        assert result.data == expected


async def test_plans_are_bounded_however_many_literals_and_conditions_there_are() -> None:
    schema = schema_of("type Query { say(n: Int): Int }", Query_say=lambda _source, _info, n=0: n)
    executor = compiling(0)
    executor.plans = Plans(10)
    for n in range(50):
        result: Any = execute(schema, parse(f"{{ say(n: {n}) }}"), executor_class=executor)
        assert result.data == {"say": n}
    assert len(executor.plans) == 10
    names = "abcdef"
    document = parse(
        f"query ({', '.join(f'${c}: Boolean!' for c in names)}) {{ {' '.join(f'{c}: say @include(if: ${c})' for c in names)} }}"
    )
    for values in itertools.product((True, False), repeat=len(names)):
        variables = dict(zip(names, values, strict=True))
        result = execute(schema, document, variable_values=variables, executor_class=executor)
        assert result.data == {name: 0 for name in names if variables[name]}
    [plans] = [entry.plans for entry in executor.plans._entries.values() if entry.conditions]
    assert len(plans) == VARIANTS_MAX == 16


async def test_a_condition_that_is_null_is_refused_as_by_graphql_core() -> None:
    schema = schema_of("type Query { a: A } type A { n: Int }")
    for text in (
        "query ($c: Boolean = true) { a @include(if: $c) { n } }",
        "query ($c: Boolean = true) { a { n @skip(if: $c) } }",
    ):
        said = await equal(
            schema, text, root=lambda: {"a": {"n": 1}}, variables={"c": None}, compiled="a @" not in text
        )
        assert len(said.errors) == 1


async def test_an_operation_is_compiled_when_it_comes_again() -> None:
    schema, document, executor = schema_of("type Query { a: Int }"), parse("{ a }"), compiling(1)
    execute(schema, document, {"a": 1}, executor_class=executor)
    assert not written(executor)
    execute(schema, document, {"a": 1}, executor_class=executor)
    assert written(executor)


async def test_middleware_sees_every_field() -> None:
    def middleware(following: Any, source: Any, info: Any, **given: Any) -> Any:
        counted(info.field_name)
        return following(source, info, **given)

    schema = schema_of("type Query { a: A } type A { n: Int }")
    said = await equal(schema, "{ a { n } }", root=lambda: {"a": {"n": 1}}, middleware=[middleware], compiled=False)
    assert said.calls == {"a": 1, "n": 1}
    await equal(schema, "{ a { n } }", root=lambda: {"a": {"n": 1}}, middleware=MiddlewareManager())
    with pytest.raises(Unplanned):
        await equal(schema, "{ a { n } }", root=lambda: {"a": {"n": 1}}, middleware=[middleware])


async def test_a_custom_field_resolver_is_used_for_fields_without_one() -> None:
    schema = schema_of("type Query { a(x: Int): A } type A { n: Int }")

    def resolve(source: Any, info: Any, **given: Any) -> Any:
        counted(f"{info.field_name} {given}")
        return {"a": 1} if info.field_name == "a" else 5

    said = await equal(schema, "{ a(x: 1) { n } }", field_resolver=resolve)
    assert (said.data, said.calls) == ({"a": {"n": 5}}, {"a {'x': 1}": 1, "n {}": 1})


# -- subscriptions ---------------------------------------------------------------------------------------------------


async def test_errors_of_an_event_are_that_events_alone() -> None:
    async def events(_source: Any, _info: Any) -> AsyncIterator[Any]:
        for value in (1, None, ValueError("no"), {"x": later(2)}, "z", 3):
            yield {"event": value if isinstance(value, dict) else {"must": value, "x": value}}

    schema = schema_of("type Query { a: Int } type Subscription { event: E } type E { must: Int x: Int! }")
    root: Any = schema.subscription_type
    root.fields["event"].subscribe = events
    document = parse("subscription { event { must x } }")
    answers = []
    for executor in (None, compiling(0), compiling(1)):
        source: Any = subscribe(schema, document, executor_class=executor)
        answers.append([seen(one) async for one in (await source if asyncio.iscoroutine(source) else source)])
        assert executor is None or written(executor)
    assert answers[0] == answers[1] == answers[2]
    assert [len(one.errors) for one in answers[0]] == [0, 1, 2, 0, 2, 0]
