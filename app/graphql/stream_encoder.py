"""Events of a stream to the bytes of their answers, without executing the operation for each.

For every type of event a document's selection is compiled once: which fields, under which keys, how a leaf is
coerced. graphql-core itself collects the fields, so fragments, type conditions, `@skip` and `@include` mean what
they mean there. Only what is pure is compiled: attributes, `__typename`, leaves, and objects made of these. A type of
event whose selection has more (a resolver, an argument, a list), and a single event with any surprise in it (a null
where none may be, a value that its type refuses), is left to graphql-core, which owns errors.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson
from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    VariableNode,
    Visitor,
    is_leaf_type,
    is_object_type,
    visit,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import CollectedFields, FieldDetails, collect_fields, collect_subfields
from strawberry.schema.schema_converter import GraphQLCoreConverter

from domain.events import Event, EventType
from schema.events import SHAPES, Shape

DOCUMENTS_MAX = 256
PLANS_PER_DOCUMENT_MAX = 16
SHARED_MAX = 512
LEAVES = (str, int, float, bool, datetime, Decimal, UUID, Enum)
"""What a leaf is made of. Anything else, an awaitable or an exception perhaps, is graphql-core's business."""

Read = Callable[[Any], Any]
"""From an event, or an object in it, the value of one field, completed."""


class _NotPure(Exception):
    """A selection that cannot be compiled."""


class _Surprise(Exception):
    """A value that cannot be completed here."""


class StreamPlan:
    """One operation, with its variables' conditions, as encoders: one for each type of event that has one."""

    def __init__(self, root: str, fields: dict[EventType, list[tuple[str, Read]]]) -> None:
        self._head = b'{"data":{%b:' % orjson.dumps(root)
        self._fields = fields
        self._shared: dict[int, tuple[Event, bytes]] = {}

    def encode(self, event: Event, *, shared: bool = False) -> bytes | None:
        """The answer to one event; None where graphql-core has to be asked.

        `shared` keeps it for others with the same operation who will be handed this very object.
        """
        if shared and (known := self._shared.get(id(event))) is not None:
            return known[1]
        fields = self._fields.get(event.type)
        if fields is None:
            return None
        try:
            data = orjson.dumps({key: read(event) for key, read in fields}, default=str)
        except Exception:  # noqa: BLE001 - whatever it is, graphql-core says it better
            return None
        answer = b"%b%b}}" % (self._head, data)
        if shared:
            if len(self._shared) >= SHARED_MAX:
                self._shared.clear()
            self._shared[id(event)] = (event, answer)  # with the event: its id is its own while it lives
        return answer


class StreamPlans:
    """The plans of one process, by operation and by the values of the variables that conditions name."""

    def __init__(self) -> None:
        self._documents: OrderedDict[int, tuple[DocumentNode, list[str], dict[Any, StreamPlan | None]]] = OrderedDict()

    def of(self, executor: Executor[Any], document: DocumentNode) -> StreamPlan | None:
        """The plan of a subscription; None when nothing of it can be compiled."""
        known = self._documents.get(id(document))
        if known is None:
            known = self._documents[id(document)] = (document, conditions(document), {})
            if len(self._documents) > DOCUMENTS_MAX:
                self._documents.popitem(last=False)
        _, names, plans = known
        values = executor.variable_values.coerced
        key = (id(executor.operation), *(values.get(name) for name in names))
        if key not in plans:
            if len(plans) >= PLANS_PER_DOCUMENT_MAX:
                plans.clear()
            plans[key] = compiled(executor)
        return plans[key]


def conditions(document: DocumentNode) -> list[str]:
    """The variables of `@skip` and `@include`."""
    names: dict[str, None] = {}

    class Conditions(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
            if node.name.value in {"skip", "include"}:
                names.update(
                    {one.value.name.value: None for one in node.arguments or () if isinstance(one.value, VariableNode)}
                )

    visit(document, Conditions())
    return [*names]


def compiled(executor: Executor[Any]) -> StreamPlan | None:
    schema, root_type = executor.schema, executor.schema.subscription_type
    assert root_type is not None
    root = collect_fields(schema, executor.fragments, executor.variable_values, root_type, executor.operation)
    if len(root.grouped_field_set) != 1 or _has_more(executor, root):
        return None
    [(key, details)] = root.grouped_field_set.items()
    fields: dict[EventType, list[tuple[str, Read]]] = {}
    for type_, shape in SHAPES.items():
        try:
            fields[type_] = _fields(executor, _type_of(schema, shape), details, shape.read.__getitem__)
        except _NotPure:
            continue
    return StreamPlan(key, fields) if fields else None


def _type_of(schema: GraphQLSchema, shape: Shape) -> GraphQLObjectType:
    type_ = schema.get_type(shape.type.__strawberry_definition__.name)  # type: ignore[attr-defined]
    assert is_object_type(type_)
    return type_


def _has_more(executor: Executor[Any], collected: CollectedFields) -> bool:
    """Whether a selection uses what is not compiled: incremental delivery, variables of fragments."""
    arguments = any(fragment.variable_signatures for fragment in executor.fragments.values())
    return arguments or bool(collected.new_defer_usages)


def _fields(
    executor: Executor[Any], type_: GraphQLObjectType, details: list[FieldDetails], source: Callable[[str], Read]
) -> list[tuple[str, Read]]:
    """The keys of an object's answer in order, each with its reader. Raises _NotPure."""
    collected = collect_subfields(
        executor.schema, executor.fragments, executor.variable_values, executor.operation, type_, details
    )
    if _has_more(executor, collected):
        raise _NotPure
    return [(key, _field(executor, type_, selected, source)) for key, selected in collected.grouped_field_set.items()]


def _field(
    executor: Executor[Any], type_: GraphQLObjectType, details: list[FieldDetails], source: Callable[[str], Read]
) -> Read:
    node = details[0].node
    if node.name.value == "__typename":
        name = type_.name
        return lambda _: name
    field = type_.fields.get(node.name.value)
    if field is None or node.arguments or not _is_attribute(field):
        raise _NotPure
    read = source(field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name)
    nullable = not isinstance(field.type, GraphQLNonNull)
    inner = field.type if nullable else field.type.of_type
    if is_leaf_type(inner):
        return _leaf(read, inner, nullable)
    if is_object_type(inner) and inner.is_type_of is None:
        return _object(read, _fields(executor, inner, details, attrgetter), nullable)
    raise _NotPure


def _is_attribute(field: GraphQLField) -> bool:
    definition = field.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return definition is not None and definition.is_basic_field and getattr(field.resolve, "_is_default", False)


def _leaf(read: Read, type_: GraphQLLeafType, nullable: bool) -> Read:
    coerce = type_.coerce_output_value
    coerce_moment = lru_cache(maxsize=1024)(coerce)  # of which a thousand streams have many in common

    def complete(source: Any) -> Any:
        value = read(source)
        if value.__class__ is str and type_ is GraphQLString:
            return value
        if value is None and nullable:
            return None
        if not isinstance(value, LEAVES):
            raise _Surprise
        coerced = coerce_moment(value) if value.__class__ is datetime else coerce(value)
        if not isinstance(coerced, LEAVES):
            raise _Surprise
        return coerced

    return complete


def _object(read: Read, fields: list[tuple[str, Read]], nullable: bool) -> Read:
    def complete(source: Any) -> Any:
        value = read(source)
        if value is None:
            if nullable:
                return None
            raise _Surprise
        return {key: inner(value) for key, inner in fields}

    return complete
