"""An answer made by plan is the answer that graphql-core gives: for every type of event, under any selection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from graphql import DocumentNode, ExecutionResult, parse, validate
from graphql.execution import Executor, execute_subscription_event
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.graphql.errors import answer
from app.graphql.frames import FramedOutlet, PlainOutlet, head
from app.graphql.stream_encoder import DOCUMENTS_MAX, StreamPlans
from domain.events import JOB_ENDS, START, Event, EventType, Position
from domain.ids import JobId, new_id
from persistence.streams import Batch, Entry, entry_of
from resolvers.root import build_schema
from schema.events import SHAPES, to_graphql
from tests.documents import EVENTS

SCHEMA = build_schema()._schema
JOB = JobId(new_id())
AT = datetime(2026, 11, 22, 7, 30, 0, 123_999, UTC)
PLACE = Position(1, 7)
USED = {"inputTokens": 10, "outputTokens": 20, "cost": 1_230_000, "source": "ESTIMATE"}
DATA: dict[EventType, dict[str, Any]] = {
    EventType.STARTED: {"attempt": 1, "model": "m", "channel": "c"},
    EventType.CONTEXT: {"promptTokens": 812},
    EventType.DELTA: {"text": 'He said "no" — 他说“不”。\n\\ \x00\u2028'},
    EventType.REASONING: {"text": ""},
    EventType.PROGRESS: {"progress": 40, "note": "drafting"},
    EventType.SWITCHED: {"attempt": 2, "channel": "d", "reason": "cut"},
    EventType.RESET: {"attempt": 2, "reason": "cut"},
    EventType.SNAPSHOT: {"attempt": 1, "text": "all of it"},
    EventType.METER: {"held": 1_500_000, "accrued": 7, "left": 1_499_993},
    EventType.CITATION: {
        "index": 1,
        "marker": 2,
        "quote": "“So” — 如此",
        "start": 3,
        "end": 6,
        "spanStart": 40,
        "spanEnd": 48,
        "document": str(new_id()),
        "chunk": str(new_id()),
    },
    EventType.COMPLETED: {"version": None, **USED},
    EventType.FAILED: {"code": "X", "message": "It failed."},
    EventType.CANCELLED: {"version": None},
    EventType.TRUNCATED: {"version": None, "reason": "LENGTH"},
    EventType.JOB_SUCCEEDED: {},
    EventType.JOB_FAILED: {"code": "X", "message": "It failed."},
    EventType.JOB_CANCELLED: {"code": "CANCELLED", "message": "It was stopped."},
    EventType.REVOKED: {"code": "UNAUTHENTICATED", "message": "Over."},
}
MALFORMED: list[tuple[EventType, dict[str, Any]]] = [
    (EventType.DELTA, {"text": None}),
    (EventType.DELTA, {"text": 5}),
    (EventType.DELTA, {"text": ["a"]}),
    (EventType.PROGRESS, {"progress": "many", "note": "n"}),
    (EventType.PROGRESS, {"progress": 2**40, "note": "n"}),
    (EventType.PROGRESS, {"progress": 1.5, "note": None}),
    (EventType.PROGRESS, {"progress": True, "note": {"a": 1}}),
    (EventType.TRUNCATED, {"reason": "LENGTH", "message": 7}),
    (EventType.RESET, {"attempt": None, "reason": None}),
]
OF_JOBS = frozenset(JOB_ENDS.values())
"""No generation's stream has these."""
PURE = sorted(
    DATA.keys() - {EventType.CITATION, EventType.COMPLETED, EventType.CANCELLED, EventType.TRUNCATED, *OF_JOBS}
)
FIELDS = [("jobEvents", one) for one in EventType] + [
    ("generationEvents", one) for one in EventType if one not in OF_JOBS
]


class Context:
    """Of which an event's own fields need nothing."""


def event_of(type_: EventType, data: dict[str, Any], position: Position = PLACE) -> Event:
    return Event(JOB, position, type_, data, AT)


