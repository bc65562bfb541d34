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


def ways_to(schema: GraphQLSchema, missing: set[str]) -> set[str]:
    """`Type.field` of what is missing, and of everything that leads there."""
    ways = set(missing)
    fields = [
        (f"{type_}.{name}", [*_targets(schema, one)])
        for type_ in schema.type_map.values()
        for name, one in getattr(type_, "fields", {}).items()
    ]
    while True:
        types = {way.partition(".")[0] for way in ways}
        more = {name for name, targets in fields if any(str(one) in types for one in targets)} - ways
        if not more:
            return ways
        ways |= more


def explorer(schema: GraphQLSchema, missing: set[str]) -> tuple[type[Writer], dict[str, int]]:
    """Who writes queries towards what is missing, and how often each root field is asked."""
    ways = ways_to(schema, missing)
    assert schema.query_type is not None

    class Towards(Writer):
        def _fields_of(self, type_: Any) -> list[tuple[str, GraphQLField]]:
            fields = super()._fields_of(type_)
            exact = [one for one in fields if f"{type_}.{one[0]}" in missing]
            return exact or [one for one in fields if f"{type_}.{one[0]}" in ways] or fields

    return Towards, {name: 2 * (f"Query.{name}" in ways) for name in schema.query_type.fields}
