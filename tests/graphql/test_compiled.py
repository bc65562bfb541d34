"""The compiled executor does what graphql-core's does, trap by trap: data, errors and their order, calls."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from graphql import (
    AbortController,
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    MiddlewareManager,
    execute,
    parse,
    subscribe,
)
from graphql.execution import AbortedGraphQLExecutionError

from app.graphql.compiled import Plans
from app.graphql.compiled.plan import VARIANTS_MAX
from tests.graphql.held_equal import Unplanned, compiling, counted, equal, schema_of, seen, written

pytestmark = pytest.mark.filterwarnings(
    # graphql-core leaves the coroutines of siblings that it cancels at once to the garbage collector.
    "ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True, scope="module")
def burial() -> Iterator[None]:
    """What these tests leave to the garbage collector is theirs."""
    yield
    gc.collect()


async def later(value: Any) -> Any:
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


def failing(_source: Any, _info: Any, **_given: Any) -> Any:
    raise ValueError("no")


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


# -- values ----------------------------------------------------------------------------------------------------------


async def test_lists_of_awaitable_scalars_are_awaited() -> None:
    schema = schema_of("type Query { some: [Int], must: [Int!], all: [[String!]!]! }")
    said = await equal(
        schema,
        "{ some must all }",
        root=lambda: {
            "some": [1, later(2), None, later(None), later(ValueError("no")), "x"],
            "must": [later(1), later(None)],
            "all": [(later("a"), "b"), [later("c")]],
        },
        ordered=False,
    )
    assert said.data == {"some": [1, 2, None, None, None, None], "must": None, "all": [["a", "b"], ["c"]]}
    assert len(said.errors) == 3


class Thing:
    def __init__(self, **values: Any) -> None:
        self.__dict__ |= values


async def test_an_awaitable_attribute_is_awaited() -> None:
    schema = schema_of("type Query { thing: Thing, other: Thing! } type Thing { a: String! b: Int c: Thing }")
    said = await equal(
        schema,
        "{ thing { a b c { a } } other { b } }",
        root=lambda: Thing(
            thing=Thing(a=later("x"), b=later(ValueError("no")), c=later(Thing(a=later(None)))),
            other=later(Thing(b=later(3))),
        ),
    )
    assert said.data == {"thing": {"a": "x", "b": None, "c": None}, "other": {"b": 3}}


async def test_generators_async_ones_too_are_lists_and_are_read_once() -> None:
    def plain() -> Iterator[Any]:
        for n in range(3):
            counted("plain")
            yield n

    async def slow() -> AsyncIterator[Any]:
        for n in range(3):
            counted("slow")
            yield later(n) if n == 1 else n

    async def breaking() -> AsyncIterator[Any]:
        yield {"n": 1}
        raise ValueError("half way")

    schema = schema_of("type Query { plain: [Int!]! slow: [Int!]! broken: [N] } type N { n: Int }")
    said = await equal(
        schema, "{ plain slow broken { n } }", root=lambda: {"plain": plain(), "slow": slow(), "broken": breaking()}
    )
    assert said.data == {"plain": [0, 1, 2], "slow": [0, 1, 2], "broken": None}
    assert said.calls == {"plain": 3, "slow": 3}


async def test_exceptions_that_are_returned_are_errors() -> None:
    schema = schema_of(
        "type Query { a: Int n: N all: [N!] some: [Int] e: E } type N { must: Int! may: Int } enum E { X }"
    )
    said = await equal(
        schema,
        "{ a n { must may } all { may } some e }",
        root=lambda: {
            "a": ValueError("a"), "n": {"must": ValueError("must"), "may": 1}, "all": [{"may": 1}, KeyError("item")],
            "some": [1, GraphQLError("located"), later(ValueError("late"))], "e": TypeError("e"),
        },
    )  # fmt: skip
    assert said.data == {"a": None, "n": None, "all": None, "some": [1, None, None], "e": None}
    assert said.messages == ["a", "must", "'item'", "located", "e", "late"]


async def test_values_of_the_wrong_kind_are_the_same_errors() -> None:
    schema = schema_of(
        "type Query { i: Int b: Boolean f: Float s: String id: ID e: E l: [Int] o: O il: [O] } enum E { X } type O { i: Int }"
    )
    odd: list[Any] = [
        True,
        1,
        1.5,
        2**31,
        -(2**31) - 1,
        float("nan"),
        float("inf"),
        "x",
        "1",
        b"x",
        [],
        {},
        object,
        "X",
    ]
    for value in odd:
        await equal(schema, "{ i b f s id e l o { i } il { i } }", root=lambda: dict.fromkeys("ibfselo", value))  # noqa: B023
    await equal(schema, "{ il { i } l }", root=lambda: {"il": [5, None, [], "x"], "l": "text"})


async def test_null_where_it_must_not_be_makes_the_nearest_nullable_null() -> None:
    schema = schema_of("type Query { a: A aa: [A!]! } type A { b: B! bb: [B!] n: Int! } type B { n: Int! m: Int }")
    whole = {"b": {"n": 1, "m": 2}, "bb": [{"n": 1}], "n": 1}
    for hole in ({"n": None}, {"b": None}, {"b": {"n": None}}, {"bb": [None]}, {"bb": [{"n": 1}, {"m": 1}]}):
        for root in ({"a": whole | hole, "aa": []}, {"a": whole, "aa": [whole, whole | hole]}):
            await equal(schema, "{ a { n b { m n } bb { n m } } aa { n b { n } bb { n } } }", root=lambda: root)  # noqa: B023


async def test_with_error_propagation_disabled_an_error_stays_where_it_is() -> None:
    schema = schema_of("type Query { a: A! } type A { b: [B!]! n: Int! } type B { n: Int! }")
    said = await equal(
        schema,
        "query @experimental_disableErrorPropagation { a { n b { n } } }",
        root=lambda: {"a": {"n": ValueError("no"), "b": [{"n": None}, None, {"n": later(None)}, {"n": 1}]}},
    )
    assert said.data == {"a": {"n": None, "b": [{"n": None}, None, {"n": None}, {"n": 1}]}}
    assert len(said.errors) == 4


# -- types -----------------------------------------------------------------------------------------------------------

PETS = """type Query { pets: [Pet] pet: Pet! any: [Any] }
interface Pet { name: String! } union Any = Dog | Cat
type Dog implements Pet { name: String! barks: Boolean } type Cat implements Pet { name: String! lives: Int! }"""
ASK_PETS = (
    "{ pet { name } pets { __typename name ... on Dog { barks } ... on Cat { lives } } any { ... on Cat { lives } } }"
)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("by", ["resolve_type", "is_type_of", "typename"])
async def test_types_are_found_at_runtime_and_change_from_request_to_request(is_async: bool, by: str) -> None:
    schema = schema_of(PETS)

    def maybe(value: Any) -> Any:
        return later(value) if is_async else value

    def resolve_type(value: Any, _info: Any, _type: Any) -> Any:
        counted("type")
        return maybe(value.get("kind"))

    if by == "resolve_type":
        for name in ("Pet", "Any"):
            abstract: Any = schema.type_map[name]
            abstract.resolve_type = resolve_type
    if by == "is_type_of":
        for name in ("Dog", "Cat"):
            concrete: Any = schema.type_map[name]
            concrete.is_type_of = lambda value, _info, name=name: maybe(value.get("kind") == name)

    def pet(kind: str | None, **values: Any) -> dict[str, Any]:
        return {
            "kind": kind,
            "name": "n",
            "barks": True,
            "lives": 7,
            **({"__typename": kind} if by == "typename" else {}),
        } | values

    kinds = itertools.cycle(["Dog", "Cat", "Dog", "Fish", None, "Cat", "Cat", "Query"])
    worlds = [
        {"pet": pet("Dog"), "pets": [pet(next(kinds)) for _ in range(n)], "any": [pet("Cat", lives=None), pet("Dog")]}
        for n in (3, 8, 5)
    ]
    executor, document = compiling(0), parse(ASK_PETS)
    for world in worlds:
        said, expected = [
            seen(await result if inspect.isawaitable(result) else result, ordered=False)
            for result in (execute(schema, document, world, executor_class=one) for one in (executor, None))
        ]
        assert said.data == expected.data
        assert said.errors == expected.errors
    assert written(executor)


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_object_is_asked_whether_it_is_of_its_type(is_async: bool) -> None:
    schema = schema_of("type Query { a: A some: [A] } type A { n: Int }")
    type_: Any = schema.type_map["A"]

    def is_type_of(value: Any, info: Any) -> Any:
        counted("asked")
        assert info.field_name in {"a", "some"}
        if value.get("n") == 3:
            raise ValueError("cannot say")
        return later(value.get("n") == 1) if is_async else value.get("n") == 1

    type_.is_type_of = is_type_of
    said = await equal(
        schema, "{ a { n } some { n } }", root=lambda: {"a": {"n": 1}, "some": [{"n": 1}, {"n": 2}, {"n": 3}]},
        ordered=False,
    )  # fmt: skip
    assert said.data == {"a": {"n": 1}, "some": [{"n": 1}, None, None]}
    assert said.calls == {"asked": 4}


def test_the_schemas_of_these_tests_are_what_they_look_like() -> None:
    schema = schema_of(PETS)
    assert isinstance(schema.type_map["Pet"], GraphQLInterfaceType)
    assert isinstance(schema.type_map["Dog"], GraphQLObjectType)


# -- order, siblings, cancellation -----------------------------------------------------------------------------------


async def test_errors_come_in_the_order_of_graphql_cores() -> None:
    def root() -> Any:
        return {
            "a": {"y": 1, "z": later(ValueError("late"))}, "b": "no", "d": {"y": None, "z": 1},
            "c": [{"y": 1, "z": "x"}, {"y": later(None)}],
        }  # fmt: skip

    schema = schema_of("type Query { a: A b: Int c: [A] d: A } type A { x: Int y: Int! z: Int }", A_x=failing)
    said = await equal(schema, "{ a { x z y } b c { z x y } d { z y } }", root=root)
    assert [path for _, path, _ in said.errors] == [
        ("a", "x"), ("b",), ("c", 0, "z"), ("c", 0, "x"), ("c", 1, "x"), ("d", "y"), ("a", "z"), ("c", 1, "y")
    ]  # fmt: skip


async def test_a_fallback_runs_no_resolver_twice_and_leaves_the_context_as_graphql_core_would() -> None:
    class Items(list[Any]):
        """No plain list: it goes through graphql-core's own completion."""

    def count(_source: Any, info: Any) -> int:
        info.context["n"] += 1
        return int(info.context["n"])

    contexts: list[dict[str, int]] = []

    def context() -> dict[str, int]:
        contexts.append({"n": 0})
        return contexts[-1]

    schema = schema_of("type Query { items: [A] one: A n: Int } type A { n: Int a: A }", A_n=count, Query_n=count)
    said = await equal(
        schema,
        "{ n items { n a { n } } one { n } last: n }",
        root=lambda: {"items": Items([{}, {"a": {}}, iter([])]), "one": later({})},
        context=context,
    )
    assert said.data["items"][1] == {"n": 3, "a": {"n": 4}}
    assert {one["n"] for one in contexts} == {contexts[0]["n"]}


