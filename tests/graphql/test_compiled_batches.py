"""Fields that are resolved for many parents at once, under the compiled executor and under graphql-core's."""

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

import pytest
import strawberry
from graphql import AbortController, execute, parse
from graphql.execution import AbortedGraphQLExecutionError

from resolvers.reads import TenantReads
from schema.batched import batched
from schema.context import Context, Info
from tests.graphql.held_equal import CALLS, LEFT_TO_THE_COLLECTOR, Seen, compiling, counted, equal, seen, written

pytestmark = [LEFT_TO_THE_COLLECTOR, pytest.mark.usefixtures("burial")]


@dataclass(eq=False)
class Item:
    """`ill` names the fields that fail on this item; `name!` fails for all its level, `name#` answers too few."""

    id: int
    ill: tuple[str, ...] = ()
    children: list["Item"] = field(default_factory=list)
    child: "Item | None" = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)


def each(name: str, parents: list[Any], values: list[Any]) -> list[Any]:
    counted(name)
    if any(f"{name}!" in one.ill for one in parents):
        raise ValueError(f"{name} of all")
    if any(f"{name}#" in one.ill for one in parents):
        return values[:-1]
    return [
        ValueError(f"{name} of {one.id}") if name in one.ill else None if f"{name}?" in one.ill else value
        for one, value in zip(parents, values, strict=True)
    ]


Lazy = Annotated["ItemType", strawberry.lazy("tests.graphql.test_compiled_batches")]


@strawberry.type(name="Item")
class ItemType:
    id: int

    @batched(description="", columns=())
    async def must(items: list[Any], info: Info, say: str = "m") -> list[str]:
        await asyncio.sleep(0)
        return each("must", items, [f"{say}{one.id}" for one in items])

    @batched(description="", columns=())
    async def may(items: list[Any], info: Info) -> list[str | None]:
        return each("may", items, [str(one.id) for one in items])

    @batched(description="", columns=())
    async def children(items: list[Any], info: Info, first: int = 9) -> list[list[Lazy]]:
        return each("children", items, [one.children[:first] for one in items])

    @batched(description="", columns=())
    async def perhaps(items: list[Any], info: Info) -> list[list[Lazy | None] | None]:
        return each("perhaps", items, [one.children for one in items])

    @batched(description="", columns=())
    async def child(items: list[Any], info: Info) -> list[Lazy | None]:
        return each("child", items, [one.child for one in items])

    @batched(description="", columns=())
    async def wait(items: list[Any], info: Info) -> list[str]:
        root = info.context.services
        root.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # as for a connection that is given back
            root.ended.set()
        return []

    @strawberry.field
    async def slow_child(self, info: Info) -> Lazy | None:
        await asyncio.sleep(0)
        return cast("Any", self).child

    @strawberry.field
    async def gated(self, info: Info) -> Lazy | None:
        await cast("Any", self).gate.wait()
        return cast("Any", self).child

    @strawberry.field
    def none(self) -> str:
        return cast("str", None)


@strawberry.type
class ItemQueries:
    @strawberry.field
    def one(self, info: Info) -> ItemType | None:
        return info.context.services

    @strawberry.field
    def many(self, info: Info) -> list[ItemType | None] | None:
        return info.context.services.children

    @strawberry.field
    async def must_many(self, info: Info) -> list[ItemType]:
        await asyncio.sleep(0)
        return info.context.services.children


ITEMS = strawberry.Schema(ItemQueries)._schema
ItemType.__strawberry_definition__.is_type_of = None  # type: ignore[attr-defined]
cast("Any", ITEMS.type_map["Item"]).is_type_of = None


async def of_items(root: Item, text: str, *, ordered: bool = False) -> Seen:
    """The compiled answer, equal to that of graphql-core with a dataloader for each field."""

    def context() -> Context:
        reads = TenantReads(cast("Any", None), cast("Any", None), None)
        return Context(None, reads, root, "request")

    return await equal(ITEMS, text, context=context, ordered=ordered)


def family(*ill: str, of: int = 2) -> Item:
    """Three children with two children each, one of which, number 2 unless said otherwise, is ill."""
    made = [Item(n, ill if n == of else (), [Item(10 * n + m) for m in (1, 2)], Item(100 + n)) for n in (1, 2, 3)]
    return Item(0, (), made, Item(100))


async def test_one_call_answers_all_parents_of_a_place() -> None:
    said = await of_items(family(), "{ many { id must may children { id must } } }")
    assert said.calls == {"must": 2, "may": 1, "children": 1}
    assert said.data["many"][1] == {
        "id": 2, "must": "m2", "may": "2", "children": [{"id": 21, "must": "m21"}, {"id": 22, "must": "m22"}]}  # fmt: skip
    assert said.errors == ()


async def test_two_aliases_of_one_field_are_two_calls_with_their_own_arguments() -> None:
    said = await of_items(family(), '{ many { a: must(say: "a") b: must(say: "b") c: children(first: 1) { must } } }')
    assert said.calls == {"must": 3, "children": 1}
    assert said.data["many"][0] == {"a": "a1", "b": "b1", "c": [{"must": "m11"}]}


