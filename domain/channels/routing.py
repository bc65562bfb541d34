"""Which channels a request may take, in which order, and why.

Every candidate is either a `Choice` or a `Rejection`. Choices are ordered by the policy before its fallbacks, by
priority (higher first), and then: the channel that holds the prompt's prefix in its cache, the one half-open channel
that is to be probed, and the rest as the strategy says. An open breaker is never chosen, not even as a last resort.

Deterministic: the dice (`chance`) and the counter (`turn`) are handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from random import Random
from typing import NamedTuple, assert_never

from domain.channels.decision import (
    Candidate,
    Choice,
    ChoiceReason,
    Decision,
    HealthKey,
    Rejection,
    RejectionReason,
    RouteRequest,
)
from domain.channels.health import DEFAULT_RULES, UNKNOWN, BreakerRules, BreakerState, Health
from domain.channels.policy import Policy, Strategy


class _Option(NamedTuple):
    """A candidate and what is known of it."""

    candidate: Candidate
    health: Health


class _Situation(NamedTuple):
    """What a decision depends on besides the policy and its candidates."""

    request: RouteRequest
    now: float
    chance: float
    turn: int
    rules: BreakerRules


def route(
    policy: Policy,
    candidates: Sequence[Candidate],
    health: Mapping[HealthKey, Health],
    request: RouteRequest,
    now: float,
    chance: float,
    turn: int,
    rules: BreakerRules = DEFAULT_RULES,
) -> Decision:
    """Put the candidates in order. `chance` in [0, 1) is the dice, `turn` counts requests for ROUND_ROBIN."""
    at = _Situation(request, now, chance, turn, rules)
    left = [_Option(one, health.get((one.channel_id, one.upstream_model), UNKNOWN)) for one in candidates]
    left.sort(key=lambda one: (-one.candidate.priority, one.candidate.channel_id.int, one.candidate.upstream_model))
    choices: list[Choice] = []
    rejections: dict[int, Rejection] = {}
    for level, part in enumerate(policy.chain()):
        eligible, remaining = [], []
        models = part.models or frozenset({request.model})
        for option in left:
            rejection = _rejection(option, part, models, at)
            if rejection is None:
                eligible.append(option)
                continue
            remaining.append(option)
            known = rejections.get(id(option))
            if known is None or known.reason < rejection.reason:
                rejections[id(option)] = rejection
        for _, tier in groupby(eligible, key=lambda one: one.candidate.priority):
            choices += _ordered(part, level, [*tier], at)
        left = remaining
    return Decision(policy.strategy, tuple(choices), tuple(rejections[id(one)] for one in left))


def _rejection(option: _Option, policy: Policy, models: frozenset[str], at: _Situation) -> Rejection | None:
    """None for who may be chosen. `models` are those of the policy and the request together."""
    candidate, health = option
    if candidate.model not in models:
        return Rejection(candidate, RejectionReason.MODEL)
    if candidate.channel_id in policy.excluded or candidate.key in at.request.failed:
        return Rejection(candidate, RejectionReason.EXCLUDED)
    reason = _unfit(policy, candidate, at.request) or _full(candidate, at.request)
    if reason is not None:
        return Rejection(candidate, reason)
    until = health.admitted_at
    if until <= at.now:
        return None
    if health.breaker(at.now) is BreakerState.OPEN:
        return Rejection(candidate, RejectionReason.OPEN, until)
    cooling = health.cooling_until > at.now
    return Rejection(candidate, RejectionReason.COOLING if cooling else RejectionReason.PROBE_OUT, until)


def _unfit(policy: Policy, candidate: Candidate, request: RouteRequest) -> RejectionReason | None:
    """Why a candidate will not do for this request, whatever its load."""
    if policy.groups and not policy.groups & candidate.groups:
        return RejectionReason.GROUP
    if policy.regions and candidate.region not in policy.regions:
        return RejectionReason.REGION
    return RejectionReason.CONTEXT_WINDOW if request.needed_tokens > candidate.context_window else None


def _full(candidate: Candidate, request: RouteRequest) -> RejectionReason | None:
    if candidate.concurrency_max is not None and candidate.in_flight >= candidate.concurrency_max:
        return RejectionReason.CONCURRENCY
    if candidate.rpm_max is not None and candidate.requests >= candidate.rpm_max:
        return RejectionReason.RPM
    tokens, tpm_max = candidate.tokens, candidate.tpm_max
    if tpm_max is not None and tokens and tokens + request.needed_tokens > tpm_max:  # alone, the largest one passes
        return RejectionReason.TPM
    return None


def _ordered(policy: Policy, level: int, tier: list[_Option], at: _Situation) -> list[Choice]:
    """One priority in order: the sticky one, one probe, the strategy's order, and other half-open ones behind it."""
    affine = at.request.affine_channel if policy.sticky and at.request.affine_until > at.now else None
    first: list[Choice] = []
    probes: list[Choice] = []
    rest: list[Choice] = []
    for score, (candidate, health) in _by_strategy(policy.strategy, tier, at):
        if health.openings:
            probes.append(Choice(candidate, score, ChoiceReason.PROBE, policy.strategy, level))
        elif affine is not None and candidate.channel_id == affine and candidate.cache_pays:
            first.append(Choice(candidate, score, ChoiceReason.STICKY, policy.strategy, level))
        else:
            rest.append(Choice(candidate, score, ChoiceReason.STRATEGY, policy.strategy, level))
    return [*first, *probes[:1], *rest, *probes[1:]]


