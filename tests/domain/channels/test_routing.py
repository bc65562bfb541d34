"""Routing: filters, order within a priority, and what is said about both."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.channels.decision import (
    Candidate,
    ChoiceReason,
    Decision,
    HealthKey,
    RejectionReason,
    RouteRequest,
)
from domain.channels.health import UNKNOWN, Health
from domain.channels.policy import Policy, Strategy
from domain.channels.routing import route
from domain.ids import ChannelId

NOW = 1_800_000_000.0
OPEN = Health(openings=1, opened_until=NOW + 10)
HALF_OPEN = Health(openings=1, opened_until=NOW - 1)
PROBED = replace(HALF_OPEN, probe=1, probe_until=NOW + 60)
COOLING = Health(cooling_until=NOW + 5)
STRATEGIES = list(Strategy)


def channel(number: int, **values: Any) -> Candidate:
    given_ = {"channel": f"c{number}", "model": "writer", "upstream_model": "upstream", **values}
    return Candidate(ChannelId(UUID(int=number)), **given_)


A, B, C = channel(1), channel(2), channel(3)
REQUEST = RouteRequest("writer", affinity_key="prefix")


def routed(
    *candidates: Candidate,
    policy: Policy | Strategy = Strategy.ROUND_ROBIN,
    health: Mapping[Candidate, Health] | None = None,
    request: RouteRequest = REQUEST,
    chance: float = 0.5,
    turn: int = 0,
) -> Decision:
    known: dict[HealthKey, Health] = {one.key: value for one, value in (health or {}).items()}
    whole = policy if isinstance(policy, Policy) else Policy(policy)
    return route(whole, candidates, known, request, NOW, chance, turn)


def order(decision: Decision) -> list[str]:
    return [one.candidate.channel for one in decision.choices]


def reasons(decision: Decision) -> dict[str, str]:
    return {one.candidate.channel: one.reason.name for one in decision.rejections}


# Who may be chosen.


@pytest.mark.parametrize(
    ("values", "request_", "reason"),
    [
        ({"model": "reader"}, REQUEST, "MODEL"),
        ({}, replace(REQUEST, failed=frozenset({A.key})), "EXCLUDED"),
        ({"context_window": 100}, replace(REQUEST, needed_tokens=101), "CONTEXT_WINDOW"),
        ({"in_flight": 3, "concurrency_max": 3}, REQUEST, "CONCURRENCY"),
        ({"requests": 60, "rpm_max": 60}, REQUEST, "RPM"),
        ({"tokens": 901, "tpm_max": 1_000}, replace(REQUEST, needed_tokens=100), "TPM"),
    ],
)
def test_who_does_not_fit_is_left_out_with_the_reason(
    values: dict[str, Any], request_: RouteRequest, reason: str
) -> None:
    decision = routed(channel(1, **values), request=request_)
    assert (order(decision), reasons(decision), decision.reason) == ([], {"c1": reason}, RejectionReason[reason])


@pytest.mark.parametrize(
    ("values", "request_"),
    [
        ({"context_window": 100}, replace(REQUEST, needed_tokens=100)),
        ({"in_flight": 2, "concurrency_max": 3}, REQUEST),
        ({"requests": 59, "rpm_max": 60}, REQUEST),
        ({"tokens": 900, "tpm_max": 1_000}, replace(REQUEST, needed_tokens=100)),
    ],
)
def test_who_just_fits_is_chosen(values: dict[str, Any], request_: RouteRequest) -> None:
    assert order(routed(channel(1, **values), request=request_)) == ["c1"]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (Policy(groups=frozenset({"vip"})), "GROUP"),
        (Policy(regions=frozenset({"eu"})), "REGION"),
        (Policy(models=frozenset({"reader"})), "MODEL"),
        (Policy(excluded=frozenset({A.channel_id})), "EXCLUDED"),
    ],
)
def test_a_policy_takes_its_own_part_of_the_channels(policy: Policy, reason: str) -> None:
    assert reasons(routed(A, policy=policy)) == {"c1": reason}


def test_a_policy_chooses_channels_by_their_groups() -> None:
    vip, both = channel(1, groups=frozenset({"vip"})), channel(2, groups=frozenset({"vip", "free"}))
    assert order(routed(vip, both, C)) == ["c1", "c2", "c3"]
    assert order(routed(vip, both, C, policy=Policy(Strategy.ROUND_ROBIN, groups=frozenset({"free"})))) == ["c2"]


@pytest.mark.parametrize(
    ("health", "reason", "until"),
    [(OPEN, "OPEN", NOW + 10), (COOLING, "COOLING", NOW + 5), (PROBED, "PROBE_OUT", NOW + 60)],
)
def test_who_is_not_well_is_left_out_even_as_the_last_resort(health: Health, reason: str, until: float) -> None:
    decision = routed(A, health={A: health})
    assert (order(decision), decision.rejections[0]) == ([], (A, RejectionReason[reason], until))


def test_an_empty_decision_says_what_came_closest_and_when_the_first_opens_again() -> None:
    decision = routed(A, B, channel(3, model="reader"), health={A: OPEN, B: COOLING})
    assert (decision.reason, decision.retry_at) == (RejectionReason.COOLING, NOW + 5)
    assert routed(B, C, health={C: OPEN}).retry_at is None
    assert (routed().reason, routed().retry_at) == (RejectionReason.MODEL, None)


# In which order.


def test_higher_priorities_come_first_whatever_the_strategy() -> None:
    for strategy in STRATEGIES:
        decision = routed(A, channel(2, priority=2, weight=0.0, cost_micros=9), channel(3, priority=1), policy=strategy)
        assert order(decision) == ["c2", "c3", "c1"]


def test_round_robin_takes_turns() -> None:
    assert [order(routed(C, A, B, turn=turn))[0] for turn in range(5)] == ["c1", "c2", "c3", "c1", "c2"]


def test_least_errors_lowest_latency_and_lowest_cost_put_the_least_first() -> None:
    bad = Health(window=((NOW, False), (NOW, True)), ttft_s=0.2)
    good = Health(window=((NOW - 301, False), (NOW, True)), ttft_s=3.0)
    cheap, dear = channel(1, cost_micros=5), channel(2, cost_micros=50)
    known = {cheap: bad, dear: good}
    first = {
        strategy: (decision.choices[0].candidate.channel, decision.choices[0].score)
        for strategy in (Strategy.LEAST_ERRORS, Strategy.LOWEST_LATENCY, Strategy.LOWEST_COST)
        if (decision := routed(dear, cheap, policy=strategy, health=known))
    }
    assert first == {"LEAST_ERRORS": ("c2", 0.0), "LOWEST_LATENCY": ("c1", 0.2), "LOWEST_COST": ("c1", 5)}


def test_an_unknown_latency_is_tried_and_an_unknown_cost_is_not() -> None:
    known = {A: Health(ttft_s=0.1)}
    assert order(routed(A, B, policy=Strategy.LOWEST_LATENCY, health=known)) == ["c2", "c1"]
    assert order(routed(A, channel(2, cost_micros=10**9), policy=Strategy.LOWEST_COST)) == ["c2", "c1"]


@pytest.mark.parametrize("strategy", [Strategy.LEAST_ERRORS, Strategy.LOWEST_LATENCY, Strategy.LOWEST_COST])
def test_equals_share_by_weight_instead_of_all_going_to_the_first(strategy: Strategy) -> None:
    heavy, dice = channel(1, weight=3.0), Random(7)
    counts = Counter(order(routed(heavy, B, policy=strategy, chance=dice.random()))[0] for _ in range(2_000))
    assert counts["c1"] == pytest.approx(1_500, abs=80)


def test_weights_converge_and_the_others_follow_by_weight_too() -> None:
    tier, dice = [channel(1, weight=6.0), channel(2, weight=3.0), channel(3, weight=1.0)], Random(1)
    runs = [order(routed(*tier, policy=Strategy.WEIGHTED, chance=dice.random())) for _ in range(10_000)]
    first, second = (Counter(run[place] for run in runs if place == 0 or run[0] == "c1") for place in (0, 1))
    assert [first[name] / 10_000 for name in ("c1", "c2", "c3")] == pytest.approx([0.6, 0.3, 0.1], abs=0.015)
    assert second["c2"] / second.total() == pytest.approx(0.75, abs=0.02)


def test_random_takes_no_notice_of_weights() -> None:
    tier, dice = [channel(1, weight=100.0), channel(2), channel(3, weight=0.0)], Random(1)
    first = Counter(order(routed(*tier, policy=Strategy.RANDOM, chance=dice.random()))[0] for _ in range(6_000))
    assert [first[name] for name in ("c1", "c2", "c3")] == pytest.approx([2_000] * 3, abs=120)


def test_the_same_dice_fall_the_same_way_and_a_weight_of_0_comes_last() -> None:
    tier = [channel(i, weight=float(i)) for i in range(10)]
    runs = [order(routed(*one, policy=Strategy.WEIGHTED, chance=0.3)) for one in (tier, tier[::-1])]
    assert runs[0] == runs[1]
    assert runs[0][-1] == "c0"


def test_consistent_hashing_shares_by_weight() -> None:
    tier = [channel(1, weight=3.0), channel(2)]
    first = Counter(hashed(tier, f"k{i}")[0] for i in range(4_000))
    assert first["c1"] / 4_000 == pytest.approx(0.75, abs=0.02)


def hashed(tier: list[Candidate], key: str, health: Mapping[Candidate, Health] | None = None) -> list[str]:
    request = replace(REQUEST, affinity_key=key)
    return order(routed(*tier, policy=Strategy.CONSISTENT_HASH, request=request, health=health))


@pytest.mark.parametrize("gone", range(5))
def test_a_channel_that_goes_takes_only_its_own_share_along(gone: int) -> None:
    tier = [channel(i, weight=1.0 + i) for i in range(5)]
    left = tier[:gone] + tier[gone + 1 :]
    for i in range(300):
        before = hashed(tier, f"k{i}")
        expected = [name for name in before if name != f"c{gone}"]
        assert hashed(left, f"k{i}") == hashed(tier, f"k{i}", {tier[gone]: OPEN}) == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_names_all_of_a_large_tier_once(strategy: Strategy) -> None:
    tier = [channel(i, weight=float(i % 3)) for i in range(30)]
    assert sorted(order(routed(*tier, policy=strategy))) == sorted(one.channel for one in tier)


# Sticky routing and probes.

STICKY = replace(REQUEST, affine_channel=C.channel_id, affine_until=NOW + 1)


def test_the_channel_with_the_prefix_in_its_cache_goes_before_weights_but_not_before_priority() -> None:
    decision = routed(channel(1, weight=1e9), channel(2, priority=1), C, policy=Strategy.WEIGHTED, request=STICKY)
    assert (order(decision), decision.sticky) == (["c2", "c3", "c1"], False)
    decision = routed(channel(1, weight=1e9), C, policy=Strategy.WEIGHTED, request=STICKY)
    assert (order(decision), decision.sticky) == (["c3", "c1"], True)


@pytest.mark.parametrize("health", [OPEN, COOLING, PROBED])
def test_sticky_does_not_go_before_health(health: Health) -> None:
    assert order(routed(A, C, request=STICKY, health={C: health})) == ["c1"]


@pytest.mark.parametrize(
    ("prices", "sticky"),
    [((None, None), True), ((10, None), True), ((None, 1), True), ((10, 9), True), ((10, 10), False)],
)
def test_a_cache_is_kept_to_only_when_it_pays(prices: tuple[int | None, int | None], sticky: bool) -> None:
    c = channel(3, input_price=prices[0], cached_input_price=prices[1])
    assert routed(A, c, request=STICKY).sticky is sticky


def test_an_affinity_ends_and_a_policy_may_do_without_it() -> None:
    assert not routed(A, C, request=replace(STICKY, affine_until=NOW)).sticky
    assert not routed(A, C, policy=Policy(Strategy.ROUND_ROBIN, sticky=False), request=STICKY).sticky


def test_a_half_open_channel_gets_one_probe_first_and_others_wait_behind() -> None:
    decision = routed(A, B, C, policy=Strategy.ROUND_ROBIN, health={B: HALF_OPEN, C: HALF_OPEN})
    assert [(one.candidate.channel, one.reason) for one in decision.choices] == [
        ("c2", ChoiceReason.PROBE), ("c1", ChoiceReason.STRATEGY), ("c3", ChoiceReason.PROBE)]  # fmt: skip
    assert order(routed(A, B, C, request=STICKY, health={B: HALF_OPEN})) == ["c3", "c2", "c1"]


# Fallbacks.


def test_a_fallback_follows_the_policy_and_may_go_to_another_model() -> None:
    small = channel(3, model="small")
    policy = Policy(
        Strategy.ROUND_ROBIN, regions=frozenset({"cn"}),
        fallback=Policy(Strategy.LOWEST_COST, fallback=Policy(models=frozenset({"small"}))),
    )  # fmt: skip
    decision = routed(A, channel(2, region="cn"), small, channel(4, model="other"), policy=policy)
    assert [(one.candidate.channel, one.level, one.strategy.value) for one in decision.choices] == [
        ("c2", 0, "ROUND_ROBIN"), ("c1", 1, "LOWEST_COST"), ("c3", 2, "WEIGHTED")]  # fmt: skip
    assert reasons(decision) == {"c4": "MODEL"}


def test_a_rejection_names_what_came_closest_of_all_policies() -> None:
    policy = Policy(regions=frozenset({"cn"}), fallback=Policy(fallback=Policy(models=frozenset({"other"}))))
    assert reasons(routed(A, policy=policy, health={A: OPEN})) == {"c1": "OPEN"}


def test_one_channel_may_serve_two_public_models_with_one_upstream() -> None:
    twin = channel(1, model="small")
    policy = Policy(Strategy.ROUND_ROBIN, fallback=Policy(models=frozenset({"small"})))
    assert [one.candidate.model for one in routed(A, twin, policy=policy).choices] == ["writer", "small"]


def test_a_decision_explains_itself_in_json() -> None:
    decision = routed(A, B, policy=Strategy.WEIGHTED, health={B: OPEN})
    named = {"channel": "c1", "model": "writer", "upstreamModel": "upstream", "channelId": str(A.channel_id)}
    other = named | {"channel": "c2", "channelId": str(B.channel_id)}
    assert json.loads(json.dumps(decision.explain())) == {
        "strategy": "WEIGHTED", "sticky": False, "reason": None, "retryAt": None,
        "choices": [
            named | {"priority": 0, "score": 1.0, "reason": "STRATEGY", "strategy": "WEIGHTED", "level": 0}
        ],
        "rejections": [other | {"reason": "OPEN", "until": NOW + 10}],
    }  # fmt: skip


# For any channels whatever.

MAYBE = st.none() | st.integers(0, 5)
CANDIDATES = st.lists(
    st.builds(
        channel,
        st.integers(0, 20),
        model=st.sampled_from(["writer", "reader"]),
        region=st.sampled_from([None, "cn", "eu"]),
        groups=st.frozensets(st.sampled_from(["vip", "free"])),
        weight=st.sampled_from([0.0, 0.5, 1.0, 10.0]),
        priority=st.integers(-1, 1),
        context_window=st.sampled_from([10, 100]),
        cost_micros=MAYBE, in_flight=st.integers(0, 3), concurrency_max=MAYBE,
        requests=st.integers(0, 3), rpm_max=MAYBE, tokens=st.integers(0, 50), tpm_max=st.sampled_from([None, 60]),
    ),
    max_size=12,
    unique_by=lambda one: one.channel_id,
)  # fmt: skip
HEALTH = st.sampled_from([UNKNOWN, OPEN, HALF_OPEN, PROBED, COOLING, Health(ttft_s=1.0, window=((NOW, False),))])
REQUESTS = st.builds(
    RouteRequest,
    model=st.just("writer"),
    needed_tokens=st.sampled_from([0, 10, 11, 50]),
    affinity_key=st.none() | st.text(max_size=4),
    affine_channel=st.integers(0, 20).map(lambda number: ChannelId(UUID(int=number))),
    affine_until=st.sampled_from([NOW, NOW + 1]),
)


@settings(max_examples=150)
@given(st.data(), CANDIDATES, REQUESTS, st.sampled_from(STRATEGIES), st.sampled_from(STRATEGIES), st.floats(0, 0.999))
def test_every_candidate_is_chosen_or_rejected_exactly_once_and_limits_are_respected(
    data: st.DataObject,
    candidates: list[Candidate],
    request_: RouteRequest,
    one: Strategy,
    two: Strategy,
    chance: float,
) -> None:
    health = {candidate.key: data.draw(HEALTH) for candidate in candidates}
    policy = Policy(one, regions=frozenset({"cn"}), fallback=Policy(two))
    decision = route(policy, candidates, health, request_, NOW, chance, data.draw(st.integers(0, 100)))
    named = [each.candidate.channel for each in decision.choices]
    named += [each.candidate.channel for each in decision.rejections]
    assert sorted(named) == sorted(each.channel for each in candidates)
    for choice in decision.choices:
        candidate = choice.candidate
        assert candidate.model == "writer"
        assert health[candidate.key].admitted_at <= NOW
        assert choice.level or candidate.region == "cn"
        assert request_.needed_tokens <= candidate.context_window
        assert candidate.concurrency_max is None or candidate.in_flight < candidate.concurrency_max
        assert candidate.rpm_max is None or candidate.requests < candidate.rpm_max
        assert candidate.tpm_max is None or candidate.tokens + request_.needed_tokens <= candidate.tpm_max
    places = [(each.level, -each.candidate.priority) for each in decision.choices]
    assert places == sorted(places)
    assert bool(decision.choices) == (decision.reason is None)


def decision_ms(strategy: Strategy, count: int) -> float:
    """The median time of a decision over so many candidates in three priorities."""
    candidates = [channel(i, weight=1.0 + i, priority=i % 3, rpm_max=60, cost_micros=i) for i in range(count)]
    window = tuple((NOW - i, i % 3 > 0) for i in range(20))
    health = {one.key: Health(window=window, ttft_s=0.1) for one in candidates}
    policy, times = Policy(strategy), []
    for turn in range(200):
        began = time.perf_counter()
        route(policy, candidates, health, REQUEST, NOW, turn / 200, turn)
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)[100]


def test_a_decision_over_50_candidates_takes_well_under_a_millisecond() -> None:
    """A figure: 0.1 to 0.4 ms on one slow core. The limit leaves room for machines that do something else as well."""
    figures = {strategy.value: round(decision_ms(strategy, 50), 3) for strategy in STRATEGIES}
    print(figures)
    assert max(figures.values()) < 1.0
