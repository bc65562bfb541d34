"""What of a schema queries have asked for, and the way to what they have not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import GraphQLField, GraphQLSchema, get_named_type, is_abstract_type

from tests.graphql.generator import Writer


def _targets(schema: GraphQLSchema, field: GraphQLField) -> Iterator[Any]:
    target = get_named_type(field.type)
    yield target
    if is_abstract_type(target):
        yield from schema.get_possible_types(target)


def reachable(schema: GraphQLSchema) -> set[str]:
    """`Type.field` of everything that a query can come to."""
    found: set[str] = set()
    left: list[Any] = [schema.query_type]
    while left:
        type_ = left.pop()
        for name, one in getattr(type_, "fields", {}).items():
            if f"{type_}.{name}" not in found:
                found.add(f"{type_}.{name}")
                left += _targets(schema, one)
    return found


ANY_OF_THEM = 5
"""How much longer the way through an interface or a union is: which type it is, the writer leaves to chance."""


def distances(schema: GraphQLSchema, goal: str) -> dict[str, int]:
    """How far each field leads from the type that is the goal, by `Type.field`; without those that do not lead there."""
    away = {goal: 0}
    while True:
        found = {
            f"{type_}.{name}": 1 + away[target] + ANY_OF_THEM * (n > 0)
            for type_ in schema.type_map.values()
            for name, one in getattr(type_, "fields", {}).items()
            for n, target in sorted(enumerate(str(each) for each in _targets(schema, one)), reverse=True)
            if target in away
        }
        before = dict(away)
        for field, distance in found.items():
            type_name = field.partition(".")[0]
            away[type_name] = min(distance, away.get(type_name, distance))
        if away == before:
            return found


def explorer(schema: GraphQLSchema, missing: set[str]) -> type[Writer]:
    """Who writes queries that each go straight for something missing, and no further."""
    goals = sorted(missing)
    ways = {goal: distances(schema, goal.partition(".")[0]) for goal in goals}
    root = schema.query_type
    assert root is not None
    names = list(root.fields)

    class Towards(Writer):
        def __init__(self, schema: GraphQLSchema, pool: Any, below: Any, weights: Any = None) -> None:
            super().__init__(schema, pool, below, weights)
            self._goal = goals[below(len(goals))]
            self._left = 18
            nearest = {name for name, _ in self._nearest(root)}
            self._weights = {name: 2 * (name in nearest) for name in names}

        def _fields_of(self, type_: Any) -> list[tuple[str, GraphQLField]]:
            return self._nearest(type_)

        def _nearest(self, type_: Any) -> list[tuple[str, GraphQLField]]:
            fields = super()._fields_of(type_)
            if there := [one for one in fields if f"{type_}.{one[0]}" == self._goal]:
                return there
            way = ways[self._goal]
            least = min((way[key] for one in fields if (key := f"{type_}.{one[0]}") in way), default=None)
            return [one for one in fields if way.get(f"{type_}.{one[0]}") == least] or fields

    return Towards
