"""Events of a stream to the bytes of their answers, without executing the operation for each.

For every type of event a document's selection is compiled once: which fields, under which keys, how a leaf is
coerced. graphql-core itself collects the fields, so fragments, type conditions, `@skip` and `@include` mean what
they mean there. Only what is pure is compiled: attributes, `__typename`, leaves, and objects made of these. A type of
event whose selection has more (a resolver, an argument, a list), and a single event with any surprise in it (a null
where none may be, a value that its type refuses), is left to graphql-core, which owns errors.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, cast
from uuid import UUID

import orjson
from graphql import (
    GRAPHQL_MAX_INT,
    DirectiveNode,
    DocumentNode,
    GraphQLField,
    GraphQLLeafType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
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

from domain.events import N_BITS, EventType, packed_cursor
from persistence.streams import Batch, Entry, moment_of
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


@dataclass(frozen=True)
class _Selected:
    """One key of an object's answer: the attribute it comes from, or a constant, and how it is read."""

    key: str
    name: str | None
    read: Read
    constant: bytes = b""


class TextLine:
    """The answer to an event that is a place and a text: what comes fifty times a second, straight from its entry."""

    VALUES = ("seq", "cursor", "at", "text")

    def __init__(self, head: bytes, fields: list[_Selected], moment: Read) -> None:
        shown = [b"%b:%b" % (orjson.dumps(one.key), _slot(one)) for one in fields]
        self._template = b"%b{%b}}}" % (head, b",".join(shown))
        picked = [self.VALUES.index(one.name) for one in fields if one.name is not None]
        self._pick: Callable[[Any], Any] = itemgetter(*picked) if picked else lambda _: ()
        self._moment = lru_cache(maxsize=1024)(lambda at_ms: orjson.dumps(moment(moment_of(at_ms))))

    def __call__(self, owner: bytes, entry: Entry) -> bytes:
        """`owner` is the job's id in bytes. Raises where graphql-core has to be asked."""
        raw_id, fields = entry
        before, _, after = raw_id.partition(b"-")  # by hand: a Position for each would be a tenth of the work
        attempt, n = int(before), int(after)
        seq = attempt << N_BITS | n
        text = orjson.loads(fields[3])["text"]
        if text.__class__ is not str or seq > GRAPHQL_MAX_INT:
            raise _Surprise
        values = (seq, packed_cursor(owner, attempt, n), self._moment(fields[5]), orjson.dumps(text))
        answer: bytes = self._template % self._pick(values)
        return answer


def _slot(one: _Selected) -> bytes:
    return {"seq": b"%d", "cursor": b'"%b"', "at": b"%b", "text": b"%b", None: one.constant}[one.name]


class StreamPlan:
    """One operation, with its variables' conditions, as encoders: one for each type of event that has one."""

    def __init__(self, root: str, fields: dict[EventType, list[_Selected]], moment: Read) -> None:
        self._head = b'{"data":{%b:' % orjson.dumps(root)
        self._fields = {type_: [(one.key, one.read) for one in some] for type_, some in fields.items()}
        self._lines = {
            type_.value.encode(): TextLine(self._head, fields[type_], moment)
            for type_ in (EventType.DELTA, EventType.REASONING)
            if type_ in fields
        }
        self._shared: dict[int, tuple[Entry, bytes]] = {}

    def encode(self, batch: Batch) -> list[bytes | None]:
        """The answers to some events; None where graphql-core has to be asked.

        Those of a shared batch are kept for others with the same operation.
        """
        owner = batch.job_id.bytes
        if not batch.shared:
            return [self._encode(batch, owner, entry) for entry in batch.entries]
        return [self._encode_once(batch, owner, entry) for entry in batch.entries]

    def _encode_once(self, batch: Batch, owner: bytes, entry: Entry) -> bytes | None:
        if (known := self._shared.get(id(entry))) is not None:
            return known[1]
        if (answer := self._encode(batch, owner, entry)) is not None:
            if len(self._shared) >= SHARED_MAX:
                self._shared.clear()
            self._shared[id(entry)] = (entry, answer)  # with the entry: its id is its own while it lives
        return answer

    def _encode(self, batch: Batch, owner: bytes, entry: Entry) -> bytes | None:
        line = self._lines.get(entry[1][1])
        try:
            if line is not None:
                return line(owner, entry)
            if (event := batch.event(entry)) is None or (fields := self._fields.get(event.type)) is None:
                return None
            data = orjson.dumps({key: read(event) for key, read in fields}, default=str)
        except Exception:  # noqa: BLE001 - whatever it is, graphql-core says it better
            return None
        return b"%b%b}}" % (self._head, data)


class StreamPlans:
    """The plans of one process, by operation and by the values of the variables that conditions name."""

    def __init__(self) -> None:
        self._documents: OrderedDict[int, tuple[DocumentNode, list[str], dict[Any, StreamPlan]]] = OrderedDict()

    def of(self, executor: Executor[Any], document: DocumentNode) -> StreamPlan:
        """The plan of a subscription, empty when nothing of it can be compiled."""
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


def compiled(executor: Executor[Any]) -> StreamPlan:
    schema, root_type = executor.schema, executor.schema.subscription_type
    assert root_type is not None
    root = collect_fields(schema, executor.fragments, executor.variable_values, root_type, executor.operation)
    [key, *more] = root.grouped_field_set
    fields: dict[EventType, list[_Selected]] = {}
    for type_, shape in {}.items() if more or _has_more(executor, root) else SHAPES.items():
        with contextlib.suppress(_NotPure):
            details = root.grouped_field_set[key]
            fields[type_] = _fields(executor, _type_of(schema, shape), details, shape.read.__getitem__)
    moment = cast("GraphQLScalarType", schema.get_type("DateTime")).coerce_output_value
    return StreamPlan(key, fields, moment)


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
) -> list[_Selected]:
    """The keys of an object's answer in order, each with its reader. Raises _NotPure."""
    collected = collect_subfields(
        executor.schema, executor.fragments, executor.variable_values, executor.operation, type_, details
    )
    if _has_more(executor, collected):
        raise _NotPure
    return [_field(executor, type_, key, some, source) for key, some in collected.grouped_field_set.items()]


def _field(
    executor: Executor[Any],
    type_: GraphQLObjectType,
    key: str,
    details: list[FieldDetails],
    source: Callable[[str], Read],
) -> _Selected:
    node = details[0].node
    if node.name.value == "__typename":
        name = type_.name
        return _Selected(key, None, lambda _: name, orjson.dumps(name))
    field = type_.fields.get(node.name.value)
    if field is None or node.arguments or not _is_attribute(field):
        raise _NotPure
    python_name = field.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].python_name
    read = source(python_name)
    nullable = not isinstance(field.type, GraphQLNonNull)
    inner = field.type if nullable else field.type.of_type
    if is_leaf_type(inner):
        return _Selected(key, python_name, _leaf(read, inner, nullable))
    if is_object_type(inner) and inner.is_type_of is None:
        inside = [(one.key, one.read) for one in _fields(executor, inner, details, attrgetter)]
        return _Selected(key, python_name, _object(read, inside, nullable))
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