def executor_of(document: DocumentNode, **variables: Any) -> Executor[Any]:
    executor = ExecutorThrowingOnIncremental.build(
        SCHEMA, document, context_value=Context(), raw_variable_values={"id": "x", **variables}
    )
    assert isinstance(executor, Executor)
    return executor


def stock(executor: Executor[Any], event: Event) -> dict[str, Any]:
    result = execute_subscription_event(executor.build_per_event_executor(to_graphql(event)))
    if executor.is_awaitable(result):
        result = asyncio.run(result)  # type: ignore[arg-type]
    assert isinstance(result, ExecutionResult)
    told: dict[str, Any] = orjson.loads(orjson.dumps(answer(result, "r"), default=str))
    return told


def planned(executor: Executor[Any], document: DocumentNode, *events: Event) -> list[bytes | None]:
    return StreamPlans().of(executor, document).encode(Batch(JOB, [entry_of(event) for event in events]))


def compiled(query: str, type_: EventType, **variables: Any) -> bool:
    document = parse(query)
    [known] = planned(executor_of(document, **variables), document, event_of(type_, DATA[type_]))
    return known is not None


# -- equality --------------------------------------------------------------------------------------------------------


def test_every_type_of_event_has_a_sample() -> None:
    assert DATA.keys() == SHAPES.keys() == set(EventType)


@pytest.mark.parametrize(("field", "type_"), FIELDS)
def test_all_that_an_event_has_is_answered_as_graphql_core_answers(type_: EventType, field: str) -> None:
    name = SHAPES[type_].type.__strawberry_definition__.name  # type: ignore[attr-defined]
    own = {
        EventType.METER: "held { __typename amount currency } accrued { micros: amount } left { amount }",
        EventType.CITATION: "index marker quote",
        EventType.COMPLETED: "__typename",
        EventType.CANCELLED: "__typename",
        EventType.JOB_SUCCEEDED: "__typename",
        EventType.JOB_CANCELLED: "__typename",
        EventType.TRUNCATED: "reason message",
    }.get(type_) or " ".join(SCHEMA.get_type(name).fields.keys() - {"seq", "cursor", "at"})  # type: ignore[union-attr]
    document = parse(
        f"subscription($id: ID!) {{ {field}(id: $id) {{ __typename seq cursor at ... on {name} {{ {own} }} }} }}"
    )
    assert validate(SCHEMA, document) == []
    executor, event = executor_of(document), event_of(type_, DATA[type_])
    [known] = planned(executor, document, event)
    assert known is not None
    assert orjson.loads(known) == stock(executor, event)


@pytest.mark.parametrize(("type_", "data"), MALFORMED)
def test_what_cannot_be_completed_is_left_to_graphql_core(type_: EventType, data: dict[str, Any]) -> None:
    fields = {
        EventType.DELTA: "... on TextDelta { text }",
        EventType.PROGRESS: "... on JobProgress { progress note }",
        EventType.TRUNCATED: "... on GenerationTruncated { reason message }",
        EventType.RESET: "... on StreamReset { attempt reason }",
    }
    document = parse(f"subscription($id: ID!) {{ generationEvents(id: $id) {{ seq {fields[type_]} }} }}")
    executor, event = executor_of(document), event_of(type_, data)
    [known] = planned(executor, document, event)
    told = stock(executor, event)
    assert known is None if "errors" in told else orjson.loads(known or b"null") in (told, None)


@pytest.mark.parametrize(("attempt", "compiles"), [(2047, True), (2048, False)])
def test_a_number_that_is_no_int_is_left_to_graphql_core(attempt: int, compiles: bool) -> None:
    document = parse("subscription($id: ID!) { generationEvents(id: $id) { seq } }")
    event = event_of(EventType.DELTA, DATA[EventType.DELTA], Position(attempt, 0))
    executor = executor_of(document)
    [known] = planned(executor, document, event)
    assert (known is not None) is compiles
    assert ("errors" in stock(executor, event)) is not compiles


