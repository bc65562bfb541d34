"""How a field's value is found: its attribute, its function called directly, or whatever its resolver does."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLString,
    ListValueNode,
    ObjectValueNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
)
from graphql.execution.values import get_argument_values
from strawberry.schema import schema_converter
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from app.graphql.compiled.field import Field
from app.graphql.compiled.path import Place
from app.graphql.compiled.values import immutable

Resolve: TypeAlias = Callable[[Any, Any, Place], Any]
"""(executor, source, place) -> the value, awaitable or not. Raises what the resolver raises."""

DEFINITION = "strawberry-definition"
_STEADY = frozenset({GraphQLString, GraphQLID, GraphQLInt, GraphQLFloat, GraphQLBoolean})
"""Scalars that read the same literal as the same value each time."""


def attribute_of(field: Field) -> str | None:
    """The attribute that a field without a resolver shows, where Strawberry would do no more than read it."""
    resolve, made = field.definition.resolve, _strawberry_field(field)
    if made is None or getattr(resolve, "__name__", "") != "_get_basic_result":
        return None
    name = made.python_name
    plain = made.default_resolver is getattr and type(made).get_result is StrawberryField.get_result
    return name if plain and name.isidentifier() and not keyword.iskeyword(name) else None


def resolver(field: Field) -> Resolve:
    return _direct(field) or _any(field)


def _any(field: Field) -> Resolve:
    arguments = graphql_arguments(field)

    def resolve(executor: Any, source: Any, place: Place) -> Any:
        function = field.definition.resolve or executor.field_resolver
        return function(source, field.info(executor, place), **arguments(executor))

    return resolve


def _strawberry_field(field: Field) -> StrawberryField | None:
    """Strawberry's field behind a definition, if the resolver is one that Strawberry made for it and nothing else."""
    made = (field.definition.extensions or {}).get(DEFINITION)
    resolve = field.definition.resolve
    ours = isinstance(made, StrawberryField) and getattr(resolve, "__module__", "") == schema_converter.__name__
    return made if ours else None


def _wrapped(field: Field) -> tuple[StrawberryField, StrawberryResolver[Any]] | None:
    """The Strawberry field and its resolver, where Strawberry does no more than call that."""
    made = _strawberry_field(field)
    if made is None or made.base_resolver is None or made.extensions or made.is_subscription:
        return None
    if type(made).get_result is not StrawberryField.get_result or _handles_exceptions(field.definition.resolve):
        return None
    return made, made.base_resolver


def function_of_source(field: Field) -> Callable[[Any], Any] | None:
    """The function that a Strawberry field wraps, where it asks for its source and for nothing else."""
    wrapped = _wrapped(field)
    if wrapped is None:
        return None
    made, base = wrapped
    function: Any = base.wrapped_func
    if specialise := getattr(function, "for_type", None):
        return cast("Callable[[Any], Any]", specialise(field.parent_type.name))
    others = made.arguments or base.info_parameter or base.parent_parameter or base.root_parameter
    return function if base.self_parameter is not None and not others else None


def _direct(field: Field) -> Resolve | None:
    """Call the function that a Strawberry field wraps, with what it asks for: source, info, arguments."""
    wrapped = _wrapped(field)
    if wrapped is None:
        return None
    made, base = wrapped
    arguments = strawberry_arguments(field, made)
    function: Any = base.wrapped_func
    sources = [one.name for one in (base.parent_parameter, base.root_parameter) if one is not None]
    info_name = base.info_parameter.name if base.info_parameter else None
    with_self = base.self_parameter is not None

    def resolve(executor: Any, source: Any, place: Place) -> Any:
        given = arguments(executor, place)
        if info_name is not None:
            given = {**given, info_name: strawberry_info(field, made, executor, place)}
        for name in sources:
            given = {**given, name: source}
        return function(source, **given) if with_self else function(**given)

    return resolve


def batch_function(field: Field) -> tuple[StrawberryField, Any] | None:
    """Strawberry's field and the function that answers it for many parents, of a field made by `schema.batched`."""
    made = _strawberry_field(field)
    if made is None or made.base_resolver is None or made.extensions:
        return None
    function = getattr(made.base_resolver.wrapped_func, "batch", None)
    return (made, function) if function is not None else None


def strawberry_info(field: Field, made: StrawberryField, executor: Any, place: Place) -> Any:
    config = executor.schema.extensions[DEFINITION].config
    return config.info_class(_raw_info=field.info(executor, place), _field=made)


def _handles_exceptions(resolve: Any) -> bool:
    """Whether Strawberry turns exceptions of this resolver into results."""
    names, cells = resolve.__code__.co_freevars, resolve.__closure__ or ()
    known = dict(zip(names, cells, strict=True))
    return "field_exception_handlers" not in known or bool(known["field_exception_handlers"].cell_contents)


# -- arguments -------------------------------------------------------------------------------------------------------


def graphql_arguments(field: Field) -> Callable[[Any], dict[str, Any]]:
    """A field's arguments as graphql-core reads them. Worked out once where every request gets the same."""
    definition, node = field.definition, field.details[0].node
    if not definition.args and not node.arguments:
        return lambda _executor: {}
    known: dict[str, Any] | None = None
    constant = _is_constant(field)

    def read(executor: Any) -> dict[str, Any]:
        nonlocal known
        if known is not None:
            return known
        values = get_argument_values(definition, node, executor.variable_values, None, executor.hide_suggestions)
        if constant and immutable(values):  # else a resolver could change what the next one gets
            known = values
        return values

    return read


def strawberry_arguments(field: Field, made: StrawberryField) -> Callable[[Any, Place], dict[str, Any]]:
    """The same as Strawberry hands them to a function; without a place, input types are told of no info."""
    if not made.arguments:
        return lambda _executor, _place: {}
    read = graphql_arguments(field)
    known: dict[str, Any] | None = None
    constant = _is_constant(field)

    def convert(executor: Any, place: Place) -> dict[str, Any]:
        nonlocal known
        if known is not None:
            return known
        schema = executor.schema.extensions[DEFINITION]
        values = convert_arguments(
            read(executor),
            made.arguments,
            scalar_registry=schema.schema_converter.scalar_registry,
            config=schema.config,
            info=None if constant or place is None else strawberry_info(field, made, executor, place),
        )
        if constant and immutable(values):
            known = values
        return values

    return convert


def _is_constant(field: Field) -> bool:
    given = {argument.name.value: argument.value for argument in field.details[0].node.arguments or ()}
    types = [
        get_named_type(argument.type)
        for name, argument in field.definition.args.items()
        if name in given or argument.default is not None or argument.default_value is not Undefined
    ]
    steady = all(type_ in _STEADY or isinstance(type_, GraphQLEnumType) for type_ in types)
    return steady and not any(map(_has_variables, given.values()))


def _has_variables(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(_has_variables(item) for item in value.values)
    if isinstance(value, ObjectValueNode):
        return any(_has_variables(item.value) for item in value.fields)
    return isinstance(value, VariableNode)
