"""From a selection to a tree that PostgreSQL writes out: what is a column, a page of a listing, or a reference.

Anything else declines, and the executor answers the operation.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLString,
    get_named_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import collect_fields, collect_subfields

from app.graphql import cost
from app.graphql.compiled.field import Field
from app.graphql.compiled.resolution import DEFINITION, strawberry_arguments
from persistence import bodies, json_text
from persistence.bodies import EdgesBody, ObjectBody, PageBody, PageInfoBody, ReferenceBody
from persistence.listing import Listing
from schema.base import TABLES
from schema.batched import GLOBAL_ID, PAGED, REFERENCE, Paged
from schema.ids import code_of

Column: TypeAlias = Any
"""A column of a table."""
KINDS: dict[Any, json_text.Kind] = {
    GraphQLString: "string", GraphQLInt: "integer", GraphQLBoolean: "boolean", GraphQLID: "id",
}  # fmt: skip
NODE = "node"
"""The root field that finds anything by its id."""


class Declined(Exception):
    """This operation is not for PostgreSQL to write."""


@dataclass(frozen=True, slots=True)
class PageCall:
    """A page as a request asks for it."""

    listing: Listing
    filters: frozenset[str]
    after: bool


Calls: TypeAlias = "dict[str, PageCall | str]"
"""What each slot, by its suffix, comes to in a request: a page, or the type's name of a node's id."""
Template: TypeAlias = Callable[[Calls], Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that depends on a request's arguments."""

    suffix: str
    paged: Paged | None
    arguments: Callable[[Any], dict[str, Any]]


class Planner:
    """Walks one operation. `slots` are its places that arguments decide; `template` makes the tree for them."""

    def __init__(self, executor: Any, costs: cost.Plan) -> None:
        """`executor` knows schema, fragments, operation and variables, as graphql-core's does."""
        self._executor = executor
        self.slots: list[Slot] = []
        self.exact_cost = True
        root = executor.schema.query_type
        grouped = collect_fields(
            executor.schema, executor.fragments, executor.variable_values, root, executor.operation
        ).grouped_field_set
        self._members = [self._root(root, key, details, costs) for key, details in grouped.items()]
        if not self.slots:
            raise Declined("nothing of it is in the database")

    def template(self, calls: Calls) -> list[tuple[str, Any]]:
        return [(key, member(calls) if callable(member) else member) for key, member in self._members]

    def _root(self, root: GraphQLObjectType, key: str, details: Any, costs: cost.Plan) -> tuple[str, str | Template]:
        name = details[0].node.name.value
        if name == "__typename":
            return key, json.dumps(root.name)
        definition = self._definition(root, name)
        field = Field(key, root, definition, details)
        if name == NODE:
            return key, self._node(field)
        paged = definition.extensions[DEFINITION].metadata.get(PAGED)
        if paged is None:
            raise Declined(name)
        return key, self._page(field, paged, costs, (key,))

    def _definition(self, type_: GraphQLObjectType, name: str) -> GraphQLField:
        definition = self._executor.schema.get_field(type_, name)
        made = (definition.extensions or {}).get(DEFINITION) if definition is not None else None
        if made is None or made.extensions:
            raise Declined(f"{type_.name}.{name}")
        return definition  # type: ignore[no-any-return]

    def _below(self, type_: Any, details: Any) -> dict[str, Any]:
        executor = self._executor
        return collect_subfields(
            executor.schema, executor.fragments, executor.variable_values, executor.operation, type_, details
        ).grouped_field_set

    # -- what depends on arguments ---------------------------------------------------------------------------------

    def _slot(self, field: Field, paged: Paged | None) -> str:
        suffix = f"_{len(self.slots)}"
        read = strawberry_arguments(field, field.definition.extensions[DEFINITION])
        self.slots.append(Slot(suffix, paged, lambda executor: read(executor, None)))
        return suffix

    def _node(self, field: Field) -> Template:
        """Any of the types that ids lead to; which one a request says."""
        suffix = self._slot(field, None)
        self.exact_cost = False
        made: dict[str, Template] = {}
        for type_name in self._executor.lookups.keys() & TABLES.keys():
            type_ = self._executor.schema.get_type(type_name)
            with contextlib.suppress(Declined):
                made[type_name] = self._object(type_, self._below(type_, field.details), cost.Plan(0), ())

        def make(calls: Calls) -> ReferenceBody:
            type_name = str(calls[suffix])
            if type_name not in made:
                raise Declined(type_name)
            body = made[type_name](calls)
            return ReferenceBody(self._executor.lookups[type_name], f"node{suffix}", body, nullable=True)

        return make

    def _page(self, field: Field, paged: Paged, costs: cost.Plan, path: tuple[str, ...]) -> Template:
        suffix = self._slot(field, paged)
        connection: Any = get_named_type(field.definition.type)
        members: list[tuple[str, Any]] = []
        entry_cost = 0
        for key, details in self._below(connection, field.details).items():
            name = details[0].node.name.value
            if name == "edges":
                entry = _entry(costs, (*path, key))
                entry_cost += entry.fixed
                edge = get_named_type(connection.fields["edges"].type)
                members.append((key, self._edges(edge, paged, self._below(edge, details), entry)))
            elif name == "pageInfo":
                members.append((key, self._page_info(details, connection)))
            elif name == "__typename":
                members.append((key, json.dumps(connection.name)))
            else:
                raise Declined(f"{connection.name}.{name}")

        def make(calls: Calls) -> PageBody:
            call = calls[suffix]
            assert isinstance(call, PageCall)
            made = [(key, member(calls) if callable(member) else member) for key, member in members]
            return PageBody(call.listing, paged.parent, suffix, call.filters, call.after, entry_cost, made)

        return make

    # -- what is known from the selection --------------------------------------------------------------------------

    def _edges(self, edge: Any, paged: Paged, grouped: dict[str, Any], costs: cost.Plan) -> Template:
        members: list[tuple[str, Any]] = []
        node = self._executor.schema.get_type(paged.type_name)
        for key, details in grouped.items():
            name = details[0].node.name.value
            if name == "node":
                members.append((key, self._object(node, self._below(node, details), costs, (key,))))
            elif name == "cursor":
                members.append((key, bodies.CURSOR))
            elif name == "__typename":
                members.append((key, json.dumps(edge.name)))
            else:
                raise Declined(f"{edge.name}.{name}")
        return lambda calls: EdgesBody([(key, one(calls) if callable(one) else one) for key, one in members])

    def _page_info(self, details: Any, connection: Any) -> PageInfoBody:
        type_ = get_named_type(connection.fields["pageInfo"].type)
        known = dict(zip(("hasNextPage", "hasPreviousPage", "startCursor", "endCursor"), bodies.PAGE_INFO, strict=True))
        known["__typename"] = json.dumps(type_.name)
        grouped = self._below(type_, details)
        return PageInfoBody([(key, known[one[0].node.name.value]) for key, one in grouped.items()])

    def _object(self, type_: Any, grouped: dict[str, Any], costs: cost.Plan, path: tuple[str, ...]) -> Template:
        if not is_object_type(type_) or type_.name not in TABLES:
            raise Declined(str(type_))
        members: list[tuple[str, Any]] = []
        needs: set[str] = set()
        for key, details in grouped.items():
            name = details[0].node.name.value
            if name == "__typename":
                members.append((key, json.dumps(type_.name)))
                continue
            field = Field(key, type_, self._definition(type_, name), details)
            members.append((key, self._member(field, needs, costs, (*path, key))))

        def make(calls: Calls) -> ObjectBody:
            return ObjectBody(
                [(key, one.make(calls) if isinstance(one, _Late) else one) for key, one in members], needs
            )

        return make

    def _member(self, field: Field, needs: set[str], costs: cost.Plan, path: tuple[str, ...]) -> Any:
        made = field.definition.extensions[DEFINITION]
        table = TABLES[field.parent_type.name]
        if (paged := made.metadata.get(PAGED)) is not None:
            needs.add(paged.parent)
            return _Late(self._page(field, paged, costs, path))
        if (reference := made.metadata.get(REFERENCE)) is not None:
            type_name, column = reference
            needs.add(column)
            type_, lookup = self._executor.schema.get_type(type_name), self._executor.lookups[type_name]
            body = self._object(type_, self._below(type_, field.details), costs, path)
            nullable = not is_non_null_type(field.type)
            return _Late(lambda calls: ReferenceBody(lookup, column, body(calls), nullable))
        if (shown := made.metadata.get(GLOBAL_ID)) is not None:
            name, type_name = shown
            needs.add(name)
            return _global_id(field, table.c[name], type_name or field.parent_type.name)
        if not made.is_basic_field or field.definition.args or made.python_name not in table.c:
            raise Declined(f"{field.parent_type.name}.{field.key}")
        needs.add(made.python_name)
        return _column(field, table.c[made.python_name])


