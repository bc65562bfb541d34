"""The function for a selection set: source text with one block a field, compiled once.

A leaf that is an attribute of its source, or a function of its source alone, is read where it stands. Anything else
calls a function made for its field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLSchema,
    TypeNameMetaFieldDef,
    is_non_null_type,
    specified_scalar_types,
)
from graphql.type import GraphQLNonNull

from app.graphql.compiled.batches import Slot
from app.graphql.compiled.completion import INT_MAX, INT_MIN, EnumNames, completer, expected_class, gathered, settle
from app.graphql.compiled.field import Field
from app.graphql.compiled.path import Place
from app.graphql.compiled.plan import GroupedFieldSet, Selection
from app.graphql.compiled.resolution import attribute_of, batch_function, function_of_source, resolver
from app.graphql.compiled.values import DATA, PLAIN
from persistence.shapes import Row

_FUNCTION = """\
def {function}(executor, source, place):
    {first}
    result, waiting = {{}}, []
    try:
{blocks}\
        pass
    except Exception:
        settle(executor, [result[key] for key in waiting])
        raise
    return gathered(result, waiting) if waiting else result
"""
_ATTRIBUTE = """\
        try:
            value = {read}
            if {unexpected}:
                value = finish_{n}(executor, value, place)
                if value.__class__ not in DATA and executor.is_awaitable(value):
                    waiting.append({key!r})
        except Exception as error:
            value = fail_{n}(executor, error, place)
        result[{key!r}] = value
"""
_ENUM = """\
        try:
            value = {read}
            if value.__class__ is str:
                value = names_{n}[value]
            elif {expected}:
                value = finish_{n}(executor, value, place)
                if value.__class__ not in DATA and executor.is_awaitable(value):
                    waiting.append({key!r})
        except Exception as error:
            value = fail_{n}(executor, error, place)
        result[{key!r}] = value
"""
_OBJECT = """\
        try:
            value = {read}
            if PLAIN[value.__class__]:
                value = complete_{n}(executor, value, (place, {key!r}, {type_name!r}))
                if value.__class__ not in DATA and executor.is_awaitable(value):
                    value = guarded_{n}(executor, value, (place, {key!r}, {type_name!r}))
                    waiting.append({key!r})
            elif {expected}:
                value = finish_{n}(executor, value, place)
                if value.__class__ not in DATA and executor.is_awaitable(value):
                    waiting.append({key!r})
        except Exception as error:
            value = fail_{n}(executor, error, place)
        result[{key!r}] = value
"""
_FIELD = """\
        value = run_{n}(executor, source, place)
        result[{key!r}] = value
        if value.__class__ not in DATA and executor.is_awaitable(value):
            waiting.append({key!r})
"""
_BATCHED = """\
        result[{key!r}] = None
        executor.batches.add(slot_{n}, source, result, place)
"""
_TYPENAME = """\
        result[{key!r}] = {name!r}