INTERFACES = ("StreamEvent", "GenerationEvent")
OBJECTS = ("TextDelta", "MeterTick", "JobProgress", "StreamReset")
CONDITIONS = ("", "", "@skip(if: $no)", "@include(if: $yes)", "@skip(if: $yes)", "@include(if: false)")


def selections(draw: Any, type_name: str, depth: int) -> str:
    """Some fields of a type: aliased, under conditions, in inline and named fragments, repeated."""
    parts = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(("field", "field", "typename", *(("inline", "spread") if depth else ()))))
        condition = draw(st.sampled_from(CONDITIONS))
        if kind == "typename":
            parts.append(f"{draw(st.sampled_from(('', 'kind: ')))}__typename {condition}")
        elif kind == "field":
            parts.append(_field(draw, type_name, condition))
        elif kind == "spread":
            fitting = ("Place", "Word") if type_name in (*INTERFACES, "TextDelta") else ("Place",)
            parts.append(f"...{draw(st.sampled_from(fitting))} {condition}")
        else:
            fitting = (*INTERFACES, *(OBJECTS if type_name in INTERFACES else (type_name,)))
            on = draw(st.sampled_from(("", *fitting)))
            inner = selections(draw, on or type_name, depth - 1)
            parts.append(f"... {on and f'on {on}'} {condition} {{ {inner} }}")
    return " ".join(parts)


def _field(draw: Any, type_name: str, condition: str) -> str:
    type_: Any = SCHEMA.get_type(type_name)
    name = draw(st.sampled_from(sorted(type_.fields)))
    alias = draw(st.sampled_from(("", "", f"own_{type_name}_{name}: ")))
    return f"{alias}{name} {condition} {'{ amount currency kind: __typename }' if name in {'held', 'accrued', 'left'} else ''}"


@st.composite
def documents(draw: Any) -> str:
    body = selections(draw, "GenerationEvent", 3)
    return (
        "subscription($id: ID!, $yes: Boolean = true, $no: Boolean!) {"
        f" {draw(st.sampled_from(('', 'it: ')))}generationEvents(id: $id) {{ {body} ...Place }} }}"
        " fragment Place on StreamEvent { seq cursor @skip(if: $no) ...Word }"
        " fragment Word on TextDelta { word: text at @include(if: $yes) }"
    )


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.booleans(), st.sampled_from(PURE), st.text(max_size=20))
def test_any_selection_is_answered_as_graphql_core_answers(text: str, no: bool, type_: EventType, words: str) -> None:
    document = parse(text)
    assert validate(SCHEMA, document) == []
    data = DATA[type_] | ({"text": words.encode("utf-8", "replace").decode()} if "text" in DATA[type_] else {})
    executor, event = executor_of(document, no=no), event_of(type_, data)
    [known] = planned(executor, document, event)
    assert known is not None
    assert orjson.loads(known) == stock(executor, event)
    assert list(_keys(orjson.loads(known))) == list(_keys(stock(executor, event)))


