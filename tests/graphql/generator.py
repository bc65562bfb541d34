"""Writes query operations over a schema: any that is valid, with arguments that need not be.

Every choice is one number from `below`, so that whoever makes the choices (hypothesis, for one) can also make them
smaller. What is written validates by construction: fields whose types could differ under one name have aliases that
tell them apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

NO_PROPAGATION = "@experimental_disableErrorPropagation"
DEPTH_MAX = 9
OFTEN = {"first": 90, "after": 20}
"""In how many percent of its fields an argument is given."""
SETTINGS = 2
"""Each operation comes with so many sets of values for its variables."""


@dataclass(frozen=True)
class Pool:
    """Values for arguments: by the field and the name of the argument, by its name, by its type."""

    values: dict[str, tuple[Any, ...]]

    def of(self, field: str, name: str, type_name: str) -> tuple[Any, ...]:
        return self.values.get(f"{field}.{name}") or self.values.get(name) or self.values[type_name]


@dataclass(frozen=True)
class Operation:
    text: str
    unpropagated: str
    """The same, so that an error makes nothing null but its own field."""
    settings: tuple[dict[str, Any], ...]
    fields: frozenset[str]
    """`Type.field` of all that it may ask for."""


@dataclass(frozen=True)
class Variable:
    """How it is declared, and its value in each setting; Undefined where it is left out."""

    declaration: str
    values: tuple[Any, ...]


Argument = GraphQLArgument | GraphQLInputField
Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType


class Writer:
    """Writes one operation."""

    def __init__(
        self, schema: GraphQLSchema, pool: Pool, below: Callable[[int], int], weights: Mapping[str, int] | None = None
    ) -> None:
        """`below(n)` chooses a number from 0 to n-1; `weights` say how often a root field is asked, 2 by default."""
        self._schema = schema
        self._weights = weights or {}
        self._pool = pool
        self._below = below
        self._left = 3 + below(18)
        self._aliases = 0
        self._fields: set[str] = set()
        self._variables: list[Variable] = []
        self._fragments: list[tuple[str, Composite, str]] = []

    def operation(self) -> Operation:
        root = self._schema.query_type
        assert root is not None
        fields = [(name, field) for name, field in root.fields.items() for _ in range(self._weights.get(name, 2))]
        selections = " ".join(
            self._written(root, *fields[self._below(len(fields))], DEPTH_MAX, typed=False)
            for _ in range(1 + self._below(5) // 3)
        )
        declared = ", ".join(one.declaration for one in self._variables)
        head = f"query Q{f'({declared})' if declared else ''}"
        rest = f"{{ {selections} }}"
        rest += "".join(f"\nfragment {name} on {type_} {body}" for name, type_, body in self._fragments)
        settings = tuple(
            {
                f"v{n}": variable.values[setting]
                for n, variable in enumerate(self._variables)
                if variable.values[setting] is not Undefined
            }
            for setting in range(SETTINGS if self._variables and self._below(5) > 2 else 1)
        )
        # On a line of its own the directive moves no location.
        text, unpropagated = (f"{head}\n{directive}\n{rest}" for directive in ("", NO_PROPAGATION))
        return Operation(text, unpropagated, settings, frozenset(self._fields))

    def _often(self, percent: int) -> bool:
        """Less often when choices are made small."""
        return self._below(100) >= 100 - percent

    # -- selections ------------------------------------------------------------------------------------------------

    def _selection(self, type_: Composite, depth: int, *, typed: bool) -> str:
        return f"{{ {' '.join(self._selections(type_, depth, typed=typed))} }}"

    def _selections(self, type_: Composite, depth: int, *, typed: bool) -> Iterator[str]:
        for _ in range(1 + self._below(3)):
            choice = self._below(20)
            if choice == 19:
                yield f"__typename{self._condition()}"
            elif choice == 18 and depth > 0:
                yield f"...{self._condition()} {self._selection(type_, depth - 1, typed=typed)}"
            elif choice == 17 and depth > 0:
                yield self._spread(type_, depth)
            elif choice == 16 and isinstance(type_, GraphQLObjectType) and type_.interfaces:
                interface = type_.interfaces[self._below(len(type_.interfaces))]
                yield f"... on {interface}{self._condition()} {self._selection(interface, depth - 1, typed=True)}"
            elif isinstance(type_, GraphQLObjectType) or (choice < 5 and isinstance(type_, GraphQLInterfaceType)):
                yield self._field(type_, depth, typed=typed)
            elif depth > 0:
                possible = self._schema.get_possible_types(type_)
                inner = possible[self._below(len(possible))]
                yield f"... on {inner}{self._condition()} {self._selection(inner, depth - 1, typed=True)}"
            else:
                yield "__typename"

    def _spread(self, type_: Composite, depth: int) -> str:
        """A fragment on this type, a new one or one that is there."""
        known = [name for name, of, _ in self._fragments if of is type_]
        if known and self._below(2):
            return f"...{known[self._below(len(known))]}{self._condition()}"
        body = self._selection(type_, depth - 1, typed=True)
        name = f"F{len(self._fragments)}"
        self._fragments.append((name, type_, body))
        return f"...{name}{self._condition()}"

    def _field(self, type_: GraphQLObjectType | GraphQLInterfaceType, depth: int, *, typed: bool) -> str:
        fields = self._fields_of(type_)
        if depth <= 0 or self._left <= 0:
            fields = [
                (name, field) for name, field in fields if is_leaf_type(get_named_type(field.type)) and not field.args
            ]
            if not fields:
                return "__typename"
        below = [(name, field) for name, field in fields if not is_leaf_type(get_named_type(field.type))]
        if below and self._below(2):
            fields = below
        name, field = fields[self._below(len(fields))]
        self._left -= 1
        return self._written(type_, name, field, depth, typed=typed)

    def _fields_of(self, type_: GraphQLObjectType | GraphQLInterfaceType) -> list[tuple[str, GraphQLField]]:
        """What may be asked of a type."""
        return list(type_.fields.items())

    def _written(self, type_: Any, name: str, field: GraphQLField, depth: int, *, typed: bool) -> str:
        arguments = self._arguments(name, field)
        self._fields.add(f"{type_}.{name}")
        if field.args or self._often(10):
            self._aliases += 1
            head = f"a{self._aliases}: {name}{arguments}"
        else:
            head = f"{name}_{type_}: {name}" if typed and not isinstance(type_, GraphQLInterfaceType) else name
        target = get_named_type(field.type)
        if is_leaf_type(target):
            return f"{head}{self._condition()}"
        assert isinstance(target, Composite)
        below = f"{head}{self._condition()} {self._selection(target, depth - 1, typed=False)}"
        if self._often(5):  # the same field again: the two are merged
            below += f" {head}{self._condition()} {self._selection(target, depth - 1, typed=False)}"
        return below

    def _condition(self) -> str:
        if not self._often(12):
            return ""
        name = ("include", "skip")[self._below(2)]
        match self._below(4):
            case 0:
                condition = "true"
            case 1:
                condition = "false"
            case 2:
                condition = self._variable("Boolean!", (True, False)[:: self._below(2) * 2 - 1])
            case _:
                condition = self._variable("Boolean! = true", (Undefined, False))
        return f" @{name}(if: {condition})"

    # -- arguments -------------------------------------------------------------------------------------------------

    def _arguments(self, field_name: str, field: GraphQLField) -> str:
        given = [
            f"{name}: {self._given(field_name, name, argument)}"
            for name, argument in field.args.items()
            if is_required_argument(argument) or self._often(OFTEN.get(name, 40))
        ]
        return f"({', '.join(given)})" if given else ""

    def _given(self, field_name: str, name: str, argument: Argument) -> str:
        """A literal, or a variable; within a literal there may be variables, too."""
        if not self._often(35):
            return self._literal(field_name, name, argument.type, self._value(field_name, name, argument.type))
        values = tuple(self._value(field_name, name, argument.type) for _ in range(SETTINGS))
        type_, default = argument.type, ""
        nullable = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if self._often(30) and values[-1] is not None:
            default = f" = {self._literal(field_name, name, nullable, values[-1], constant=True)}"
        if nullable is not type_ and not default and argument.default_value is Undefined:
            return self._variable(str(type_), values)
        match self._below(4):
            case 0:
                return self._variable(f"{nullable}{default}", (values[0], Undefined))
            case 1:
                return self._variable(f"{nullable}{default}", (values[0], None))
            case 2 if None not in values:
                return self._variable(f"{GraphQLNonNull(nullable)}{default}", values)
            case _:
                return self._variable(f"{nullable}{default}", values)

    def _variable(self, declaration: str, values: tuple[Any, ...]) -> str:
        name = f"$v{len(self._variables)}"
        if self._below(60) == 59 and "Boolean" not in declaration:
            values = (*values[:-1], {"of": "the wrong kind"})
        self._variables.append(Variable(f"{name}: {declaration}", values))
        return name

    def _value(self, field_name: str, name: str, type_: Any) -> Any:
        """A value as JSON has it; null now and then where it may be."""
        if isinstance(type_, GraphQLNonNull):
            return self._something(field_name, name, type_.of_type)
        return None if self._often(7) else self._something(field_name, name, type_)

    def _something(self, field_name: str, name: str, type_: Any) -> Any:
        if isinstance(type_, GraphQLList):
            return [self._value(field_name, name, type_.of_type) for _ in range(self._below(4))]
        if isinstance(type_, GraphQLEnumType):
            return [*type_.values][self._below(len(type_.values))]
        if isinstance(type_, GraphQLInputObjectType):
            return {
                key: self._value(field_name, key, one.type)
                for key, one in type_.fields.items()
                if is_required_input_field(one) or self._often(45)
            }
        values = self._pool.of(field_name, name, type_.name)
        return values[self._below(len(values))]

    def _literal(self, field_name: str, name: str, type_: Any, value: Any, *, constant: bool = False) -> str:
        if value is None:
            return "null"
        if isinstance(type_, GraphQLNonNull):
            return self._literal(field_name, name, type_.of_type, value, constant=constant)
        if isinstance(type_, GraphQLList):
            return f"[{', '.join(self._literal(field_name, name, type_.of_type, one, constant=True) for one in value)}]"
        if isinstance(type_, GraphQLInputObjectType):
            parts = (
                f"{key}: {self._literal(field_name, key, type_.fields[key].type, one, constant=True)}"
                if constant
                else f"{key}: {self._within(field_name, key, type_.fields[key], one)}"
                for key, one in value.items()
            )
            return f"{{{', '.join(parts)}}}"
        if isinstance(type_, GraphQLEnumType):
            return str(value)
        # What a scalar does not read is refused with the document when it is a literal: that is left to variables.
        known = (value, *self._pool.of(field_name, name, type_.name))
        return json.dumps(next(one for one in known if _reads(type_, one)), ensure_ascii=False)

    def _within(self, field_name: str, key: str, field: GraphQLInputField, value: Any) -> str:
        if self._often(20):
            return self._given(field_name, key, field)
        return self._literal(field_name, key, field.type, value)


def _reads(type_: GraphQLScalarType, value: Any) -> bool:
    try:
        type_.coerce_input_value(value)
    except (GraphQLError, ValueError, TypeError):
        return False
    return True