"""
_OF_ROW = "if source.__class__ is Row: return of_row(executor, source, place)"
"""Rows hand out their columns as items much faster than as attributes."""


def compile_selection(schema: GraphQLSchema, type_: GraphQLObjectType, grouped_field_set: GroupedFieldSet) -> Selection:
    """Write the function for the fields of one type at one place of an operation."""
    names: dict[str, Any] = {"DATA": DATA, "PLAIN": PLAIN, "Row": Row, "gathered": gathered, "settle": settle}
    blocks: list[tuple[str, str]] = []
    for n, (key, details) in enumerate(grouped_field_set.items()):
        definition = schema.get_field(type_, details[0].node.name.value)
        if definition is None:
            continue
        if definition is TypeNameMetaFieldDef:
            blocks.append((_TYPENAME.format(key=key, name=type_.name),) * 2)
            continue
        blocks.append(_block(Field(key, type_, definition, details), n, names))
    of_row = _FUNCTION.format(function="of_row", first="pass", blocks="".join(row for _, row in blocks))
    of_any = _FUNCTION.format(function="selection", first=_OF_ROW, blocks="".join(any_ for any_, _ in blocks))
    source = of_row + of_any
    exec(compile(source, f"<selection of {type_.name}>", "exec"), names)
    made: Selection = names["selection"]
    return made


def _block(field: Field, n: int, names: dict[str, Any]) -> tuple[str, str]:
    """A field's part of the function, for a source of any class and for a row."""
    reads = _reads(field, n, names)
    if reads is not None:
        names[f"finish_{n}"], names[f"complete_{n}"] = _finisher(field), completer(field, field.type)
        names[f"fail_{n}"] = lambda executor, error, place: field.fail(executor, error, field.place(place))
        names[f"guarded_{n}"] = field.guarded
        parts = {
            "n": n, "key": field.key, "type_name": field.parent_type.name, "unexpected": _unexpected(field),
            "expected": "True" if is_non_null_type(field.type) else "value is not None",
        }  # fmt: skip
        template, inner = _OBJECT, _nullable(field.type)
        if isinstance(inner, GraphQLEnumType):
            template, names[f"names_{n}"] = _ENUM, EnumNames(inner)
        elif inner in BUILT_IN:
            template = _ATTRIBUTE
        return template.format(read=reads[0], **parts), template.format(read=reads[1], **parts)
    batch = batch_function(field)
    if batch is not None:
        names[f"slot_{n}"] = Slot(field, *batch, _finisher(field))
        return (_BATCHED.format(n=n, key=field.key),) * 2
    names[f"run_{n}"] = _runner(field)
    return (_FIELD.format(n=n, key=field.key),) * 2


def _reads(field: Field, n: int, names: dict[str, Any]) -> tuple[str, str] | None:
    """The expression for the value of a field that needs nothing but its source: of any class, and of a row."""
    name = attribute_of(field)
    if name is not None:
        return f"source.{name}", f"source[{name!r}]"
    function = function_of_source(field)
    if function is None:
        return None
    names[f"read_{n}"] = function
    return (f"read_{n}(source)",) * 2


def _nullable(type_: Any) -> Any:
    return type_.of_type if isinstance(type_, GraphQLNonNull) else type_


def _unexpected(field: Field) -> str:
    """The condition under which a value is not its own completion."""
    expected = expected_class(field.type)
    if expected is not None:
        test = f"value.__class__ is not {expected.__name__}"
    elif _nullable(field.type) is GraphQLInt:
        test = f"value.__class__ is not int or not {INT_MIN} <= value <= {INT_MAX}"
    else:
        test = "True"
    return test if is_non_null_type(field.type) else f"value is not None and ({test})"


BUILT_IN = frozenset(specified_scalar_types.values())
Finish = Callable[[Any, Any, Place], Any]


def _finisher(field: Field) -> Finish:
    """Completes a resolved value of any class, below the place of its parent. Raises what is wrong with it."""
    complete, nullable = completer(field, field.type), not is_non_null_type(field.type)

    def finish(executor: Any, value: Any, above: Place) -> Any:
        if value is None and nullable:
            return None
        place = field.place(above)
        if not PLAIN[value.__class__]:
            return field.complete(executor, value, place)
        completed = complete(executor, value, place)
        if completed.__class__ not in DATA and executor.is_awaitable(completed):
            return field.guarded(executor, completed, place)
        return completed

    return finish


def _runner(field: Field) -> Finish:
    """Resolves and completes; an error is noted, and raised only where the field must not be null."""
    resolve, finish = resolver(field), _finisher(field)

    def run(executor: Any, source: Any, above: Place) -> Any:
        try:
            return finish(executor, resolve(executor, source, (above, field.key, field.parent_type.name)), above)
        except Exception as error:  # noqa: BLE001 - located and kept
            return field.fail(executor, error, field.place(above))

    return run