NESTED = "{ many { id children { id must perhaps { id may must } } slowChild { must } child { may child { must } } } }"
DEEP = [
    "{ many { must may } }",
    "{ mustMany { must may } }",
    "{ one { children { must children { must } } } }",
    "{ one { must child { must children { may } } } many { child { must } } }",
    "{ many { perhaps { must may } id } }",
    "{ one { slowChild { must child { must } } } }",
    "{ mustMany { slowChild { children { must } must } } }",
    NESTED,
]


@pytest.mark.parametrize("text", DEEP)
@pytest.mark.parametrize(
    "ill",
    [
        "",
        "must",
        "must?",
        "may",
        "may?",
        "children",
        "children?",
        "perhaps",
        "perhaps?",
        "child",
        "child?",
    ],
)
async def test_an_error_for_one_parent_makes_null_what_graphql_core_makes_null(text: str, ill: str) -> None:
    for of in (1, 2, 3):
        await of_items(family(ill, of=of), text)


@pytest.mark.parametrize("where", ["grandchild", "child", "both"])
async def test_errors_below_lists_and_below_batches_end_where_null_may_be(where: str) -> None:
    root = family()
    if where != "child":
        root.children[1].children[0].ill = ("must",)
    if where != "grandchild":
        root.children[2].child = Item(103, ("must",))
    said = await of_items(
        root, "{ many { id children { must } child { must } } one { perhaps { id perhaps { must } } } }"
    )
    assert [one is None for one in said.data["many"]] == [False, where != "child", False]
    assert (said.data["many"][2]["child"] is None) is (where != "grandchild")


@pytest.mark.parametrize("failure", ["must!", "may!", "must#", "children!", "perhaps!"])
async def test_a_call_that_fails_or_answers_too_few_is_an_error_of_every_parent(failure: str) -> None:
    name, kind = failure[:-1], failure[-1]
    root = family(failure)
    below = "" if name in {"must", "may"} else "{ id }"
    compiled, stock = [
        await answer_of(root, f"{{ many {{ id {name} {below} }} }}", executor) for executor in (compiling(0), None)
    ]
    assert compiled.data == stock.data
    assert len(compiled.errors) == len(stock.errors) == 3
    assert [path for _, path, _ in compiled.errors] == [path for _, path, _ in stock.errors]
    if kind == "!":
        assert compiled.messages == [f"{name} of all"] * 3
    else:
        assert set(compiled.messages) == {f"{name}: 2 values for 3 parents"}


async def answer_of(root: Item, text: str, executor: Any) -> Seen:
    reads = TenantReads(cast("Any", None), cast("Any", None), None)
    CALLS.clear()
    result: Any = execute(ITEMS, parse(text), context_value=Context(None, reads, root, "r"), executor_class=executor)
    return seen(await result if asyncio.iscoroutine(result) else result, ordered=False)


async def test_what_fails_beside_a_batch_nulls_their_parent_whatever_the_batch_answers() -> None:
    for ill in ("", "must", "may"):
        said = await of_items(family(ill), "{ many { id } one { child { none must may } } mustMany { may } }")
        assert said.data["one"] == {"child": None}
        assert "Cannot return null for non-nullable field Item.none." in said.messages


async def test_with_error_propagation_disabled_a_batched_error_stays_where_it_is() -> None:
    said = await of_items(family("must"), "query @experimental_disableErrorPropagation { mustMany { id must } }")
    assert said.data == {"mustMany": [{"id": 1, "must": "m1"}, {"id": 2, "must": None}, {"id": 3, "must": "m3"}]}


async def test_one_plan_serves_requests_that_fail_and_requests_that_do_not() -> None:
    executor = compiling(0)
    for ill in ("must", "", "may", "must", ""):
        said, expected = [await answer_of(family(ill), NESTED, one) for one in (executor, None)]
        assert said == expected
    assert written(executor)


@pytest.mark.parametrize(
    "text", ["{ many { wait } }", "{ one { slowChild { wait } } }", "{ one { child { wait child { id } } } }"]
)
async def test_cancelling_an_operation_ends_its_batches_and_leaves_no_task(text: str) -> None:
    root, before = family(), asyncio.all_tasks()
    running = asyncio.ensure_future(answer_of(root, text, compiling(0)))
    await root.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert root.ended.is_set()
    assert asyncio.all_tasks() == before


async def test_an_operation_with_an_abort_signal_is_left_to_graphql_core() -> None:
    root, controller, executor = family(), AbortController(), compiling(0)
    reads = TenantReads(cast("Any", None), cast("Any", None), None)
    context = Context(None, reads, root, "r")
    result: Any = execute(
        ITEMS, parse("{ many { wait } }"), context_value=context, abort_signal=controller.signal,
        executor_class=executor,
    )  # fmt: skip
    running = asyncio.ensure_future(result)
    await root.begun.wait()
    controller.abort(ValueError("stop"))
    with pytest.raises(AbortedGraphQLExecutionError):
        await running
    await asyncio.sleep(0)
    assert not written(executor)


async def test_a_sibling_that_outlives_the_response_begins_no_batch() -> None:
    root, executor = family(), compiling(0)
    gate = asyncio.Event()
    root.child = Item(100, child=Item(101))
    root.child.gate = gate
    said = await answer_of(root, "{ one { child { gated { must } none } } }", executor)
    assert said.data == {"one": {"child": None}}
    assert said.calls == {"child": 1}
    gate.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert CALLS == {"child": 1}
