"""Whole operations as one SQL statement whose text is the answer.

For operations that ask for nothing but columns, pages of listings and references between rows: PostgreSQL puts the
answer together, under the same row security, and this process sends it on unread. Whatever a plan cannot say, errors
included, it declines, and the executor answers as if there were no plans.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson
from graphql import FragmentDefinitionNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues, get_variable_values

from app.graphql.compiled.plan import Plans
from app.graphql.cost import Costs
from app.graphql.documents import Prepared
from app.graphql.sqlplan.planner import Calls, Declined, PageCall, Planner, Slot
from domain.accounts import Permission
from domain.errors import Rejected
from persistence.bodies import Body
from persistence.database import Database
from persistence.listing import Lookup
from persistence.paging import check_first
from persistence.shapes import Shape
from schema.context import Context
from schema.ids import split_id

logger = logging.getLogger("fabula.graphql")

BODIES_MAX = 64
"""Statements of one operation: its filters, orders and cursors can come in so many combinations."""
CONSTANT_MAX = 2_000
FREE_TEXT_AFTER = 2
"""Runs of an operation that was sent as text before it is planned: most texts never come again."""
NO_VARIABLES = VariableValues({}, {})


@dataclass(slots=True)
class TextAnswer:
    """An answer without errors, as JSON; what it cost; and `{"data": ...}` of it alone."""

    body: bytes
    cost: int
    data: bytes

    def extended(self, extensions: dict[str, Any]) -> TextAnswer:
        body = b'%b,"extensions":%b}' % (self.data[:-1], orjson.dumps(extensions))
        return TextAnswer(body, self.cost, self.data)


@dataclass
class _Request:
    """What argument readers and the planner ask an executor for."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDetails]
    operation: Any
    variable_values: VariableValues
    lookups: dict[str, Lookup]
    hide_suggestions: bool = True


@dataclass
class _Plan:
    planner: Planner
    shapes: dict[Any, Shape] = field(default_factory=dict)


Statement: TypeAlias = tuple[Shape, dict[str, Any], bool]
"""What is asked, its values, and whether it counts its cost exactly."""


