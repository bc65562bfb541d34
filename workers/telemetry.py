"""What the workers tell OpenTelemetry. The spans continue the trace of the mutation that asked for the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import context, metrics, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from domain.generation.work import Work
from domain.jobs import Lease
from domain.knowledge.ingestion import Work as Ingestion
from domain.knowledge.reembedding import Change

_tracer = trace.get_tracer("fabula.workers")
_meter = metrics.get_meter("fabula.workers")
_first_token = _meter.create_histogram(
    "fabula.generation.time_to_first_token", unit="s", description="From the start of an attempt to its first token."
)
_endings = _meter.create_counter("fabula.generation.endings", description="Ended attempts by outcome.")
_turns = _meter.create_counter("fabula.channel.turns", description="Breakers of channels that opened or closed.")
_propagator = TraceContextTextMapPropagator()


def attempt_span(work: Work, lease: Lease) -> AbstractContextManager[None]:
    more = {"gen_ai.request.model": work.generation.model, "fabula.channel": work.generation.channel}
    return _job_span("generation.attempt", work.trace_parent, lease, more)


def reembedding_span(work: Change, lease: Lease) -> AbstractContextManager[None]:
    more = {"gen_ai.request.model": work.base.embedding_model, "fabula.base": str(work.base.id)}
    return _job_span("knowledge.reembed", work.trace_parent, lease, more)


def ingestion_span(work: Ingestion, lease: Lease) -> AbstractContextManager[None]:
    more = {"gen_ai.request.model": work.base.embedding_model, "fabula.document": str(work.document.id)}
    return _job_span("knowledge.ingest", work.trace_parent, lease, more)


@contextmanager
def _job_span(name: str, trace_parent: str | None, lease: Lease, more: dict[str, str]) -> Iterator[None]:
    carrier = {"traceparent": trace_parent} if trace_parent else {}
    said = {"tenant": str(lease.tenant_id), "job": str(lease.job_id)}
    token = context.attach(context.set_value("fabula.log", said, _propagator.extract(carrier)))
    attributes: dict[str, str | int] = {
        "fabula.tenant": str(lease.tenant_id),
        "fabula.job": str(lease.job_id),
        "fabula.attempt": lease.attempt,
        **more,
    }
    try:
        with _tracer.start_as_current_span(name, attributes=attributes):
            yield
    finally:
        context.detach(token)


@contextmanager
def call_span(channel: str, model: str) -> Iterator[None]:
    """One call of a provider; an attempt may need several."""
    attributes: dict[str, str] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": model,
        "fabula.channel": channel,
    }
    with _tracer.start_as_current_span("provider.call", kind=trace.SpanKind.CLIENT, attributes=attributes):
        yield


def observe_first_token(channel: str, seconds: float) -> None:
    _first_token.record(seconds, {"channel": channel})


def count_ending(outcome: str) -> None:
    _endings.add(1, {"outcome": outcome})


def count_turn(channel: str, turn: str) -> None:
    _turns.add(1, {"channel": channel, "turn": turn})