def _keys(value: Any) -> Iterator[str]:
    """Every key in order: an object's fields come as they were asked for."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)


# -- what is compiled, and kept --------------------------------------------------------------------------------------


def test_what_needs_a_resolver_is_left_to_graphql_core_and_only_that() -> None:
    assert compiled(EVENTS, EventType.DELTA)
    assert compiled(EVENTS, EventType.FAILED)
    assert not compiled(EVENTS, EventType.COMPLETED)
    assert not compiled(EVENTS, EventType.TRUNCATED)
    without = "subscription($id: ID!, $no: Boolean!) { generationEvents(id: $id) { seq ... on GenerationCompleted { version @include(if: $no) { id } } } }"
    assert compiled(without, EventType.COMPLETED, no=False)
    assert not compiled(without, EventType.COMPLETED, no=True)


def test_a_plan_is_made_once_for_an_operation_and_its_conditions() -> None:
    plans = StreamPlans()
    document = parse(
        "subscription A($id: ID!, $no: Boolean!) { jobEvents(id: $id) { seq at @skip(if: $no) } }"
        " subscription B($id: ID!, $no: Boolean!) { jobEvents(id: $id) { at @skip(if: $no) } }"
    )

    def plan(name: str, **variables: Any) -> Any:
        executor = ExecutorThrowingOnIncremental.build(
            SCHEMA, document, raw_variable_values=variables, operation_name=name
        )
        assert isinstance(executor, Executor)
        return plans.of(executor, document)

    one = plan("A", id="x", no=True)
    assert plan("A", id="another", no=True) is one
    others = [plan("A", id="x", no=False), plan("B", id="x", no=True), plan("B", id="x", no=False)]
    assert len({id(each) for each in (one, *others)}) == 4


def test_the_plans_of_a_process_are_bounded() -> None:
    plans = StreamPlans()
    for _ in range(DOCUMENTS_MAX + 1):
        document = parse("subscription($id: ID!) { jobEvents(id: $id) { seq } }")
        plans.of(executor_of(document), document)
    assert len(plans._documents) == DOCUMENTS_MAX


def test_an_event_for_many_watchers_is_encoded_once() -> None:
    document = parse("subscription($id: ID!) { jobEvents(id: $id) { seq cursor } }")
    plan = StreamPlans().of(executor_of(document), document)
    entries: list[Entry] = [entry_of(event_of(EventType.DELTA, {"text": "a"}, Position(1, n))) for n in range(3)]
    first = plan.encode(Batch(JOB, entries, shared=True))
    for again in (plan.encode(Batch(JOB, entries, shared=True)), plan.encode(Batch(JOB, entries[1:], shared=True))):
        assert all(one is other for one, other in zip(again, first[-len(again) :], strict=True))
    alone = plan.encode(Batch(JOB, entries))
    assert alone == first
    assert alone[0] is not first[0]


def test_an_event_made_up_from_the_database_keeps_its_moment_to_the_millisecond() -> None:
    for micros in (0, 1_000, 123_000, 999_999):
        event = Event(JOB, START, EventType.CANCELLED, {"version": None}, AT.replace(microsecond=micros))
        [again] = Batch(JOB, [entry_of(event)]).events()
        assert again.at == event.at.replace(microsecond=micros // 1000 * 1000)
        assert (again.position, again.type, again.data) == (event.position, event.type, event.data)


# -- frames ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65_535, b"\x81\x7e\xff\xff"),
        (65_536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_the_head_of_a_frame_is_as_long_as_its_length_needs(length: int, expected: bytes) -> None:
    assert head(length) == expected


async def test_what_is_sent_in_one_turn_leaves_in_one_write_a_frame_each() -> None:
    written: list[bytes] = []
    writable = asyncio.Event()
    writable.set()
    outlet = FramedOutlet(written.append, writable)
    await outlet.send([b"a", b"bc"])
    await outlet.send([b"d"])
    assert written == []
    await asyncio.sleep(0)
    assert written == [b"\x81\x01a\x81\x02bc\x81\x01d"]
    await outlet.send([b"e"])
    outlet.flush()
    await asyncio.sleep(0)
    assert written[1:] == [b"\x81\x01e"]


async def test_nothing_is_sent_while_the_client_reads_too_slowly() -> None:
    written: list[bytes] = []
    writable = asyncio.Event()
    outlet = FramedOutlet(written.append, writable)
    sending = asyncio.create_task(outlet.send([b"a"]))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (written, sending.done()) == ([], False)
    writable.set()
    await sending
    await asyncio.sleep(0)
    assert written == [b"\x81\x01a"]


async def test_a_server_without_the_extension_is_sent_text_by_text() -> None:
    sent: list[str] = []

    class Plain:
        async def send_text(self, text: str) -> None:
            sent.append(text)

    outlet = PlainOutlet(Plain())  # type: ignore[arg-type]
    await outlet.send(["ä".encode(), b"b"])
    outlet.flush()
    assert sent == ["ä", "b"]
