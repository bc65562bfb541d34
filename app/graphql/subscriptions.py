"""Subscriptions: opened once through graphql-core, their events then encoded by plan, or executed one by one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLSchema
from graphql.execution import Executor, create_source_event_stream, execute_subscription_event

from app.graphql.documents import Prepared
from app.graphql.errors import StreamRefused, answer, present
from app.graphql.stream_encoder import StreamPlans
from domain.errors import Rejected, Unauthenticated
from persistence.streams import Batch
from resolvers.event_source import Feed
from schema.context import Context

OPENING_AT_ONCE = 8
"""When a server comes back, all its clients do: they queue here and not for the database, which others need as well."""


class Subscriptions:
    def __init__(self, schema: GraphQLSchema, executor_class: type[Executor[Any]]) -> None:
        self._schema = schema
        self._executor_class = executor_class
        self._plans = StreamPlans()
        self._opening = asyncio.Semaphore(OPENING_AT_ONCE)

    async def run(self, prepared: Prepared, context: Context) -> AsyncIterator[list[bytes]]:
        """Encoded answers, all of one wake-up together. Raises StreamRefused with what is wrong, masked."""
        executor, source = await self._opened(prepared, context)
        try:
            if isinstance(source, Feed):
                plan = self._plans.of(executor, prepared.document)
                while (batch := await source.take()).entries:
                    answers = plan.encode(batch)
                    if None in answers:
                        yield [one async for one in _completed(executor, source, context, batch, answers)]
                    else:
                        yield cast("list[bytes]", answers)
            else:
                async for value in source:
                    yield [await _executed(executor, value, context)]
        except StreamRefused:
            raise
        except Exception as error:
            raise StreamRefused({"errors": [_presented(error, context)]}) from error
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()

    async def _opened(self, prepared: Prepared, context: Context) -> tuple[Executor[Any], Any]:
        """The executor, and the source stream that the subscription's resolver gave. Raises StreamRefused."""
        executor = self._executor_class.build(
            self._schema,
            prepared.document,
            context_value=context,
            raw_variable_values=prepared.request.variables,
            operation_name=prepared.request.operation_name,
        )
        if isinstance(executor, list):
            raise StreamRefused(answer(ExecutionResult(None, executor), context.request_id))
        async with self._opening:
            source = create_source_event_stream(executor)
            if executor.is_awaitable(source):
                source = await source
        if isinstance(source, ExecutionResult):
            told = answer(source, context.request_id)
            raise StreamRefused({"errors": told["errors"]})
        return executor, source


async def _completed(
    executor: Executor[Any], source: Feed, context: Context, batch: Batch, answers: list[bytes | None]
) -> AsyncIterator[bytes]:
    """The answers in order, those that are missing from graphql-core."""
    for entry, known in zip(batch.entries, answers, strict=True):
        if known is not None:
            yield known
        elif (event := batch.event(entry)) is not None:
            yield await _executed(executor, source.value(event), context)


async def _executed(executor: Executor[Any], value: Any, context: Context) -> bytes:
    result = execute_subscription_event(executor.build_per_event_executor(value))
    if executor.is_awaitable(result):
        result = await result
    told = answer(cast("ExecutionResult", result), context.request_id)
    if "data" not in told:
        raise StreamRefused(told)
    return orjson.dumps(told, default=str)


def _presented(error: Exception, context: Context) -> dict[str, Any]:
    if isinstance(error, GraphQLError):
        return present(error, context.request_id)
    message = str(error) if isinstance(error, Rejected | Unauthenticated) else ""
    return present(GraphQLError(message, original_error=error), context.request_id)
