"""A span and a measurement for each operation: never one for each field."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from graphql import OperationDefinitionNode
from opentelemetry import context, metrics, trace

from app.telemetry import LOG_CONTEXT
from schema.context import Context

_tracer = trace.get_tracer("fabula.graphql")
_meter = metrics.get_meter("fabula.graphql")
_operations = _meter.create_histogram("fabula.graphql.operation", unit="s", description="Queries and mutations.")


@contextmanager
def operation_span(operation: OperationDefinitionNode, asked: Context) -> Iterator[None]:
    """A span and a measurement for one query or mutation: never one a field."""
    name = operation.name.value if operation.name else "anonymous"
    kind = operation.operation.value
    began = time.perf_counter()
    said = {"request": asked.request_id}
    if asked.caller is not None:
        said |= {"tenant": str(asked.caller.tenant_id), "user": str(asked.caller.user_id)}
    attributes = {"graphql.operation.type": kind, "graphql.operation.name": name}
    attributes |= {f"fabula.{key}": value for key, value in said.items()}
    token = context.attach(context.set_value(LOG_CONTEXT, said))
    try:
        with _tracer.start_as_current_span(f"graphql.{kind}", attributes=attributes):
            yield
    finally:
        context.detach(token)
    _operations.record(time.perf_counter() - began, {"type": kind})
