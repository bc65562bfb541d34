"""Runs one operation with graphql-core's executor and with the compiled one, and holds everything visible equal."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLSchema, build_schema, execute, parse

from app.graphql.compiled import CompiledExecutor, Plans

LEFT_TO_THE_COLLECTOR = pytest.mark.filterwarnings(
    # graphql-core leaves the coroutines of siblings that it cancels at once to the garbage collector.
    "ignore:Exception ignored in. <coroutine:pytest.PytestUnraisableExceptionWarning"
)

CALLS: Counter[str] = Counter()
"""How often each resolver ran; resolvers count themselves."""


@dataclass(frozen=True)
class Seen:
    """What one run showed: data, errors in their order, calls of resolvers."""

    data: Any
    errors: tuple[tuple[str, tuple[Any, ...] | None, tuple[Any, ...]], ...]
    calls: dict[str, int]

    @property
    def messages(self) -> list[str]:
        return [message for message, _, _ in self.errors]


def seen(result: ExecutionResult, *, ordered: bool = True) -> Seen:
    errors = [
        (error.message, tuple(error.path) if error.path else None, tuple(error.locations or ()))
        for error in result.errors or ()
    ]
    return Seen(result.data, tuple(errors if ordered else sorted(errors, key=repr)), dict(CALLS))


def compiling(after: int) -> type[CompiledExecutor]:
    """A compiled executor of its own plans, which are written after so many runs."""
    return type("Compiling", (CompiledExecutor,), {"compile_after": after, "plans": Plans(), "used": []})


class Unplanned(AssertionError):
    """An operation was not compiled, where a test is about its being compiled."""


async def equal(
    schema: GraphQLSchema,
    text: str,
    *,
    root: Callable[[], Any] = lambda: None,
    context: Callable[[], Any] = lambda: None,
    variables: dict[str, Any] | None = None,
    ordered: bool = True,
    compiled: bool = True,
    **options: Any,
) -> Seen:
    """What all runs showed: graphql-core's, the first of `compile_after` 0, and the second of `compile_after` 1.

    `root` and `context` are made anew for each run. `compiled` False where the operation must not be.
    """
    document = parse(text)

    async def run(executor_class: Any) -> Seen:
        CALLS.clear()
        result = execute(
            schema, document, root(), context_value=context(), variable_values=variables,
            executor_class=executor_class, **options,
        )  # fmt: skip
        return seen(await result if inspect.isawaitable(result) else result, ordered=ordered)

    expected = await run(None)
    cold, warm = compiling(0), compiling(1)
    for executor_class, runs in ((cold, 2), (warm, 2)):
        for n in range(runs):
            said = await run(executor_class)
            assert said == expected, (executor_class.compile_after, n)
        if compiled is not written(executor_class):
            raise Unplanned(f"compiled: {not compiled}")
    return expected


def written(executor_class: Any) -> bool:
    """Whether functions were written for any operation."""
    entries = executor_class.plans._entries.values()
    return any(plan.selections for entry in entries for plan in entry.plans.values())


def schema_of(sdl: str, **resolvers: Any) -> GraphQLSchema:
    """A schema from its text; `Type_field` names a resolver."""
    schema = build_schema(sdl)
    for name, function in resolvers.items():
        type_name, _, field_name = name.partition("_")
        schema.type_map[type_name].fields[field_name].resolve = function  # type: ignore[attr-defined]
    return schema


def counted(name: str) -> None:
    CALLS[name] += 1


async def later(value: Any) -> Any:
    """The value, or the exception raised, after a turn of the event loop."""
    await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value
