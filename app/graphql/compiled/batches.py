"""Fields that are resolved for many parents at once.

While the answer is put together, a batched field leaves a gap and a ticket. Tickets of one place are collected until
the event loop comes round, and answered by one call. What fails is noted as graphql-core notes it; where it may not be
null, the nearest place above that may be is made null once all is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from graphql import ExecutionResult, GraphQLError, GraphQLObjectType, is_list_type, is_non_null_type
from strawberry.types.field import StrawberryField

from app.graphql.compiled.field import Field
from app.graphql.compiled.path import Place, as_path
from app.graphql.compiled.resolution import strawberry_arguments, strawberry_info
from app.graphql.compiled.values import DATA

Ticket: TypeAlias = tuple[Any, dict[str, Any], Place]
"""A parent, the object in which its field is a gap, and the place of that object."""


class Slot:
    """A batched field at one place of an operation."""

    def __init__(self, field: Field, made: StrawberryField, function: Any, finish: Callable[..., Any]) -> None:
        self.field = field
        self.finish = finish
        self._made = made
        self._function = function
        self._arguments = strawberry_arguments(field, made)

    async def values(self, executor: Any, tickets: list[Ticket]) -> list[Any]:
        """One value or exception for each ticket."""
        place = self.field.place(tickets[0][2])
        try:
            info = strawberry_info(self.field, self._made, executor, place)
            sources = [source for source, _, _ in tickets]
            values = await self._function(sources, info, **self._arguments(executor, place))
            if len(values) != len(tickets):
                raise RuntimeError(f"{self.field.key}: {len(values)} values for {len(tickets)} parents")
        except Exception as error:  # noqa: BLE001 - each parent's error
            return [error] * len(tickets)
        return list(values)


class Batches:
    """The tickets of one execution."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._waiting: dict[Slot, list[Ticket]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._failures: list[Place] = []
        self._ended = False

    def add(self, slot: Slot, source: Any, result: dict[str, Any], above: Place) -> None:
        if self._ended:  # by a sibling of what failed, which nobody waits for any more
            return
        tickets = self._waiting.get(slot)
        if tickets is None:
            tickets = self._waiting[slot] = []
            asyncio.get_running_loop().call_soon(self._begin, slot)
        tickets.append((source, result, above))

    @property
    def pending(self) -> bool:
        return bool(self._waiting or self._running)

    async def complete(self, result: Any) -> ExecutionResult:
        """Wait for the execution and for every ticket, those that come of others included."""
        try:
            done: ExecutionResult = await result if self._executor.is_awaitable(result) else result
            while self.pending:
                if self._running:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                    self._reap()
                else:
                    await asyncio.sleep(0)  # tickets whose call comes with the next turn of the loop
        finally:
            await self._end()
        data = done.data
        for place in self._failures:
            data = self._without(data, place)
        return ExecutionResult(data, self._executor.collected_errors.errors or None)

    def _reap(self) -> None:
        for task in [one for one in self._running if one.done()]:
            self._running.discard(task)
            task.result()

    async def _end(self) -> None:
        """Whoever waited has no more to wait for: what still runs is cancelled, and seen to its end."""
        self._ended = True
        self._waiting.clear()
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    def _begin(self, slot: Slot) -> None:
        tickets = self._waiting.pop(slot, None)
        if tickets:
            self._running.add(asyncio.ensure_future(self._run(slot, tickets)))

    async def _run(self, slot: Slot, tickets: list[Ticket]) -> None:
        later, executor, key = [], self._executor, slot.field.key
        for (_, result, above), value in zip(tickets, await slot.values(executor, tickets), strict=True):
            try:
                done = slot.finish(executor, value, above)
            except Exception as error:  # noqa: BLE001 - located and kept
                self._fail(slot, error, above)
                continue
            if done.__class__ not in DATA and executor.is_awaitable(done):
                later.append(self._settle(slot, result, above, done))
            else:
                result[key] = done
        if later:
            await asyncio.gather(*later)

    async def _settle(self, slot: Slot, result: dict[str, Any], above: Place, done: Any) -> None:
        try:
            result[slot.field.key] = await done
        except Exception as error:  # noqa: BLE001 - located and kept
            self._fail(slot, error, above)

    def _fail(self, slot: Slot, error: Exception, above: Place) -> None:
        place = slot.field.place(above)
        try:
            slot.field.fail(self._executor, error, place)
        except GraphQLError as located:
            nullable = self._nullable_above(place)
            self._executor.collected_errors.add(located, nullable)
            self._failures.append(nullable)

    # -- null where null may be ------------------------------------------------------------------------------------

    def _nullable_above(self, place: Place) -> Any:
        """The nearest place above that may be null; None for the whole answer."""
        steps: list[Any] = []
        path = as_path(place)
        while path is not None:
            steps.insert(0, path)
            path = path.prev
        nullable = None
        for step, type_ in zip(steps[:-1], self._types(steps), strict=False):
            if not is_non_null_type(type_):
                nullable = step
        return nullable

    def _types(self, steps: list[Any]) -> list[Any]:
        """The declared type at each step of a path, found through the fields that were collected for it."""
        executor, types = self._executor, []
        grouped, type_ = executor.plan.root, None
        details: Any = None
        for step in steps:
            if isinstance(step.key, int):
                type_ = _inner(type_).of_type
            else:
                parent = executor.schema.get_type(step.typename)
                if details is not None:
                    grouped = executor.collect_subfields(_object(parent), details).grouped_field_set
                details = grouped[step.key]
                type_ = executor.schema.get_field(parent, details[0].node.name.value).type
            types.append(type_)
        return types

    def _without(self, data: Any, place: Any) -> Any:
        """The answer with null at a place, unless something above it is null already."""
        if place is None or data is None:
            return None
        *above, last = place.as_list()
        holder = data
        for key in above:
            holder = holder[key]
            if holder is None:
                return data
        holder[last] = None
        return data


def _inner(type_: Any) -> Any:
    inner = type_.of_type if is_non_null_type(type_) else type_
    if not is_list_type(inner):
        raise TypeError(f"{inner} is no list")
    return inner


def _object(type_: Any) -> GraphQLObjectType:
    if not isinstance(type_, GraphQLObjectType):
        raise TypeError(f"{type_} is no object type")
    return type_
