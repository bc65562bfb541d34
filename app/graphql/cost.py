"""What an operation may cost, by the weights in the schema, and what its answer did cost.

A field of an object type costs its weight: `@cost` of the field, else of its type, else 1, or 5 for a mutation. A
scalar costs nothing unless it is marked. An entry of a list counts as often as the list may have entries: `first` of
the list's field or of the connection around it, at most a page; a list without `first` is taken to have
`@listSize(assumedSize:)` entries, or 10. Fields that merge count once, fragments are followed, an abstract type costs
what its dearest member does, and `@skip` and `@include` change nothing. Introspection costs 100, however deep.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLCompositeType,
    GraphQLField,
    GraphQLList,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_abstract_type,
    is_composite_type,
    is_object_type,
    value_from_ast_untyped,
)

from persistence.paging import PAGE_MAX
from schema.cost import Cost, ListSize

MUTATION_WEIGHT = 5
INTROSPECTION_WEIGHT = 100
LIST_SIZE = 10
"""Entries that a list is taken to have of which the schema says nothing."""
SLICING = ("first", "ids")
"""Arguments that say how long a list becomes: a number, or a list that is answered one by one."""
CACHE_MAX = 2_000

Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """How many entries a list may have.

    `upper` holds before the variables are known, `unset` when `variable` is not sent, `most` in any case.
    """

    upper: int
    variable: str = ""
    unset: int = 0
    most: int = 0

    def of(self, variables: Variables | None) -> int:
        if not self.variable or variables is None:
            return self.upper
        value = variables.get(self.variable, Undefined)
        return self.unset if value is Undefined else _bounded(value, self.most)


@dataclass(frozen=True)
class Plan:
    """What one object costs: `fixed`, each of `parts`, and the dearest of `alternatives`."""

    fixed: int
    parts: tuple[Part, ...] = ()
    alternatives: tuple[Plan, ...] = ()
    introspects: bool = False

    @cached_property
    def flat(self) -> bool:
        return not self.parts and not self.alternatives

    @cached_property
    def known(self) -> int | None:
        """The cost where no variable matters; None where one does."""
        inner = [part.plan for part in self.parts] + list(self.alternatives)
        if any(plan.known is None for plan in inner) or any(part.size and part.size.variable for part in self.parts):
            return None
        return self._sum(None)

    def requested(self, variables: Variables | None) -> int:
        """The upper bound: every list as long as it may become."""
        return self._sum(variables) if self.known is None else self.known

    def _sum(self, variables: Variables | None) -> int:
        total = self.fixed
        for part in self.parts:
            times = 1 if part.size is None else part.size.of(variables)
            total += times * part.plan.requested(variables)
        if self.alternatives:
            total += max(plan.requested(variables) for plan in self.alternatives)
        return total

    def actual(self, value: Any) -> int:
        """The same for an answer: every list as long as it is. Looks at lists and at nothing else."""
        total = self.fixed
        for part in self.parts:
            found = value
            for key in part.path:
                found = found.get(key) if isinstance(found, dict) else None
            plan = part.plan
            if part.size is None:
                total += plan.actual(found)
            elif isinstance(found, list):
                total += len(found) * plan.fixed if plan.flat else sum(map(plan.actual, found))
        if self.alternatives and value is not None:
            total += max(plan.actual(value) for plan in self.alternatives)
        return total


@dataclass(frozen=True, slots=True)
class Part:
    """A list under response keys, or one object (without a size) of which several types are possible."""

    path: tuple[str, ...]
    size: Size | None
    plan: Plan


def static_cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: dict[str, Any] | None = None,
) -> int:
    """What the operation costs at most under these variables.

    Without `variables`, for whatever may be sent: a variable counts as its default, or as the longest page.
    """
    return plan_of(schema, document, operation).requested(variables)


def plan_of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Plan:
    """The cost of a valid operation, with its variables left open."""
    compiler = _Compiler(schema, document, operation)
    root = schema.get_root_type(operation.operation)
    assert root is not None, "a validated operation has its root type"
    plan = compiler.selection(root, (operation.selection_set,), None)
    return Plan(plan.fixed, plan.parts, plan.alternatives, compiler.introspects)


class Costs:
    """Plans of the operations that a process has seen, made once for each."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._plans: OrderedDict[int, tuple[OperationDefinitionNode, Plan]] = OrderedDict()

    def plan(self, document: DocumentNode, operation: OperationDefinitionNode) -> Plan:
        """By the operation's identity: it is kept here, so that no other gets its address."""
        known = self._plans.get(id(operation))
        if known is not None:
            return known[1]
        plan = plan_of(self._schema, document, operation)
        self._plans[id(operation)] = (operation, plan)
        if len(self._plans) > CACHE_MAX:
            self._plans.popitem(last=False)
        return plan