_Scored = tuple[float | None, _Option]


def _by_strategy(strategy: Strategy, tier: list[_Option], at: _Situation) -> list[_Scored]:
    match strategy:
        case Strategy.RANDOM:
            return _drawn(tier, [1.0] * len(tier), at.chance)
        case Strategy.WEIGHTED:
            return _drawn(tier, [one.candidate.weight for one in tier], at.chance)
        case Strategy.ROUND_ROBIN:
            start = at.turn % len(tier)
            return [(None, one) for one in (*tier[start:], *tier[:start])]
        case Strategy.CONSISTENT_HASH:
            return _hashed(tier, at.request.affinity_key or repr(at.chance))
        case Strategy.LEAST_ERRORS:
            return _lowest(tier, at, lambda one: one.health.failure_rate(at.now, at.rules))
        case Strategy.LOWEST_LATENCY:
            # What has not been measured is tried: nothing else would ever measure it.
            return _lowest(tier, at, lambda one: one.health.ttft_s, unknown=-math.inf)
        case Strategy.LOWEST_COST:
            return _lowest(tier, at, lambda one: one.candidate.cost_micros, unknown=math.inf)
        case _:
            assert_never(strategy)


def _drawn(tier: list[_Option], weights: list[float], chance: float) -> list[_Scored]:
    """Drawn by weight without replacement, as an exponential race (Efraimidis and Spirakis); scored by their shares."""
    dice = Random(chance)
    total = sum(weights) or 1.0
    times = [-math.log(1.0 - dice.random()) / weight if weight > 0 else math.inf for weight in weights]
    return [(weights[i] / total, tier[i]) for i in sorted(range(len(tier)), key=times.__getitem__)]


def _hashed(tier: list[_Option], key: str) -> list[_Scored]:
    """Rendezvous hashing by weight: a channel that goes takes only its own keys along."""
    scored: list[_Scored] = [(_rendezvous(key.encode(), one.candidate), one) for one in tier]
    return sorted(scored, key=itemgetter(0), reverse=True)


def _rendezvous(key: bytes, candidate: Candidate) -> float:
    """In [0, inf), the larger the better."""
    seed = candidate.channel_id.bytes + candidate.upstream_model.encode() + b"\0" + key
    drawn = int.from_bytes(blake2b(seed, digest_size=6).digest())
    return candidate.weight / -math.log((drawn + 1) / (2**48 + 1))


def _lowest(
    tier: list[_Option], at: _Situation, measure: Callable[[_Option], float | None], *, unknown: float = 0.0
) -> list[_Scored]:
    """What measures least first; among equals by weight, so that the first of them does not get everything."""
    drawn = _drawn(tier, [one.candidate.weight for one in tier], at.chance)
    scored: list[_Scored] = [(measure(one), one) for _, one in drawn]
    return sorted(scored, key=lambda pair: unknown if pair[0] is None else pair[0])
