"""The circuit breaker: its table cell by cell, and as a machine that hypothesis drives."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.channels.health import (
    BLAMELESS,
    FATAL,
    UNKNOWN,
    BreakerRules,
    BreakerState,
    Health,
    HealthState,
    Outcome,
    after,
    claim,
    from_json,
    to_json,
)
from domain.generation.provider import ProviderErrorCode

NOW = 1_800_000_000.0
RULES = BreakerRules()
OK = Outcome(ttft_s=1.0, latency_s=10.0)
CUT = Outcome(ProviderErrorCode.CUT)
FAULTS = sorted(set(ProviderErrorCode) - FATAL - BLAMELESS - {ProviderErrorCode.RATE_LIMITED})


def heard(*outcomes: Outcome, health: Health = UNKNOWN, now: float = NOW) -> Health:
    for outcome in outcomes:
        health = after(health, outcome, now)
    return health


def opened(times: int = 1) -> Health:
    """A breaker that has been opened so many times without a success between, and is half-open at `admitted_at`."""
    health = heard(*[CUT] * RULES.failures_max)
    for _ in range(times - 1):
        at = health.admitted_at
        probing = claim(health, at)
        assert probing is not None
        health = after(probing, replace(CUT, probe=probing.probe), at)
    return health


def probing() -> Health:
    half_open = opened()
    claimed = claim(half_open, half_open.admitted_at)
    assert claimed is not None
    return claimed


@pytest.mark.parametrize("code", FAULTS)
def test_a_breaker_opens_at_its_threshold_of_failures_in_a_row_and_not_before(code: ProviderErrorCode) -> None:
    almost = heard(*[Outcome(code)] * (RULES.failures_max - 1))
    assert (almost.breaker(NOW), almost.state) == (BreakerState.CLOSED, HealthState.DEGRADED)
    over = heard(Outcome(code), health=almost)
    assert (over.breaker(NOW), over.state, over.last_error) == (BreakerState.OPEN, HealthState.OPEN, code.value)
    assert over.opened_until == NOW + RULES.open_s


def test_a_breaker_opens_at_its_failure_rate_once_it_has_seen_enough_calls() -> None:
    almost = heard(*[OK, CUT] * 4, OK)
    assert almost.breaker(NOW) is BreakerState.CLOSED
    assert heard(CUT, health=almost).breaker(NOW) is BreakerState.OPEN
    assert heard(OK, health=almost).breaker(NOW) is BreakerState.CLOSED


def test_failures_that_are_too_old_are_forgotten() -> None:
    old = heard(*[CUT] * (RULES.failures_max - 1))
    assert heard(CUT, health=old, now=NOW + RULES.window_s).breaker(NOW + RULES.window_s) is BreakerState.OPEN
    late = NOW + RULES.window_s + 0.1
    fresh = heard(CUT, health=old, now=late)
    assert (fresh.breaker(late), fresh.window) == (BreakerState.CLOSED, ((late, False),))


def test_the_window_holds_so_many_calls_and_no_more() -> None:
    assert len(heard(*[OK] * (RULES.window_calls + 5)).window) == RULES.window_calls


def test_degraded_ends_when_its_failures_are_a_small_enough_share() -> None:
    states = [heard(CUT, *[OK] * count).state for count in (0, 3, 4, 5)]
    assert states == ["DEGRADED", "DEGRADED", "DEGRADED", "HEALTHY"]


@pytest.mark.parametrize("code", sorted(FATAL))
def test_what_another_try_will_not_mend_opens_at_once_and_for_long(code: ProviderErrorCode) -> None:
    health = heard(Outcome(code))
    assert (health.state, health.opened_until) == (HealthState.OPEN, NOW + RULES.fatal_open_s)


def test_a_refused_key_is_believed_from_a_call_that_began_before_the_breaker_opened() -> None:
    straggler = Outcome(ProviderErrorCode.AUTHENTICATION)
    assert heard(straggler, health=opened()).opened_until == NOW + RULES.fatal_open_s


@pytest.mark.parametrize("code", sorted(BLAMELESS))
def test_what_the_request_is_to_blame_for_says_nothing(code: ProviderErrorCode) -> None:
    assert heard(*[Outcome(code)] * 50) == UNKNOWN


def test_a_call_that_we_stopped_says_nothing_but_when_its_first_token_came() -> None:
    assert heard(Outcome(stopped=True, ttft_s=2.0, latency_s=3.0)) == Health(ttft_s=2.0)


def test_a_rate_limit_cools_for_as_long_as_the_provider_says_and_breaks_nothing() -> None:
    limited = Outcome(ProviderErrorCode.RATE_LIMITED, retry_after_s=30.0)
    health = heard(*[limited] * 20)
    assert (health.breaker(NOW), health.state, health.admitted_at) == (BreakerState.CLOSED, HealthState.OPEN, NOW + 30)
    assert (health.window, health.last_error) == ((), "RATE_LIMITED")
    assert health.state_of(NOW + 30.0) is HealthState.HEALTHY


@pytest.mark.parametrize(("said", "waits"), [(None, RULES.cooling_s), (1e9, RULES.cooling_max_s), (-5.0, 0.0)])
def test_a_channel_cools_for_a_bounded_time(said: float | None, waits: float) -> None:
    assert heard(Outcome(ProviderErrorCode.RATE_LIMITED, retry_after_s=said)).cooling_until == NOW + waits


def test_each_reopening_doubles_the_time_up_to_a_limit() -> None:
    lengths = []
    for times in (1, 2, 3, 6, 7, 40):
        health = opened(times)
        lengths.append(round(health.opened_until - health.changed_at, 3))
    assert lengths == [15.0, 30.0, 60.0, 480.0, 600.0, 600.0]


def test_an_open_breaker_is_half_open_when_its_time_has_come() -> None:
    health = opened()
    assert health.breaker(health.opened_until - 0.001) is BreakerState.OPEN
    assert health.breaker(health.opened_until) is BreakerState.HALF_OPEN
    assert health.state_of(health.opened_until) is HealthState.HALF_OPEN
    assert claim(health, health.opened_until - 0.001) is None


def test_a_second_probe_waits_until_the_first_is_not_heard_of_any_more() -> None:
    health = probing()
    assert (health.probe, health.state) == (1, HealthState.HALF_OPEN)
    assert claim(health, health.probe_until - 0.001) is None
    second = claim(health, health.probe_until)
    assert second is not None
    assert second.probe == 2


def test_a_probe_that_succeeds_closes_the_breaker_and_forgets_its_failures() -> None:
    health = probing()
    at = health.changed_at + 1
    closed = after(health, replace(OK, probe=1), at)
    assert (closed.state, closed.window, closed.openings, closed.admitted_at) == ("HEALTHY", ((at, True),), 0, 0.0)
    assert after(closed, CUT, at).breaker(at) is BreakerState.CLOSED


def test_a_probe_that_says_nothing_makes_room_for_the_next() -> None:
    health = probing()
    at = health.changed_at
    for outcome in (Outcome(stopped=True, probe=1), Outcome(ProviderErrorCode.CONTEXT_TOO_LONG, probe=1)):
        free = after(health, outcome, at)
        assert (free.breaker(at), claim(free, at) is not None) == (BreakerState.HALF_OPEN, True)


def test_a_probe_that_is_rate_limited_neither_closes_nor_reopens() -> None:
    health = probing()
    at = health.changed_at
    cooling = after(health, Outcome(ProviderErrorCode.RATE_LIMITED, retry_after_s=7.0, probe=1), at)
    assert (cooling.openings, cooling.state, claim(cooling, at + 6.9)) == (1, HealthState.OPEN, None)
    assert claim(cooling, at + 7.0) is not None


@pytest.mark.parametrize("straggler", [OK, CUT, replace(OK, probe=7)])
def test_who_is_not_the_probe_neither_closes_nor_reopens(straggler: Outcome) -> None:
    for health in (opened(), probing()):
        known = after(health, straggler, health.changed_at)
        assert replace(known, ttft_s=None, latency_s=None) == health


def test_averages_move_by_a_fifth_and_the_whole_time_counts_only_at_an_end() -> None:
    health = heard(OK, Outcome(ttft_s=2.0, latency_s=20.0), Outcome(ProviderErrorCode.CUT, ttft_s=1.2, latency_s=0.1))
    assert [health.ttft_s, health.latency_s] == pytest.approx([1.2, 12.0])


def test_the_last_change_is_when_the_state_that_is_shown_changed() -> None:
    health = heard(OK, now=NOW)
    degraded = heard(CUT, health=health, now=NOW + 1)
    assert [health.changed_at, degraded.changed_at, heard(CUT, health=degraded, now=NOW + 2).changed_at] == [
        0.0, NOW + 1, NOW + 1]  # fmt: skip


def test_a_document_holds_only_what_is_known_and_passes_over_what_it_does_not_know() -> None:
    assert to_json(UNKNOWN) == {}
    assert to_json(heard(CUT)) == {
        "window": [-1_800_000_000_000], "last_error": "CUT", "state": "DEGRADED", "changed_at": NOW}  # fmt: skip
    assert from_json({"of_another_release": 1}) == UNKNOWN
    with pytest.raises(ValueError, match="BROKEN"):
        from_json({"state": "BROKEN"})


@pytest.mark.parametrize("values", [{"failures_max": 21}, {"failures_max": 0}, {"calls_min": 21}])
def test_rules_under_which_a_breaker_could_never_open_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="window"):
        BreakerRules(**values)


SECONDS = st.none() | st.floats(0, 900)
ENDS = st.builds(
    Outcome, error=st.sampled_from([None, *ProviderErrorCode]), ttft_s=SECONDS, latency_s=SECONDS, retry_after_s=SECONDS
)
OUTCOMES = ENDS | st.builds(Outcome, ttft_s=SECONDS, stopped=st.just(True))


class Breaker(RuleBasedStateMachine):
    """Calls that begin and end in any order, with a clock that only goes forward."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.health = UNKNOWN
        self.probes: dict[int, float] = {}
        """Those that are out, and until when each keeps others out."""

    def record(self, outcome: Outcome) -> None:
        self.health = after(self.health, outcome, self.now)

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 20.0, 100.0, 700.0, 2_000.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(outcome=OUTCOMES)
    def a_call_ends(self, outcome: Outcome) -> None:
        before = self.health
        self.record(outcome)
        if not outcome.failed or before.openings:
            assert self.health.openings == before.openings
        if outcome.error in FATAL:
            assert self.health.breaker(self.now) is BreakerState.OPEN

    @rule(code=st.sampled_from(FAULTS))
    def it_fails_again_and_again(self, code: ProviderErrorCode) -> None:
        was_open = bool(self.health.openings)
        for _ in range(RULES.failures_max):
            self.record(Outcome(code))
        assert self.health.openings
        assert was_open or self.health.breaker(self.now) is BreakerState.OPEN

    @rule(code=st.sampled_from(sorted(BLAMELESS)), count=st.integers(1, 30))
    def writers_make_mistakes(self, code: ProviderErrorCode, count: int) -> None:
        before = self.health
        for _ in range(count):
            self.record(Outcome(code))
        assert replace(self.health, state=before.state, changed_at=before.changed_at) == before

    @rule()
    def somebody_claims_the_probe(self) -> None:
        claimed = claim(self.health, self.now)
        if claimed is None:
            return
        assert self.health.breaker(self.now) is BreakerState.HALF_OPEN
        assert all(until <= self.now for until in self.probes.values())
        assert claimed.probe not in self.probes
        self.health = claimed
        self.probes[claimed.probe] = self.now + RULES.probe_s

    @precondition(lambda self: self.probes)
    @rule(data=st.data(), outcome=OUTCOMES)
    def a_probe_is_heard_of(self, data: st.DataObject, outcome: Outcome) -> None:
        number = data.draw(st.sampled_from(sorted(self.probes)))
        is_last = number == max(self.probes)
        del self.probes[number]
        before = self.health
        self.record(replace(outcome, probe=number))
        if is_last and before.openings:
            closed = not self.health.openings
            assert closed == outcome.ok
            assert not outcome.failed or self.health.breaker(self.now) is BreakerState.OPEN

    @rule()
    def the_provider_recovers(self) -> None:
        """However broken, one probe after the last wait closes it."""
        self.now = max(self.now, self.health.admitted_at)
        if self.health.openings:
            claimed = claim(self.health, self.now)
            assert claimed is not None
            self.health = claimed
            self.probes.clear()
        self.record(replace(OK, probe=self.health.probe))
        assert self.health.breaker(self.now) is BreakerState.CLOSED
        assert self.health.admitted_at <= self.now

    @invariant()
    def it_is_never_open_for_longer_than_the_rules_say(self) -> None:
        longest_s = max(RULES.open_max_s, RULES.fatal_open_s, RULES.cooling_max_s, RULES.probe_s)
        assert self.health.admitted_at <= self.now + longest_s

    @invariant()
    def a_document_says_all_of_it(self) -> None:
        read = from_json(json.loads(json.dumps(to_json(self.health))))
        assert replace(read, window=()) == replace(self.health, window=())
        assert [(round(at, 3), ok) for at, ok in read.window] == [(round(at, 3), ok) for at, ok in self.health.window]


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, derandomize=True, deadline=None, database=None)