class SqlPlans:
    """The plans of a process."""

    def __init__(self, schema: GraphQLSchema, costs: Costs, lookups: dict[str, Lookup]) -> None:
        self._schema = schema
        self._costs = costs
        self._lookups = lookups
        self._plans = Plans()
        self._constant: dict[int, tuple[OperationDefinitionNode, Statement]] = {}
        """Of operations without variables, by their identity; they are kept, so that no other gets their address."""

    async def answer(self, prepared: Prepared, context: Context) -> TextAnswer | None:
        """The answer as text; None when the executor is to answer, which has words for whatever goes wrong."""
        try:
            return await self.attempt(prepared, context)
        except Exception:
            logger.exception("request %s could not be answered by its plan", context.request_id)
            return None

    async def attempt(self, prepared: Prepared, context: Context) -> TextAnswer | None:
        """The same. Raises what is wrong with the plan, or with PostgreSQL."""
        if prepared.kind is not OperationType.QUERY or context.caller is None:
            return None
        if Permission.READ not in context.caller.permissions:
            return None
        found = self.statement(prepared)
        return None if found is None else await self._ask(prepared, context, *found)

    async def _ask(
        self, prepared: Prepared, context: Context, shape: Shape, values: dict[str, Any], exact_cost: bool
    ) -> TextAnswer | None:
        database: Database = context.services.database
        [row] = await database.shaped(context.actor.tenant_id, shape, actor=context.actor.user_id, **values)
        data = row["body"]
        if data is None:
            return None
        if exact_cost:
            return TextAnswer(data, int(row["cost"]), data)
        costs = self._costs.plan(prepared.document, prepared.operation)
        return TextAnswer(data, costs.actual(orjson.loads(data)["data"]), data)

    def statement(self, prepared: Prepared) -> Statement | None:
        """What PostgreSQL is asked; None when the executor is to answer."""
        constant = self._constant.get(id(prepared.operation))
        if constant is not None:
            return constant[1]
        request = self._request(prepared)
        if request is None:
            return None
        plan = self._plan(prepared, request)
        if plan is None:
            return None
        try:
            statement = self._filled(prepared, request, plan)
        except (Declined, Rejected, GraphQLError):
            return None
        if not prepared.operation.variable_definitions:
            if len(self._constant) >= CONSTANT_MAX:
                self._constant.clear()
            self._constant[id(prepared.operation)] = prepared.operation, statement
        return statement

    def explained(self, prepared: Prepared) -> Statement:
        """What PostgreSQL is asked once the operation is planned; nothing of it is kept.

        Raises Declined with the reason why there is no plan, and Rejected or GraphQLError for a refused argument.
        """
        request = self._request(prepared)
        if request is None:
            raise Declined("Its variables are refused.")
        planner = Planner(request, self._costs.plan(prepared.document, prepared.operation))
        return self._filled(prepared, request, _Plan(planner))

    def _filled(self, prepared: Prepared, request: _Request, plan: _Plan) -> Statement:
        """A plan with a request's values. Raises Declined, Rejected and GraphQLError."""
        values: dict[str, Any] = {}
        calls: Calls = {slot.suffix: _call(slot, request, values) for slot in plan.planner.slots}
        key = tuple(calls.values())
        shape = plan.shapes.get(key)
        if shape is None:
            members = plan.planner.template(calls)
            costs = self._costs.plan(prepared.document, prepared.operation)
            shape = Body(members, costs.fixed).shape
            if len(plan.shapes) < BODIES_MAX:
                plan.shapes[key] = shape
        return shape, values, plan.planner.exact_cost

    def _request(self, prepared: Prepared) -> _Request | None:
        operation = prepared.operation
        variables = NO_VARIABLES
        if operation.variable_definitions:
            coerced = get_variable_values(
                self._schema, operation.variable_definitions, prepared.request.variables or {}
            )
            if isinstance(coerced, list):
                return None
            variables = coerced
        fragments = {
            node.name.value: FragmentDetails(node)
            for node in prepared.document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        return _Request(self._schema, fragments, operation, variables, self._lookups)

    def _plan(self, prepared: Prepared, request: _Request) -> _Plan | None:
        definitions = {name: one.definition for name, one in request.fragments.items()}
        kept = self._plans.find(self._schema, prepared.operation, definitions, request.variable_values.coerced)
        if kept is None:
            return None
        kept.runs += 1
        if not prepared.trusted and kept.runs <= FREE_TEXT_AFTER:
            return None
        if kept.sql is None:
            try:
                costs = self._costs.plan(prepared.document, prepared.operation)
                kept.sql = _Plan(Planner(request, costs))
            except Declined:
                kept.sql = False
        return kept.sql or None


def _call(slot: Slot, request: _Request, values: dict[str, Any]) -> PageCall | str:
    """What a slot comes to, with its parameters put into `values`. Raises Declined and Rejected."""
    given = dict(slot.arguments(request))
    if slot.paged is None:
        type_name, values[f"node{slot.suffix}"] = split_id(given["id"])
        return type_name
    first, after = check_first(given.pop("first")), given.pop("after", None)
    call = slot.paged.call(**given)
    values[f"first{slot.suffix}"] = first + 1
    filters = {name: value for name, value in call.filters.items() if value is not None}
    values.update({f"{name}{slot.suffix}": value for name, value in filters.items()})
    if after is not None:
        if slot.paged.parent is not None:
            raise Declined("A cursor is given for a list under a parent.")
        for n, part in enumerate(call.listing.keyset.read(after, "") or ()):
            values[f"after_{n}{slot.suffix}"] = part
    return PageCall(call.listing, frozenset(filters), after is not None)
