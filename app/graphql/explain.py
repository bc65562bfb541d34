"""What would answer an operation, why it is not a SQL plan, and what PostgreSQL makes of one that is.

Nothing here is on the way of a request: an operation is planned afresh when an operator asks about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from graphql import GraphQLError, GraphQLSchema, OperationType
from graphql.execution.values import get_variable_values

from app.graphql.cost import Costs
from app.graphql.documents import Prepared
from app.graphql.errors import DocumentRefused
from app.graphql.gate import Gate, own_bucket
from app.graphql.request import UNKNOWN_HASH, GraphQLRequest
from app.graphql.sqlplan import SqlPlans
from app.graphql.sqlplan.planner import Declined
from app.graphql.trusted import Registry
from domain.errors import ErrorCode, Rejected
from domain.integrations import Explanation, Inquiry, OperationEngine, check_inquiry, read_hash
from persistence.database import Database
from persistence.shapes import Shape
from schema.context import Context, OperationCost


@dataclass(frozen=True, slots=True)
class Verdict:
    """What would answer an operation. Either it is asked of PostgreSQL, with these values, or there is a reason."""

    engine: OperationEngine
    cost: int
    reason: str | None = None
    shape: Shape | None = None
    values: dict[str, Any] | None = None


class Planning:
    """Says of any operation how a process with these settings would answer it. `plans` is None where they are off."""

    def __init__(self, schema: GraphQLSchema, costs: Costs, plans: SqlPlans | None, *, compiled: bool) -> None:
        self._schema = schema
        self._costs = costs
        self._plans = plans
        self._compiled = compiled

    def verdict(self, prepared: Prepared) -> Verdict:
        """Raises Rejected for what is no query, and DocumentRefused for variables that it cannot run with."""
        if prepared.kind is not OperationType.QUERY:
            message = f"Only queries can be explained, and this is a {prepared.kind.value}."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input")
        variables = prepared.request.variables or {}
        coerced = get_variable_values(self._schema, prepared.operation.variable_definitions or (), variables)
        if isinstance(coerced, list):
            raise _refused(coerced, "BAD_USER_INPUT")
        cost = self._costs.plan(prepared.document, prepared.operation).requested(variables)
        try:
            if self._plans is None:
                raise Declined("SQL plans are turned off.")
            shape, values, _ = self._plans.explained(prepared)
        except Declined as declined:
            return self._without_plan(cost, str(declined))
        except (Rejected, GraphQLError) as refusal:
            named = isinstance(refusal, Rejected) and refusal.field
            argument = f"`{named[-1]}`" if named else "An argument"
            return self._without_plan(cost, f"{argument} is refused: {refusal.message}")
        return Verdict(OperationEngine.SQL_PLAN, cost, None, shape, values)

    def _without_plan(self, cost: int, reason: str) -> Verdict:
        if self._compiled:
            return Verdict(OperationEngine.COMPILED, cost, reason)
        return Verdict(OperationEngine.STOCK, cost, f"{reason} Compiled execution is turned off.")


class Explainer:
    """Implements `resolvers.services.Explain`: an operation is held to all that a request with it is held to."""

    def __init__(self, planning: Planning, registry: Registry, gate: Gate, database: Database) -> None:
        self._planning = planning
        self._registry = registry
        self._gate = gate
        self._database = database

    async def __call__(self, inquiry: Inquiry, context: Context) -> Explanation:
        """Raises Rejected, DocumentRefused and RequestRefused."""
        check_inquiry(inquiry)
        try:
            prepared = await self._registry.examine(_request(inquiry), context.actor)
            verdict = self._planning.verdict(prepared)
        except DocumentRefused as refusal:
            raise self._gate.shown(refusal, context.actor) from None
        await self._admit(prepared, context, runs=inquiry.analyze and verdict.shape is not None)
        if verdict.shape is None:
            return Explanation(verdict.engine, verdict.cost, verdict.reason)
        plan = await self._database.explained(
            context.actor.tenant_id, verdict.shape, "json", analyze=inquiry.analyze, actor=context.actor.user_id,
            **verdict.values or {},
        )  # fmt: skip
        return Explanation(verdict.engine, verdict.cost, None, verdict.shape.text, plan)

    async def _admit(self, prepared: Prepared, context: Context, *, runs: bool) -> None:
        """Refuse what would be refused as a request; what is run costs what it may cost."""
        own = replace(context, cost=OperationCost())
        taken = await self._gate.admit(prepared, own, own_bucket(own))
        own.cost.actual = own.cost.requested if runs else 0
        self._gate.settle(prepared, own, taken)


def _refused(errors: list[GraphQLError], code: str) -> DocumentRefused:
    return DocumentRefused([GraphQLError(error.message, extensions={"code": code}) for error in errors])


def _request(inquiry: Inquiry) -> GraphQLRequest:
    named = inquiry.document_id is not None
    hash_ = (read_hash(inquiry.document_id or "") or UNKNOWN_HASH) if named else None
    return GraphQLRequest(inquiry.text or "", inquiry.variables, inquiry.operation_name, hash_)
