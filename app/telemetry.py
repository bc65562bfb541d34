"""Traces, metrics and logs. Traces leave through OTLP where FABULA_OTLP asks for it; metrics are scraped."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from opentelemetry import context, metrics, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from app.settings import Settings

API = "api"
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


def configure(service: str, settings: Settings) -> None:
    """Once a process, before anything else is built.

    The API shows its metrics at /metrics; another role at FABULA_METRICS_PORT, where one is given: the libraries
    for it cost half a second of start-up.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for noisy in ("httpx", "httpx2", "httpcore", "openai", "dramatiq.worker"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    resource = Resource.create({"service.name": f"fabula-{service}"})
    # Without anybody to send spans to, traces have ids for the log and nothing else.
    sampler = ParentBased(TraceIdRatioBased(settings.trace_ratio if settings.otlp else 0.0))
    provider = TracerProvider(resource=resource, sampler=sampler)
    if settings.otlp:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    if service == API or settings.metrics_port:
        _collect_metrics(resource)
    if service != API and settings.metrics_port:
        from prometheus_client import start_http_server

        start_http_server(settings.metrics_port, addr=settings.host)


def _collect_metrics(resource: Resource) -> None:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider

    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()], resource=resource))