@dataclass(frozen=True, slots=True)
class _Late:
    """A member that is made once the calls are known, told from a `Value`, which is called with a row."""

    make: Template


def _entry(costs: cost.Plan, path: tuple[str, ...]) -> cost.Plan:
    """What an entry of the list at a path costs."""
    for part in costs.parts:
        if part.path == path and part.size is not None and not part.plan.alternatives:
            return part.plan
    return cost.Plan(0)


def _global_id(field: Field, column: Column, type_name: str) -> json_text.Value:
    code = code_of(type_name)
    return _value(field, column, lambda value: json_text.global_id(code, value))


def _column(field: Field, column: Column) -> json_text.Value:
    return _value(field, column, _writer(field, column))


def _value(field: Field, column: Column, write: json_text.Writer) -> json_text.Value:
    name = column.name
    if not column.nullable:
        return lambda row: write(row[name])
    if is_non_null_type(field.type):
        return lambda row: json_text.never_null(row[name], write(row[name]))
    return lambda row: json_text.or_null(row[name], write(row[name]))


def _writer(field: Field, column: Column) -> json_text.Writer:
    """How a column's value is written as its GraphQL type writes it."""
    type_: Any = field.type.of_type if is_non_null_type(field.type) else field.type
    kind = KINDS.get(type_)
    if is_list_type(type_) and get_named_type(type_) is GraphQLString:
        kind = "json"
    elif _is_stored_by_name(type_):
        kind = "string"
    elif getattr(type_, "name", "") == "DateTime":
        kind = "moment"
    write = json_text.writer(column, kind) if kind is not None else None
    if write is None:
        raise Declined(f"{field.parent_type.name}.{field.key}")
    return write


def _is_stored_by_name(type_: Any) -> bool:
    if not isinstance(type_, GraphQLEnumType):
        return False
    return all(name == getattr(value.value, "value", value.value) for name, value in type_.values.items())
