"""Execution: an operation is run under its time limit, and its answer made what a client may see."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

from graphql import GraphQLSchema, OperationType, execute
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental

from app.graphql.compiled import CompiledExecutor
from app.graphql.documents import Prepared
from app.graphql.errors import answer, formatted
from app.graphql.sqlplan import SqlPlans, TextAnswer
from app.graphql.subscriptions import Subscriptions
from app.graphql.timers import CoarseTimers, TimeLimit
from app.graphql.tracing import operation_span
from app.settings import Limits
from schema.context import Context

Answer: TypeAlias = "dict[str, Any] | TextAnswer"


class Engine:
    """Runs operations; with `compiled` off, by graphql-core alone."""

    def __init__(
        self, schema: GraphQLSchema, limits: Limits, *, compiled: bool = True, plans: SqlPlans | None = None
    ) -> None:
        self.schema = schema
        self._plans = plans
        self._executor_class = CompiledExecutor if compiled else None
        self._limits = limits
        self._timers = CoarseTimers()
        self._subscriptions = Subscriptions(schema, self._executor_class or ExecutorThrowingOnIncremental)

    async def run(self, prepared: Prepared, context: Context) -> Answer:
        """The answer of a query or mutation."""
        mutation = prepared.kind is OperationType.MUTATION
        timeout_s = self._limits.mutation_timeout_s if mutation else self._limits.query_timeout_s
        with operation_span(prepared.operation, context):
            try:
                with TimeLimit(self._timers, timeout_s):
                    return await self._answer(prepared, context)
            except TimeoutError:
                message = f"The {prepared.kind.value} took longer than {timeout_s:g} s."
                return {"errors": [formatted(message, "TIMEOUT", context.request_id)], "data": None}

    async def _answer(self, prepared: Prepared, context: Context) -> Answer:
        if self._plans is not None:
            text = await self._plans.answer(prepared, context)
            if text is not None:
                return text
        result = execute(
            self.schema,
            prepared.document,
            context_value=context,
            variable_values=prepared.request.variables,
            operation_name=prepared.request.operation_name,
            executor_class=self._executor_class,
        )
        if inspect.isawaitable(result):
            result = await result
        return answer(result, context.request_id)

    def stream(self, prepared: Prepared, context: Context) -> AsyncIterator[list[bytes]]:
        """The encoded answers of a subscription, all of one wake-up together. Raises StreamRefused."""
        return self._subscriptions.run(prepared, context)
