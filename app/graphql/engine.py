"""Execution: an operation is run under its time limit, and its answer made what a client may see."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any, TypeAlias, cast

from graphql import ExecutionResult, GraphQLError, GraphQLSchema, OperationType, execute, subscribe

from app.graphql.compiled import CompiledExecutor
from app.graphql.documents import Prepared
from app.graphql.errors import formatted, present, request_error
from app.graphql.sqlplan import SqlPlans, TextAnswer
from app.graphql.tracing import operation_span
from app.settings import Limits
from domain.errors import Rejected, Unauthenticated
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

    async def run(self, prepared: Prepared, context: Context) -> Answer:
        """The answer of a query or mutation."""
        mutation = prepared.kind is OperationType.MUTATION
        timeout_s = self._limits.mutation_timeout_s if mutation else self._limits.query_timeout_s
        with operation_span(prepared.operation, context):
            try:
                async with asyncio.timeout(timeout_s):
                    if self._plans is not None and prepared.trusted:
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
            except TimeoutError:
                message = f"The {prepared.kind.value} took longer than {timeout_s:g} s."
                return {"errors": [formatted(message, "TIMEOUT", context.request_id)], "data": None}
            return answer(result, context.request_id)

    async def stream(self, prepared: Prepared, context: Context) -> AsyncIterator[dict[str, Any]]:
        """The answers of a subscription. A refusal is one answer without data."""
        source = subscribe(
            self.schema,
            prepared.document,
            context_value=context,
            variable_values=prepared.request.variables,
            operation_name=prepared.request.operation_name,
            executor_class=self._executor_class,
        )
        if inspect.isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            yield answer(source, context.request_id)
            return
        events = cast("Any", source)
        try:
            async for result in events:
                yield answer(result, context.request_id)
        except (Rejected, Unauthenticated) as error:
            yield {"errors": [present(GraphQLError(str(error), original_error=error), context.request_id)]}
        except GraphQLError as error:
            yield {"errors": [present(error, context.request_id)]}
        except Exception as error:  # noqa: BLE001 - masked for the client and logged
            yield {"errors": [present(GraphQLError("", original_error=error), context.request_id)]}
        finally:
            await events.aclose()


def answer(result: ExecutionResult, request_id: str) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    # Without a path nothing was executed: the variables were refused, by a scalar's own parser perhaps.
    if result.data is None and all(error.path is None for error in result.errors):
        return {"errors": [request_error(error, request_id, "BAD_USER_INPUT") for error in result.errors]}
    return {"errors": [present(error, request_id) for error in result.errors], "data": result.data}
