"""Plans: what is worked out once for an operation, and found again for the next request of the same document.

A plan depends on the schema, the operation, its fragments, and the variables that `@skip` and `@include` look at. It
is found by the identity of the nodes (graphql-core's nodes compare by content, at a price) and keeps them alive.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from types import NoneType
from typing import Any

from graphql import (
    DirectiveNode,
    FragmentDefinitionNode,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)
from graphql.execution.collect_fields import CollectedFields, FieldDetails

PLANS_MAX = 2_000
VARIANTS_MAX = 16
"""Plans of one operation: it may have several `@include(if: $variable)`."""

FieldDetailsList = list[FieldDetails]
GroupedFieldSet = dict[str, FieldDetailsList]
Selection = Callable[[Any, Any, Any], Any]
"""(executor, source, place) -> the completed object, or a coroutine of it."""


class Plan:
    """What was worked out for one operation under one setting of its conditions."""

    __slots__ = ("collected", "root", "runs", "selections", "sql")

    def __init__(self) -> None:
        self.runs = 0
        self.sql: Any = None
        """What `sqlplan` keeps here: its plan, False when it declined, None before it was asked."""
        self.root: GroupedFieldSet | None = None
        self.collected: dict[tuple[int, int], tuple[GraphQLObjectType, FieldDetailsList, CollectedFields]] = {}
        """By type and field details, which are kept alive so that their identities stay their own."""
        self.selections: dict[tuple[int, int], Selection] = {}
        """By type and grouped field set, both of which `collected` and `root` keep alive."""


class _Entry:
    __slots__ = ("conditions", "fragments", "operation", "plannable", "plans", "schema")

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: list[FragmentDefinitionNode]
    ) -> None:
        self.schema = schema
        self.operation = operation
        self.fragments = fragments
        directives = _directives(operation, fragments)
        self.plannable = not any(directive.name.value in _INCREMENTAL for directive in directives)
        self.conditions = sorted(_variables(directives))
        self.plans: dict[tuple[Any, ...], Plan] = {}

    def of(self, fragments: Iterable[FragmentDefinitionNode]) -> bool:
        others = list(fragments)
        return len(others) == len(self.fragments) and all(a is b for a, b in zip(self.fragments, others, strict=True))


class Plans:
    """The plans of a process; the least used are forgotten."""

    def __init__(self, maximum: int = PLANS_MAX) -> None:
        self._maximum = maximum
        self._entries: OrderedDict[tuple[int, int], _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDefinitionNode],
        variables: dict[str, Any],
    ) -> Plan | None:
        """The plan for a request; None when there can be none, or would be too many of one operation."""
        key = (id(schema), id(operation))
        entry = self._entries.get(key)
        if entry is None or not entry.of(fragments.values()):
            entry = self._entries[key] = _Entry(schema, operation, list(fragments.values()))
            if len(self._entries) > self._maximum:
                self._entries.popitem(last=False)
        else:
            self._entries.move_to_end(key)
        setting = tuple(variables.get(name) for name in entry.conditions)
        if not entry.plannable or not all(value.__class__ in (bool, NoneType) for value in setting):
            return None
        plan = entry.plans.get(setting)
        if plan is None and len(entry.plans) < VARIANTS_MAX:
            plan = entry.plans[setting] = Plan()
        return plan


_CONDITIONS = frozenset({"skip", "include"})
_INCREMENTAL = frozenset({"defer", "stream"})


def _directives(operation: OperationDefinitionNode, fragments: Iterable[FragmentDefinitionNode]) -> list[DirectiveNode]:
    found: list[DirectiveNode] = []

    def walk(selections: SelectionSetNode) -> None:
        for node in selections.selections:
            found.extend(node.directives or ())
            inner: SelectionSetNode | None = getattr(node, "selection_set", None)
            if inner is not None:
                walk(inner)

    for definition in (operation, *fragments):
        walk(definition.selection_set)
    return found


def _variables(directives: Iterable[DirectiveNode]) -> set[str]:
    """Names of the variables that decide whether a field is there."""
    return {
        argument.value.name.value
        for directive in directives
        for argument in directive.arguments or ()
        if directive.name.value in _CONDITIONS and isinstance(argument.value, VariableNode)
    }