class _Compiler:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._defaults = {
            node.variable.name.value: value_from_ast_untyped(node.default_value)
            for node in operation.variable_definitions or ()
            if node.default_value is not None
        }
        self._mutation = schema.mutation_type if operation.operation is OperationType.MUTATION else None
        self._known: dict[Any, Plan] = {}
        self.introspects = False

    def selection(
        self, type_: GraphQLCompositeType, selections: tuple[SelectionSetNode, ...], page: Size | None
    ) -> Plan:
        """What is selected of a type; `page` is how long its lists become."""
        key = (type_.name, tuple(map(id, selections)), page)
        plan = self._known.get(key)
        if plan is None:
            if is_abstract_type(type_):
                members = self._schema.get_possible_types(type_)
                plan = _dearest([self.selection(member, selections, page) for member in members])
            else:
                assert is_object_type(type_)
                plan = self._object(type_, selections, page)
            self._known[key] = plan
        return plan

    def _object(self, type_: GraphQLObjectType, selections: Sequence[SelectionSetNode], page: Size | None) -> Plan:
        merged: dict[str, list[FieldNode]] = {}
        for node in self._collect(type_, selections, set()):
            merged.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        fixed = 0
        parts: list[Part] = []
        for key, nodes in merged.items():
            size, plan = self._field(type_, nodes, page)
            if size is not None or plan.alternatives:
                parts.append(Part((key,), size, plan))
            else:
                fixed += plan.fixed
                parts += [Part((key, *part.path), part.size, part.plan) for part in plan.parts]
        return Plan(fixed, tuple(parts))

    def _collect(
        self, type_: GraphQLObjectType, selections: Sequence[SelectionSetNode], followed: set[str]
    ) -> Iterator[FieldNode]:
        for node in (node for one in selections for node in one.selections):
            if isinstance(node, FieldNode):
                yield node
                continue
            if isinstance(node, InlineFragmentNode):
                fragment: Any = node
            else:
                name = node.name.value  # type: ignore[attr-defined]
                if name in followed:
                    continue
                followed.add(name)
                fragment = self._fragments[name]
            if self._applies(fragment.type_condition, type_):
                yield from self._collect(type_, (fragment.selection_set,), followed)

    def _applies(self, condition: Any, type_: GraphQLObjectType) -> bool:
        if condition is None or condition.name.value == type_.name:
            return True
        wanted = self._schema.get_type(condition.name.value)
        return is_abstract_type(wanted) and self._schema.is_sub_type(wanted, type_)

    def _field(self, parent: GraphQLObjectType, nodes: list[FieldNode], page: Size | None) -> tuple[Size | None, Plan]:
        """How often what is selected of a field may come (None: it is no list), and what it costs each time."""
        name = nodes[0].name.value
        if name.startswith("__"):
            self.introspects |= name != "__typename"
            return None, Plan(INTROSPECTION_WEIGHT if name != "__typename" else 0)
        field = parent.fields[name]
        named = get_named_type(field.type)
        weight = _weight(field, named, MUTATION_WEIGHT if parent is self._mutation else 1)
        if not is_composite_type(named):
            return None, Plan(weight)
        sliced = self._size(field, nodes[0])
        selections = tuple(node.selection_set for node in nodes if node.selection_set is not None)
        inner = self.selection(named, selections, sliced)
        plan = Plan(inner.fixed + weight, inner.parts, inner.alternatives)
        if not isinstance(get_nullable_type(field.type), GraphQLList):
            return None, plan
        return sliced or page or Size(_assumed(field, LIST_SIZE)), plan

    def _size(self, field: GraphQLField, node: FieldNode) -> Size | None:
        """What a slicing argument says of a field's length; None when it has none."""
        name = next((name for name in SLICING if name in field.args), None)
        if name is None:
            return None
        most = _assumed(field, PAGE_MAX)
        default = field.args[name].default_value
        unset = most if default is Undefined else _bounded(default, most)
        given = next((one.value for one in node.arguments or () if one.name.value == name), None)
        if isinstance(given, VariableNode):
            variable = given.name.value
            if variable in self._defaults:
                unset = _bounded(self._defaults[variable], most)
                return Size(unset, variable, unset, most)
            return Size(most, variable, unset, most)
        return Size(unset if given is None else _literal(given, most))


def _dearest(plans: list[Plan]) -> Plan:
    """One plan for whichever of these it will be."""
    distinct = tuple(dict.fromkeys(plans))
    if len(distinct) == 1:
        return distinct[0]
    if any(plan.parts or plan.alternatives for plan in distinct):
        return Plan(0, alternatives=distinct)
    return Plan(max((plan.fixed for plan in distinct), default=0))


def _weight(field: GraphQLField, named: Any, otherwise: int) -> int:
    for bearer in (field, named):
        said = _said(bearer, Cost)
        if said is not None:
            return int(said.weight)
    return otherwise if is_composite_type(named) else 0


def _assumed(field: GraphQLField, otherwise: int) -> int:
    said = _said(field, ListSize)
    return otherwise if said is None else int(said.assumed_size)


def _said(bearer: Any, directive: type) -> Any | None:
    """The directive with which a field or type was declared."""
    declared = getattr(bearer.extensions.get("strawberry-definition"), "directives", None) or ()
    return next((one for one in declared if isinstance(one, directive)), None)


def _literal(node: ValueNode, most: int) -> int:
    if isinstance(node, IntValueNode):
        return _bounded(int(node.value), most)
    return _bounded(list(node.values), most) if isinstance(node, ListValueNode) else most


def _bounded(value: Any, most: int) -> int:
    """The length that an argument asks for; what is no length will be refused, and counts as the longest."""
    length = len(value) if isinstance(value, list | tuple) else value
    return max(0, min(length, most)) if isinstance(length, int) else most
