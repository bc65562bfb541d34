"""Traces, metrics and logs. Traces leave through OTLP when OTEL_EXPORTER_OTLP_ENDPOINT is set; metrics are scraped."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from opentelemetry import context, metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

LOG_CONTEXT = "fabula.log"
"""The key in OpenTelemetry's context of what every line logged below it says: request, tenant, user, job."""


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
        said = context.get_value(LOG_CONTEXT)
        if isinstance(said, dict):
            line |= said
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