async def test_siblings_that_outlive_the_response_do_not_change_it() -> None:
    schema = schema_of("type Query { a: A b: Int } type A { slow: Int must: Int! }")
    document = parse("{ a { slow must } b }")
    for executor in (None, compiling(0)):
        gate, done = asyncio.Event(), asyncio.Event()

        async def slow(gate: asyncio.Event = gate, done: asyncio.Event = done) -> int:
            await gate.wait()
            done.set()
            raise ValueError("too late")

        root = {"a": {"slow": slow(), "must": ValueError("at once")}, "b": later(1)}
        async with asyncio.timeout(5):
            result: Any = execute(schema, document, root, executor_class=executor)
            said = await result
        before = seen(said)
        assert before.data == {"a": None, "b": 1}
        gate.set()
        await done.wait()
        await asyncio.sleep(0)
        assert seen(said) == before
        assert before.messages == ["at once"]


@pytest.mark.parametrize("text", ["{ wait }", "{ a { wait } b: wait }", "{ all { wait } }"])
async def test_cancelling_the_operation_cancels_its_resolvers(text: str) -> None:
    async def wait(_source: Any, _info: Any) -> None:
        counted("begun")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(asyncio.current_task())

    schema = schema_of("type Query { wait: Int a: A all: [A] } type A { wait: Int }", Query_wait=wait, A_wait=wait)
    counts = []
    for executor in (None, compiling(0)):
        begun, ended, before = asyncio.Event(), list[Any](), asyncio.all_tasks()
        result: Any = execute(schema, parse(text), {"a": {}, "all": [{}, {}]}, executor_class=executor)
        running = asyncio.ensure_future(result)
        await begun.wait()
        await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.sleep(0)
        counts.append(len(ended))
        assert asyncio.all_tasks() == before
    assert counts[0] == counts[1] >= 1


