"""Events of a job: one order, one number, and cursors that belong to one stream."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ErrorCode, Rejected
from domain.events import (
    JOB_ENDS,
    N_MAX,
    SNAPSHOT_N,
    START,
    TERMINAL,
    TERMINAL_N,
    Event,
    EventType,
    Position,
    decode_cursor,
    encode_cursor,
)
from domain.generation.entities import JOB_STATE, GenerationState
from domain.ids import JobId, new_id
from tests.domain.strategies import texts

JOB = JobId(new_id())
OTHER = JobId(new_id())
numbers = st.sampled_from([0, 1, 2**19 - 1, 2**19, SNAPSHOT_N, TERMINAL_N]) | st.integers(0, N_MAX)
positions = st.builds(Position, st.integers(0, 3) | st.integers(0, 2**12), numbers)


@given(positions, positions)
def test_seq_orders_events_exactly_as_their_positions_do(one: Position, other: Position) -> None:
    assert (one.seq < other.seq) == (one < other)
    assert (one.seq == other.seq) == (one == other)


def test_the_first_event_of_an_attempt_comes_after_the_last_of_the_one_before() -> None:
    assert Position(1, N_MAX).seq + 1 == Position(2, 0).seq == 2 * 2**20


def test_made_up_events_come_after_every_written_one_of_their_attempt() -> None:
    assert Position(3, SNAPSHOT_N - 1) < Position(3, SNAPSHOT_N) < Position(3, TERMINAL_N) < Position(4, 0)
    assert (SNAPSHOT_N, TERMINAL_N) == (1_048_574, 1_048_575)


def test_four_events_end_a_generations_stream_and_three_any_other_jobs() -> None:
    generations = {EventType(state) for state in GenerationState if JOB_STATE[state].terminal}
    assert {"COMPLETED", "FAILED", "CANCELLED", "TRUNCATED"} == generations
    assert generations | set(JOB_ENDS.values()) == TERMINAL
    assert len(TERMINAL) == 7


def test_an_event_knows_whether_it_ends_the_stream() -> None:
    ending = {type_ for type_ in EventType if Event(JOB, START, type_).terminal}
    assert ending == TERMINAL


@given(positions)
def test_a_cursor_leads_back_to_its_event(position: Position) -> None:
    assert decode_cursor(Event(JOB, position, EventType.DELTA).cursor, JOB) == position


def test_a_cursor_can_stand_in_an_address_as_it_is() -> None:
    cursors = "".join(encode_cursor(JobId(new_id()), Position(1, n)) for n in range(200))
    assert set(cursors) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_no_cursor_is_the_beginning_before_the_first_event() -> None:
    assert decode_cursor(None, JOB) == START == Position(0, 0)
    assert Position(1, 0) > START


def message_of(cursor: str, job_id: JobId = JOB) -> str:
    with pytest.raises(Rejected) as caught:
        decode_cursor(cursor, job_id)
    assert (caught.value.code, caught.value.field) == (ErrorCode.BAD_USER_INPUT, ("after",))
    return caught.value.message


def test_a_cursor_of_another_stream_is_refused() -> None:
    assert message_of(encode_cursor(OTHER, Position(1, 5))) == "This cursor belongs to another stream."


GOOD = encode_cursor(JOB, Position(1, 5))


GARBAGE = [
    "",
    "1",
    "not a cursor",
    "游标",
    "\x00" * 32,
    "\ud800" * 32,
    GOOD[:-1],
    GOOD[:-4],
    f"{GOOD}AAAA",
    f"{GOOD}\n",
    "A" * 10_000,
    base64.b64encode(b'{"n": 1}').decode(),
    str(new_id()),
]


def test_garbage_is_refused_as_a_cursor() -> None:
    for cursor in GARBAGE:
        assert message_of(cursor) == "This is not a cursor of this API.", cursor


@given(texts | st.binary(max_size=36).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_made_up_cursor_is_refused_and_never_raises_anything_else(cursor: str) -> None:
    assert message_of(cursor) in {"This is not a cursor of this API.", "This cursor belongs to another stream."}


def test_a_forged_number_cannot_pass_into_the_next_attempt() -> None:
    forged = Position(7, 2**32 - 1)
    assert decode_cursor(encode_cursor(JOB, forged), JOB) == Position(7, N_MAX)
