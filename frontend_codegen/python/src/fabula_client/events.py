"""The events of streams, under the names that the schema gives them."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, TypeAlias, get_args

from .generated import generation_events as g
from .generated import job_events as j

AttemptSwitched: TypeAlias = g.GenerationEventsGenerationEventsAttemptSwitched
CitationAdded: TypeAlias = g.GenerationEventsGenerationEventsCitationAdded
ContextReceiptReady: TypeAlias = g.GenerationEventsGenerationEventsContextReceiptReady
GenerationCancelled: TypeAlias = g.GenerationEventsGenerationEventsGenerationCancelled
GenerationCompleted: TypeAlias = g.GenerationEventsGenerationEventsGenerationCompleted
GenerationFailed: TypeAlias = g.GenerationEventsGenerationEventsGenerationFailed
GenerationStarted: TypeAlias = g.GenerationEventsGenerationEventsGenerationStartedEvent
GenerationTruncated: TypeAlias = g.GenerationEventsGenerationEventsGenerationTruncated
JobProgress: TypeAlias = g.GenerationEventsGenerationEventsJobProgress
MeterTick: TypeAlias = g.GenerationEventsGenerationEventsMeterTick
ReasoningDelta: TypeAlias = g.GenerationEventsGenerationEventsReasoningDelta
StreamReset: TypeAlias = g.GenerationEventsGenerationEventsStreamReset
StreamRevoked: TypeAlias = g.GenerationEventsGenerationEventsStreamRevoked
StreamSnapshot: TypeAlias = g.GenerationEventsGenerationEventsStreamSnapshot
TextDelta: TypeAlias = g.GenerationEventsGenerationEventsTextDelta
UnknownEvent: TypeAlias = g.GenerationEventsGenerationEventsGenerationEvent
"""Of a type that a newer API has: only its place in the stream is known."""

Terminal: TypeAlias = GenerationCompleted | GenerationCancelled | GenerationTruncated | GenerationFailed | StreamRevoked
"""What ends a watcher's stream. One ends each generation; StreamRevoked ends only this watcher's view of it."""
GenerationEvent: TypeAlias = (
    GenerationStarted
    | ContextReceiptReady
    | TextDelta
    | ReasoningDelta
    | JobProgress
    | AttemptSwitched
    | StreamReset
    | StreamSnapshot
    | MeterTick
    | CitationAdded
    | Terminal
    | UnknownEvent
)

JobEvent: TypeAlias = (
    j.JobEventsJobEventsJobEvent
    | j.JobEventsJobEventsAttemptSwitched
    | j.JobEventsJobEventsGenerationFailed
    | j.JobEventsJobEventsJobFailed
    | j.JobEventsJobEventsJobProgress
    | j.JobEventsJobEventsStreamRevoked
)
"""What watchers of any job see. The first is every other type: its `typename__` says which."""

TERMINALS: Final = frozenset(
    ("GenerationCompleted", "GenerationCancelled", "GenerationTruncated", "GenerationFailed", "StreamRevoked")
)


def read_generation_event(data: dict[str, Any]) -> GenerationEvent:
    """From the data of one result of `GenerationEvents`."""
    known = _names(GenerationEvent)
    return g.GenerationEvents.model_validate(_lenient(data, "generationEvents", known)).generation_events


def read_job_event(data: dict[str, Any]) -> JobEvent:
    """From the data of one result of `JobEvents`."""
    return j.JobEvents.model_validate(_lenient(data, "jobEvents", _names(JobEvent))).job_events


def _lenient(data: dict[str, Any], field: str, known: frozenset[str]) -> dict[str, Any]:
    """A type that this version does not know is read as the interface, so that a newer API stops nobody."""
    event = data[field]
    if event["__typename"] in known:
        return data
    return {field: {**event, "__typename": field[0].upper() + field[1:-1]}}


@cache
def _names(union: Any) -> frozenset[str]:
    literals = (get_args(event.model_fields["typename__"].annotation) for event in get_args(union))
    return frozenset(name for names in literals for name in names)
