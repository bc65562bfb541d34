"""Jobs: one state machine in two languages, and hashes that tell requests apart."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ErrorCode
from domain.generation.entities import JOB_STATE, GenerationState
from domain.ids import TenantId, new_id
from domain.jobs import QUEUES, TERMINAL, TRANSITIONS, JobKind, JobState, body_hash, claim, lasting_key, scoped_key
from tests.domain.memory.jobs import MemoryJobs
from tests.domain.world import refused

FOUNDATION = Path(__file__).parents[2] / "migrations/versions/0001_foundation.sql"


def names_in(quoted: str) -> frozenset[str]:
    return frozenset(re.findall(r"'(\w+)'", quoted))


@pytest.fixture(scope="module")
def trigger() -> str:
    """The body of the database's trigger on jobs."""
    found = re.search(r"create function app\.check_job\(\).*?\$\$(.*?)\$\$", FOUNDATION.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_database_allows_exactly_the_domains_transitions(trigger: str) -> None:
    single = re.findall(r"old\.state = '(\w+)'\s+and new\.state in \(([^)]*)\)", trigger)
    assert len(single) == trigger.count("old.state = '")
    in_sql = {state: names_in(targets) for state, targets in single}
    in_python = {state.value: frozenset(targets) for state, targets in TRANSITIONS.items() if targets}
    assert in_sql == in_python


def test_the_database_freezes_exactly_the_domains_terminal_states(trigger: str) -> None:
    frozen = re.search(r"if old\.state in \(([^)]*)\) then\s+raise exception", trigger)
    assert frozen is not None
    assert names_in(frozen[1]) == TERMINAL


@pytest.mark.parametrize(
    ("constraint", "states"),
    [
        ("jobs_state_check CHECK (state in (", set(JobState)),
        ("jobs_leased_check CHECK ((state in (", {JobState.RUNNING, JobState.CANCELLING}),
        ("jobs_finished_check CHECK ((state in (", set(TERMINAL)),
        ("generations_state_check CHECK (state in (", set(GenerationState)),
    ],
)
def test_the_databases_checks_know_the_domains_names(constraint: str, states: set[str]) -> None:
    line = next(line for line in FOUNDATION.read_text().splitlines() if constraint in line)
    listed = line.split(constraint)[1].split(")")[0]
    assert set(re.findall(r"'([\w.]+)'", listed)) == states


def test_every_state_has_its_transitions_and_the_terminal_ones_have_none() -> None:
    assert set(TRANSITIONS) == set(JobState)
    assert {state for state, targets in TRANSITIONS.items() if not targets} == TERMINAL
    assert {state for state in JobState if state.terminal} == TERMINAL


def test_no_state_leads_to_itself_and_every_state_can_be_reached_and_left() -> None:
    assert all(state not in targets for state, targets in TRANSITIONS.items())
    assert frozenset().union(*TRANSITIONS.values()) == set(JobState)


def test_a_cancel_that_was_asked_for_cannot_be_forgotten() -> None:
    assert TRANSITIONS[JobState.CANCELLING] == TERMINAL


def test_every_kind_of_job_has_its_queue() -> None:
    assert set(QUEUES) == set(JobKind)


def test_every_generation_state_has_its_job_state_and_every_job_state_its_generations() -> None:
    assert set(JOB_STATE) == set(GenerationState)
    assert set(JOB_STATE.values()) == set(JobState)


GENERATION_STEPS = {
    "QUEUED": {"PREPARING", "CANCELLED", "FAILED"},
    "PREPARING": {"STREAMING", "CANCELLING", "QUEUED", "COMPLETED", "CANCELLED", "TRUNCATED", "FAILED"},
    "STREAMING": {"CANCELLING", "QUEUED", "COMPLETED", "CANCELLED", "TRUNCATED", "FAILED"},
    "CANCELLING": {"COMPLETED", "CANCELLED", "TRUNCATED", "FAILED"},
}


@pytest.mark.parametrize(("state", "targets"), GENERATION_STEPS.items())
def test_every_step_of_a_generation_is_a_step_of_its_job_or_none(state: str, targets: set[str]) -> None:
    job = JOB_STATE[GenerationState(state)]
    for target in targets:
        after = JOB_STATE[GenerationState(target)]
        assert after is job or after in TRANSITIONS[job], (state, target)


# Idempotency.

VALUES = st.none() | st.booleans() | st.integers(-9, 9) | st.text("a字1", max_size=2)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3)
BODIES = st.dictionaries(st.sampled_from(["x", "y", "z"]), VALUES | OBJECTS | st.lists(OBJECTS, max_size=1), max_size=3)


def turned(value: object) -> object:
    """The same with every object's keys in the other order."""
    match value:
        case dict():
            return {key: turned(inner) for key, inner in reversed(value.items())}
        case list():
            return [turned(inner) for inner in value]
        case _:
            return value


@given(BODIES)
def test_the_order_of_keys_does_not_matter_to_a_hash_at_any_depth(body: dict[str, Any]) -> None:
    assert body_hash(cast("dict[str, Any]", turned(body))) == body_hash(body)


def test_a_hash_is_the_same_on_every_machine_and_in_every_version() -> None:
    body = {"target_words": None, "instructions": "写一章", "chapter_id": UUID(int=1)}
    canonical = '{"chapter_id": "00000000-0000-0000-0000-000000000001", "instructions": "写一章", "target_words": null}'
    assert body_hash(body) == hashlib.sha256(canonical.encode()).digest()
    assert body_hash({}).hex() == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_every_other_body_has_another_hash() -> None:
    bodies: list[dict[str, Any]] = [
        {"a": 1}, {"a": "1"}, {"a": 2}, {"a": True}, {"a": None}, {"a": [1]}, {"a": [[1]]}, {"A": 1}, {},
    ]  # fmt: skip
    assert len({body_hash(body) for body in bodies}) == len(bodies)


async def test_a_key_is_claimed_once_and_for_one_request() -> None:
    jobs = MemoryJobs(TenantId(new_id()))
    first = scoped_key("user:1", "op", " a key ", {"n": 1})
    assert first.key == "a key"
    assert await claim(jobs, first) is None
    await jobs.complete_key(first, result := new_id())
    assert await claim(jobs, scoped_key("user:1", "op", "a key", {"n": 1})) == result
    with refused(ErrorCode.IDEMPOTENCY_CONFLICT, "idempotencyKey"):
        await claim(jobs, scoped_key("user:1", "op", "a key", {"n": 2}))


def test_a_lasting_key_is_one_principals_for_one_operation() -> None:
    keys = {lasting_key(who, what, " k ") for who in ("user:1", "user:2") for what in ("creditTopUp", "invoicePay")}
    assert len(keys) == 4
    assert lasting_key("user:1", "creditTopUp", "k") in keys


def test_a_key_has_200_characters_at_most() -> None:
    assert len(scoped_key("user:1", "op", "k" * 200, {}).key) == 200
    for bad, code in (("k" * 201, ErrorCode.TOO_LONG), (" ", ErrorCode.EMPTY)):
        with refused(code, "idempotencyKey"):
            scoped_key("user:1", "op", bad, {})
        with refused(code, "idempotencyKey"):
            lasting_key("user:1", "op", bad)