async def test_a_sibling_of_what_failed_is_cancelled_where_graphql_core_cancels_it() -> None:
    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            counted("cancelled")
            raise

    schema = schema_of("type Query { a: A } type A { must: Int! slow: Int list: [Int!] }")
    said = await equal(
        schema,
        "{ a { slow list must } }",
        root=lambda: {"a": {"must": later(None), "slow": forever(), "list": [forever()]}},
    )
    assert said.data == {"a": None}
    assert said.calls == {"cancelled": 2}


async def abort(executor: Any, root: Any, when: str) -> tuple[str, Any]:
    controller = AbortController()
    schema = schema_of(
        "type Query { a: Int b: Int stop: Int }", Query_stop=lambda *_: controller.abort(ValueError("stop"))
    )
    if when == "before":
        controller.abort(ValueError("stop"))
    if when == "meanwhile":
        asyncio.get_running_loop().call_later(0.01, controller.abort, ValueError("stop"))
    text = "{ a stop b }" if when == "by a resolver" else "{ a b }"
    try:
        result: Any = execute(schema, parse(text), root, abort_signal=controller.signal, executor_class=executor)
        said = await result if asyncio.iscoroutine(result) else result
    except AbortedGraphQLExecutionError as error:
        return "aborted", str(error)
    except ValueError as error:
        return "refused", str(error)
    return "answered", said.data


@pytest.mark.parametrize("when", ["before", "meanwhile", "by a resolver", "never"])
async def test_an_abort_signal_ends_an_operation_as_it_ends_graphql_cores(when: str) -> None:
    said = []
    for executor in (None, compiling(0)):
        endless = asyncio.Event().wait() if when == "meanwhile" else 2
        said.append(await abort(executor, {"a": 1, "b": endless}, when))
        if when == "meanwhile" and asyncio.iscoroutine(endless):
            endless.close()
    assert said[0] == said[1]


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
