"""Traces, metrics and logs. Traces leave through OTLP when OTEL_EXPORTER_OTLP_ENDPOINT is set; metrics are scraped."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from graphql import OperationDefinitionNode
from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from schema.context import Context

_tracer = trace.get_tracer("fabula.graphql")
_meter = metrics.get_meter("fabula.graphql")
_operations = _meter.create_histogram("fabula.graphql.operation", unit="s", description="Queries and mutations.")

_LOGGED = ("request_id", "tenant", "user", "job", "operation")


class JsonFormatter(logging.Formatter):
    """One object a line, with the trace that was active."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace"] = f"{span.trace_id:032x}"
        line |= {name: getattr(record, name) for name in _LOGGED if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(service: str, *, log_level: str, otlp: bool) -> None:
    """Once a process, before anything else is built."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=log_level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpx2", "httpcore", "openai", "dramatiq.worker"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    resource = Resource.create({"service.name": f"fabula-{service}"})
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()], resource=resource))
    provider = TracerProvider(resource=resource)
    if otlp:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


@contextmanager
def operation_span(operation: OperationDefinitionNode, context: Context) -> Iterator[None]:
    """A span and a measurement for one query or mutation: never one a field."""
    name = operation.name.value if operation.name else "anonymous"
    kind = operation.operation.value
    began = time.perf_counter()
    attributes = {"graphql.operation.type": kind, "graphql.operation.name": name, "fabula.request": context.request_id}
    if context.caller is not None:
        attributes["fabula.tenant"] = str(context.caller.tenant_id)
    with _tracer.start_as_current_span(f"graphql.{kind}", attributes=attributes):
        yield
    _operations.record(time.perf_counter() - began, {"type": kind})
