"""What an operation tells OpenTelemetry and the log, sampled and not."""

from __future__ import annotations

import json
import logging
from uuid import UUID

import pytest
from graphql import OperationDefinitionNode, parse
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from app.graphql import tracing
from app.graphql.tracing import operation_span
from app.telemetry import JsonFormatter
from domain.accounts import Actor, Role
from domain.ids import TenantId, UserId
from schema.context import Context

TENANT, USER = UUID(int=1), UUID(int=2)
ASKED = Context(Actor(TenantId(TENANT), UserId(USER), Role.AUTHOR, frozenset()), None, None, "r1")  # type: ignore[arg-type]
LINE = logging.LogRecord("fabula", logging.INFO, "", 0, "said", (), None)


def operation(text: str) -> OperationDefinitionNode:
    [definition] = parse(text).definitions
    assert isinstance(definition, OperationDefinitionNode)
    return definition


def traced(monkeypatch: pytest.MonkeyPatch, ratio: float) -> InMemorySpanExporter:
    provider, exporter = TracerProvider(sampler=TraceIdRatioBased(ratio)), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    return exporter


def test_a_traced_operation_says_what_it_is_and_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = traced(monkeypatch, 1.0)
    with operation_span(operation("mutation Begin { a }"), ASKED):
        pass
    [span] = exporter.get_finished_spans()
    assert (span.name, span.status.status_code) == ("graphql.mutation", trace.StatusCode.UNSET)
    assert span.attributes == {
        "graphql.operation.type": "mutation",
        "graphql.operation.name": "Begin",
        "fabula.request": "r1",
        "fabula.tenant": str(TENANT),
        "fabula.user": str(USER),
    }


def test_an_operation_that_breaks_leaves_its_error_in_its_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = traced(monkeypatch, 1.0)
    with pytest.raises(ValueError, match="no"), operation_span(operation("{ a }"), ASKED):
        raise ValueError("no")
    [span] = exporter.get_finished_spans()
    assert (span.attributes or {})["graphql.operation.name"] == "anonymous"
    assert (span.status.status_code, span.status.description) == (trace.StatusCode.ERROR, "ValueError: no")
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_lines_logged_within_an_operation_name_its_request_and_trace_sampled_or_not(
    monkeypatch: pytest.MonkeyPatch, ratio: float
) -> None:
    exporter = traced(monkeypatch, ratio)
    with operation_span(operation("{ a }"), ASKED):
        line = json.loads(JsonFormatter().format(LINE))
        context = trace.get_current_span().get_span_context()
    assert (line["request"], line["tenant"], line["user"]) == ("r1", str(TENANT), str(USER))
    assert line["trace"] == f"{context.trace_id:032x}"
    assert len(exporter.get_finished_spans()) == ratio
    assert "request" not in json.loads(JsonFormatter().format(LINE))
