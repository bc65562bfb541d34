"""What the compiled executor completes, it completes as graphql-core does: values, lists, nulls, types."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    execute,
    parse,
)

from tests.graphql.held_equal import LEFT_TO_THE_COLLECTOR, compiling, counted, equal, later, schema_of, seen, written

pytestmark = [LEFT_TO_THE_COLLECTOR, pytest.mark.usefixtures("burial")]


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
