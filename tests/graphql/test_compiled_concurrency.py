"""The compiled executor keeps graphql-core's order of errors, its siblings, its cancellation and its aborts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from graphql import (
    AbortController,
    execute,
    parse,
)
from graphql.execution import AbortedGraphQLExecutionError

from tests.graphql.held_equal import LEFT_TO_THE_COLLECTOR, compiling, counted, equal, later, schema_of, seen

pytestmark = [LEFT_TO_THE_COLLECTOR, pytest.mark.usefixtures("burial")]


async def test_errors_come_in_the_order_of_graphql_cores() -> None:
    def root() -> Any:
        return {
            "a": {"y": 1, "z": later(ValueError("late"))}, "b": "no", "d": {"y": None, "z": 1},
            "c": [{"y": 1, "z": "x"}, {"y": later(None)}],
        }  # fmt: skip

    def failing(_source: Any, _info: Any) -> Any:
        raise ValueError("no")

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
