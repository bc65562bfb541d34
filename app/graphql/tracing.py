"""A span and a measurement for each operation: never one for each field.

Of ten operations one is traced. What the others pay for is a decision, ids for the log, and one context.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from graphql import OperationDefinitionNode, OperationType
from opentelemetry import context, metrics, trace

from app.telemetry import LOG_CONTEXT
from schema.context import Context

_tracer = trace.get_tracer("fabula.graphql")
_meter = metrics.get_meter("fabula.graphql")
_operations = _meter.create_histogram("fabula.graphql.operation", unit="s", description="Queries and mutations.")
_kinds = {kind: {"type": kind.value} for kind in OperationType}
_names = {kind: f"graphql.{kind.value}" for kind in OperationType}


@contextmanager
def operation_span(operation: OperationDefinitionNode, asked: Context) -> Iterator[None]:
    """A span and a measurement for one query or mutation: never one a field."""
    kind, began = operation.operation, time.perf_counter()
    said: dict[str, str | UUID] = {"request": asked.request_id}
    if asked.caller is not None:
        said |= {"tenant": asked.caller.tenant_id, "user": asked.caller.user_id}
    span = _tracer.start_span(_names[kind])
    if span.is_recording():
        span.set_attributes(
            {"graphql.operation.type": kind.value, "graphql.operation.name": _name(operation)}
            | {f"fabula.{key}": str(value) for key, value in said.items()}
        )
    token = context.attach(trace.set_span_in_context(span, context.set_value(LOG_CONTEXT, said)))
    try:
        yield
    except Exception as error:
        span.record_exception(error)
        span.set_status(trace.StatusCode.ERROR, f"{type(error).__name__}: {error}")
        raise
    finally:
        context.detach(token)
        span.end()
    _operations.record(time.perf_counter() - began, _kinds[kind])


def _name(operation: OperationDefinitionNode) -> str:
    return operation.name.value if operation.name else "anonymous"
