"""The compiled executor over Strawberry's fields, called directly."""

import asyncio
from typing import Any, cast

import pytest
import strawberry
from graphql import execute, parse
from strawberry import UNSET, relay
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from tests.graphql.held_equal import LEFT_TO_THE_COLLECTOR, compiling, counted, equal, written

pytestmark = [LEFT_TO_THE_COLLECTOR, pytest.mark.usefixtures("burial")]


class Shouting(StrawberryField):
    def get_result(self, source: Any, info: Any, args: Any, kwargs: Any) -> Any:
        return str(super().get_result(source, info, args, kwargs)).upper()


class Twice(FieldExtension):
    def resolve(self, next_: Any, source: Any, info: Any, **given: Any) -> Any:
        counted("extension")
        return next_(source, info, **given) * 2


class Refusal(BasePermission):
    message = "not you"

    def has_permission(self, source: Any, info: Any, **given: Any) -> bool:
        return False


@strawberry.type
class Plain:
    name: str = "n"
    loud: str = cast("Any", Shouting(python_name="loud", default="quiet"))

    @strawberry.field
    def computed(self, times: int = 1) -> str:
        counted("computed")
        return f"{type(self).__name__} {times}"

    @strawberry.field(extensions=[Twice()])
    def twice(self) -> str:
        return "ab"

    @strawberry.field(permission_classes=[Refusal])
    def secret(self) -> str | None:
        return "secret"


@strawberry.input
class Wish:
    name: str
    parts: list[int] = strawberry.field(default_factory=lambda: [1])
    maybe: strawberry.Maybe[str | None]


@strawberry.type
class Parent(relay.Node):
    code: relay.NodeID[str]


@strawberry.type
class Wishes:
    @strawberry.field
    def plain(self) -> Plain:
        return Plain()

    @strawberry.field
    def wish(self, wish: Wish, also: strawberry.Maybe[int | None] = None, unset: str | None = UNSET) -> str:
        counted("wish")
        wish.parts.append(9)
        return f"{wish.name} {wish.parts} {wish.maybe} {also} {unset!r}"

    @strawberry.field
    def decoded(self, id: relay.GlobalID, ids: list[relay.GlobalID] | None = None) -> str:
        return f"{id!r} {ids!r}"

    @strawberry.field
    def source(self, parent: strawberry.Parent[Any], info: strawberry.Info) -> str:
        return f"{parent} {info.field_name} {info.path.as_list()} {[*info.selected_fields]}"

    @strawberry.field
    async def slow(self, info: strawberry.Info, n: int) -> int | None:
        await asyncio.sleep(0)
        if n < 0:
            raise ValueError(n)
        return n or None


WISHES = strawberry.Schema(Wishes, types=[Parent])._schema
GLOBAL_ID = str(relay.GlobalID("Parent", "1"))


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("{ plain { name computed a: computed(times: 3) twice secret } }", {}),
        ('{ a: wish(wish: {name: "x"}) b: wish(wish: {name: "x"}) c: wish(wish: {name: "x", parts: [1, 2]}) }', {}),
        ('{ a: wish(wish: {name: "x", maybe: null}) b: wish(wish: {name: "x", maybe: "m"}, also: null) }', {}),
        ('{ wish(wish: {name: "x"}, also: 1, unset: null) }', {}),
        ("query ($w: Wish!, $a: Int, $u: String) { wish(wish: $w, also: $a, unset: $u) }", {"w": {"name": "y"}}),
        (
            "query ($w: Wish!, $a: Int, $u: String) { wish(wish: $w, also: $a, unset: $u) }",
            {"w": {"name": "y", "maybe": None}, "a": None, "u": None},
        ),
        (f'{{ decoded(id: "{GLOBAL_ID}", ids: ["{GLOBAL_ID}"]) }}', {}),
        ('{ decoded(id: "no id") }', {}),
        ("query ($i: ID!) { decoded(id: $i, ids: null) }", {"i": GLOBAL_ID}),
        ("{ source a: source }", {}),
        ("{ a: slow(n: 1) b: slow(n: 0) c: slow(n: -1) }", {}),
    ],
)
async def test_strawberrys_fields_are_called_as_strawberry_calls_them(text: str, variables: dict[str, Any]) -> None:
    said = await equal(WISHES, text, root=lambda: "root", variables=variables, ordered=False)
    assert said.data is not None or said.errors


async def test_a_default_resolver_and_a_custom_get_result_are_used() -> None:
    @strawberry.type
    class Query:
        a: str
        b: str = cast("Any", Shouting(python_name="b", default="b"))

    config = StrawberryConfig(default_resolver=lambda source, name: source[name])
    schema = strawberry.Schema(Query, config=config)._schema
    said = await equal(schema, "{ a b }", root=lambda: {"a": "x", "b": "y"})
    assert said.data == {"a": "x", "b": "Y"}


async def test_an_argument_that_changes_between_requests_is_read_anew() -> None:
    document, executor = parse("query ($w: Wish!) { wish(wish: $w) }"), compiling(0)
    for variables in ({"w": {"name": "a"}}, {"w": {"name": "b", "parts": []}}, {"w": {"name": "a", "maybe": "m"}}):
        said, expected = [
            execute(WISHES, document, variable_values=variables, executor_class=one) for one in (executor, None)
        ]
        assert said == expected
    assert written(executor)
