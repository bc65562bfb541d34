"""One field at one place of an operation: what is known about it before any value is there."""

from __future__ import annotations

from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLOutputType, GraphQLResolveInfo
from graphql.execution.executor import to_nodes

from app.graphql.compiled.path import Place, as_path
from app.graphql.compiled.plan import FieldDetailsList


class Field:
    """Its methods do for this field what graphql-core's executor does for any."""

    __slots__ = ("definition", "details", "key", "parent_type", "type")

    def __init__(
        self, key: str, parent_type: GraphQLObjectType, definition: GraphQLField, details: FieldDetailsList
    ) -> None:
        self.key = key
        self.parent_type = parent_type
        self.definition = definition
        self.details = details
        self.type: GraphQLOutputType = definition.type

    def place(self, above: Place) -> Place:
        return above, self.key, self.parent_type.name

    def info(self, executor: Any, place: Any) -> GraphQLResolveInfo[Any]:
        """What a resolver is told, at the place of the field or of anything in its lists."""
        while place[1].__class__ is int:
            place = place[0]
        made: GraphQLResolveInfo[Any] = executor.build_resolve_info(
            self.definition, to_nodes(self.details), self.parent_type, as_path(place)
        )
        return made

    def fail(self, executor: Any, error: Exception, place: Place) -> None:
        """Note an error of this field and make it null. Raises the error, located, where it must not be null."""
        executor.handle_field_error(error, self.type, self.details, as_path(place))

    def complete(self, executor: Any, value: Any, place: Place) -> Any:
        """A value of any class, through graphql-core. Raises, or returns a coroutine that does not raise."""
        path, info = as_path(place), self.info(executor, place)
        if executor.is_awaitable(value):
            return executor.complete_awaitable_value(self.type, self.details, info, path, value, None)
        completed = executor.complete_value(self.type, self.details, info, path, value, None)
        return self.guarded(executor, completed, place) if executor.is_awaitable(completed) else completed

    async def guarded(self, executor: Any, completed: Any, place: Place) -> Any:
        """What comes of a coroutine, with its error noted as the field's."""
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - located and kept
            return self.fail(executor, error, place)
