"""How a resolved value becomes part of the answer: one function for each place, chosen by the type there.

They are called with values of plain classes only (see `values`): neither null nor awaitable nor an exception.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.executor import Executor, collect_iterator_awaitables, invalid_return_type_error
from graphql.pyutils import gather_with_cancel

from app.graphql.compiled.field import Field
from app.graphql.compiled.path import Place, as_path
from app.graphql.compiled.values import DATA, PLAIN

Complete: TypeAlias = Callable[[Any, Any, Place], Any]
"""(executor, value, place) -> the completed value, or a coroutine of it. Raises what is wrong with the value."""

INT_MIN, INT_MAX = -(2**31), 2**31 - 1


def completer(field: Field, type_: GraphQLOutputType) -> Complete:
    inner: Any = type_.of_type if is_non_null_type(type_) else type_
    if is_leaf_type(inner):
        return _leaf(inner)
    if is_list_type(inner):
        return _list(field, inner)
    if is_object_type(inner):
        return _object(field, inner)
    return _anything(field, inner)


def _anything(field: Field, type_: GraphQLOutputType) -> Complete:
    def complete(executor: Any, value: Any, place: Place) -> Any:
        return executor.complete_value(type_, field.details, field.info(executor, place), as_path(place), value, None)

    return complete


def expected_class(type_: GraphQLOutputType) -> type | None:
    """The class whose values are their own completion, for a leaf that has one without further conditions."""
    inner: Any = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    return {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}.get(inner)


def _leaf(type_: Any) -> Complete:
    expected = expected_class(type_)
    if expected is not None:
        return lambda executor, value, _: (
            value if value.__class__ is expected else executor.complete_leaf_value(type_, value)
        )
    if type_ is GraphQLInt:
        return lambda executor, value, _: (
            value
            if value.__class__ is int and INT_MIN <= value <= INT_MAX
            else executor.complete_leaf_value(type_, value)
        )
    if type_ is GraphQLFloat:
        return lambda executor, value, _: (
            value if value.__class__ is float and math.isfinite(value) else executor.complete_leaf_value(type_, value)
        )
    if isinstance(type_, GraphQLEnumType):
        return _enum(type_)
    complete_leaf_value = Executor.complete_leaf_value
    return lambda _executor, value, _place: complete_leaf_value(type_, value)


class EnumNames(dict[str, Any]):
    """Names by value, each looked up once: an enum's values are fixed. Only of strings, whose equality is no surprise."""

    def __init__(self, type_: GraphQLEnumType) -> None:
        super().__init__()
        self._type = type_

    def __missing__(self, value: str) -> Any:
        name = self[value] = Executor.complete_leaf_value(self._type, value)
        return name


def _enum(type_: GraphQLEnumType) -> Complete:
    names = EnumNames(type_)
    return lambda executor, value, _: (
        names[value] if value.__class__ is str else executor.complete_leaf_value(type_, value)
    )


def _object(field: Field, type_: GraphQLObjectType) -> Complete:
    selection: Any = None
    is_type_of = type_.is_type_of

    def execute(executor: Any, value: Any, place: Place) -> Any:
        nonlocal selection
        if selection is None:
            selection = executor.selection_of(type_, field.details)
        return selection(executor, value, place)

    if is_type_of is None:
        return execute

    async def execute_later(executor: Any, value: Any, place: Place, answer: Any) -> Any:
        if not await executor.with_abort_signal(answer):
            raise invalid_return_type_error(type_, value, field.details)
        completed = execute(executor, value, place)
        return await completed if executor.is_awaitable(completed) else completed

    checks: Any = is_type_of
    needs_info = not getattr(checks, "needs_no_info", False)

    def complete(executor: Any, value: Any, place: Place) -> Any:
        answer: Any = checks(value, field.info(executor, place) if needs_info else None)
        if answer is True:
            return selection(executor, value, place) if selection is not None else execute(executor, value, place)
        if executor.is_awaitable(answer):
            return execute_later(executor, value, place, answer)
        if not answer:
            raise invalid_return_type_error(type_, value, field.details)
        return execute(executor, value, place)

    return complete


def _list(field: Field, type_: Any) -> Complete:
    item_type: Any = type_.of_type
    nullable = not is_non_null_type(item_type)
    complete_item = completer(field, item_type)
    anything = _anything(field, type_)

    def fail(executor: Any, error: Exception, place: Place) -> None:
        executor.handle_field_error(error, item_type, field.details, as_path(place))

    async def guarded(executor: Any, completed: Any, place: Place) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - located and kept
            return fail(executor, error, place)

    def one(executor: Any, item: Any, place: Place) -> Any:
        """An item of any class."""
        path, info = as_path(place), field.info(executor, place)
        if executor.is_awaitable(item):
            return executor.complete_awaitable_list_item_value(item, item_type, field.details, info, path, None)
        kept: list[Any] = []
        executor.complete_list_item_value(item, kept, item_type, field.details, info, path, None)
        return kept[0]

    def complete(executor: Any, value: Any, place: Place) -> Any:
        if value.__class__ is not list and value.__class__ is not tuple:
            return anything(executor, value, place)
        completed: list[Any] = []
        waiting: list[int] = []
        items = iter(value)
        try:
            for item in items:
                if PLAIN[item.__class__]:
                    try:
                        done = complete_item(executor, item, (place, len(completed), None))
                    except Exception as error:  # noqa: BLE001 - located and kept
                        fail(executor, error, (place, len(completed), None))
                        done = None
                    if done.__class__ not in DATA and executor.is_awaitable(done):
                        done = guarded(executor, done, (place, len(completed), None))
                        waiting.append(len(completed))
                elif item is None and nullable:
                    done = None
                else:
                    done = one(executor, item, (place, len(completed), None))
                    if executor.is_awaitable(done):
                        waiting.append(len(completed))
                completed.append(done)
        except Exception:
            settle(executor, [completed[index] for index in waiting], items)
            raise
        return gathered(completed, waiting) if waiting else completed

    return complete


def settle(executor: Any, awaitables: list[Any], rest: Any = ()) -> None:
    """Let what has begun come to its end unseen, as nothing waits for it any more."""
    every = [*awaitables, *collect_iterator_awaitables(iter(rest), executor.is_awaitable)]
    if every:
        executor.settle_in_background(every)


async def gathered(completed: Any, waiting: list[Any]) -> Any:
    """A list or an object, its awaitable parts replaced by what they yield. One that fails cancels the others."""
    if len(waiting) == 1:
        completed[waiting[0]] = await completed[waiting[0]]
    else:
        done = await gather_with_cancel(*(completed[key] for key in waiting))
        for key, value in zip(waiting, done, strict=True):
            completed[key] = value
    return completed
