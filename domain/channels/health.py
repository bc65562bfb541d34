"""A circuit breaker per channel and model, fed by real calls alone.

CLOSED      calls go through; failures in a row, or a share of failures in the window, open it
OPEN        nothing goes through until `opened_until`, which grows with every reopening
HALF_OPEN   one real call at a time, the probe: its success closes the breaker, its failure opens it again

A rate limit is no fault: the channel cools for as long as the provider says and is then what it was before. An error
that the request itself is to blame for says nothing. A call that began before the breaker opened and ends after it
says nothing either, except that a refused key, a missing model or an empty account is believed from anybody.

Nothing here waits or writes: OPEN becomes HALF_OPEN by the clock. Times are seconds since 1970, of one clock for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from domain.generation.provider import ProviderErrorCode

FATAL = frozenset(
    {ProviderErrorCode.AUTHENTICATION, ProviderErrorCode.MODEL_NOT_FOUND, ProviderErrorCode.QUOTA_EXHAUSTED}
)
"""What another try will not mend: somebody has to change a key, a name or an account."""
BLAMELESS = frozenset(
    {ProviderErrorCode.BAD_REQUEST, ProviderErrorCode.CONTENT_BLOCKED, ProviderErrorCode.CONTEXT_TOO_LONG}
)
"""What only the request is to blame for."""


class BreakerState(StrEnum):
    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Turn(StrEnum):
    """What a call has made of a breaker. A probe that fails opens it once more."""

    OPENED = "OPENED"
    CLOSED = "CLOSED"


class HealthState(StrEnum):
    """What people are shown. A closed breaker is HEALTHY or DEGRADED; a channel that cools is OPEN as well."""

    HEALTHY = "HEALTHY"
    DEGRADED = "DEGRADED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and for how long. Rates are shares of the window, in [0, 1]."""

    failures_max: int = 5
    failure_rate_max: float = 0.5
    calls_min: int = 10
    """Below so many calls in the window a rate means nothing."""
    window_calls: int = 20
    window_s: float = 300.0
    degraded_rate: float = 0.2
    open_s: float = 15.0
    open_max_s: float = 600.0
    fatal_open_s: float = 900.0
    cooling_s: float = 2.0
    """After a rate limit without a word about how long."""
    cooling_max_s: float = 600.0
    probe_s: float = 90.0
    """A probe that has not been heard of for so long no longer keeps others out."""
    smoothing: float = 0.2
    """The weight of the newest value in the moving averages."""

    def __post_init__(self) -> None:
        if not 1 <= self.failures_max <= self.window_calls or not 1 <= self.calls_min <= self.window_calls:
            raise ValueError("the window must hold as many calls as a breaker needs to open")


DEFAULT_RULES = BreakerRules()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one call ended, or that its first token came. Without an error it is a success.

    `stopped`, without an error, says that we ended the call ourselves: it speaks for nothing but its time to first
    token. `probe` is the number of the claim under which the call was made, 0 for an ordinary one.
    """

    error: ProviderErrorCode | None = None
    ttft_s: float | None = None
    latency_s: float | None = None
    retry_after_s: float | None = None
    stopped: bool = False
    probe: int = 0

    @property
    def ok(self) -> bool:
        return self.error is None and not self.stopped

    @property
    def failed(self) -> bool:
        """Whether the channel is to blame, and not the request, its author or the traffic."""
        return self.error is not None and self.error not in BLAMELESS and self.error != ProviderErrorCode.RATE_LIMITED


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of one channel and model. Nothing known is healthy.

    `window` holds (when, whether it succeeded) of the last calls. `openings` counts since the breaker was last closed:
    0 is closed. `probe` numbers the claims, `probe_until` is 0 when none is out. `state` is what was last shown, since
    `changed_at`; `state_of` knows what the clock has made of it.
    """

    window: tuple[tuple[float, bool], ...] = ()
    openings: int = 0
    opened_until: float = 0.0
    cooling_until: float = 0.0
    probe: int = 0
    probe_until: float = 0.0
    ttft_s: float | None = None
    latency_s: float | None = None
    last_error: str | None = None
    state: HealthState = HealthState.HEALTHY
    changed_at: float = 0.0

    def breaker(self, now: float) -> BreakerState:
        if not self.openings:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.opened_until else BreakerState.HALF_OPEN

    @property
    def admitted_at(self) -> float:
        """From when on the next call may be made."""
        if not self.openings:
            return self.cooling_until
        return max(self.opened_until, self.cooling_until, self.probe_until)

    def calls(self, now: float, rules: BreakerRules = DEFAULT_RULES) -> tuple[tuple[float, bool], ...]:
        """The part of the window that is not too old."""
        oldest = now - rules.window_s
        if not self.window or self.window[0][0] >= oldest:
            return self.window
        return tuple(call for call in self.window if call[0] >= oldest)

    def failure_rate(self, now: float, rules: BreakerRules = DEFAULT_RULES) -> float:
        calls = self.calls(now, rules)
        return [call[1] for call in calls].count(False) / len(calls) if calls else 0.0

    def consecutive_failures(self, now: float, rules: BreakerRules = DEFAULT_RULES) -> int:
        count = 0
        for _, ok in reversed(self.calls(now, rules)):
            if ok:
                break
            count += 1
        return count

    def state_of(self, now: float, rules: BreakerRules = DEFAULT_RULES) -> HealthState:
        breaker = self.breaker(now)
        if breaker is BreakerState.OPEN or now < self.cooling_until:
            return HealthState.OPEN
        if breaker is BreakerState.HALF_OPEN:
            return HealthState.HALF_OPEN
        degraded = self.failure_rate(now, rules) >= rules.degraded_rate
        return HealthState.DEGRADED if degraded else HealthState.HEALTHY


UNKNOWN = Health()


def after(health: Health, outcome: Outcome, now: float, rules: BreakerRules = DEFAULT_RULES) -> Health:
    """What is known once a call has ended."""
    known = _measured(health, outcome, rules)
    if outcome.error is not None and outcome.error not in BLAMELESS:
        known = replace(known, last_error=outcome.error.value)
    if outcome.error == ProviderErrorCode.RATE_LIMITED:
        known = _cooled(known, outcome.retry_after_s, now, rules)
    is_probe = outcome.probe == health.probe and health.probe_until > 0
    if not health.openings:
        known = _counted(known, outcome, now, rules)
    elif is_probe:
        known = _probed(known, outcome, now, rules)
    elif outcome.error in FATAL:
        known = replace(known, opened_until=max(known.opened_until, now + rules.fatal_open_s))
    return _shown(known, now, rules)


def turned(before: Health, now: Health) -> Turn | None:
    """What became of the breaker from one to the other."""
    if now.openings > before.openings:
        return Turn.OPENED
    return Turn.CLOSED if before.openings and not now.openings else None


def claim(health: Health, now: float, rules: BreakerRules = DEFAULT_RULES) -> Health | None:
    """Take the one probe of a half-open breaker; its number is `probe` of what is returned. None: not to be had."""
    if health.breaker(now) is not BreakerState.HALF_OPEN or now < health.admitted_at:
        return None
    return _shown(replace(health, probe=health.probe + 1, probe_until=now + rules.probe_s), now, rules)


def _measured(health: Health, outcome: Outcome, rules: BreakerRules) -> Health:
    """Time to first token counts whenever one came; the whole time only of calls that came to their end."""
    ttft_s = _average(health.ttft_s, outcome.ttft_s, rules.smoothing)
    latency_s = _average(health.latency_s, outcome.latency_s if outcome.ok else None, rules.smoothing)
    return replace(health, ttft_s=ttft_s, latency_s=latency_s)


def _average(kept: float | None, new: float | None, smoothing: float) -> float | None:
    if kept is None or new is None:
        return kept if new is None else new
    return kept + smoothing * (new - kept)


def _cooled(health: Health, retry_after_s: float | None, now: float, rules: BreakerRules) -> Health:
    wait_s = rules.cooling_s if retry_after_s is None else min(max(retry_after_s, 0.0), rules.cooling_max_s)
    return replace(health, cooling_until=max(health.cooling_until, now + wait_s))


def _counted(health: Health, outcome: Outcome, now: float, rules: BreakerRules) -> Health:
    """An outcome while the breaker is closed."""
    if not (outcome.ok or outcome.failed):
        return health
    window = (*health.calls(now, rules), (now, outcome.ok))[-rules.window_calls :]
    known = replace(health, window=window)
    if outcome.error in FATAL or (outcome.failed and _is_broken(known, now, rules)):
        return _opened(known, outcome, now, rules)
    return known


def _is_broken(health: Health, now: float, rules: BreakerRules) -> bool:
    if health.consecutive_failures(now, rules) >= rules.failures_max:
        return True
    return len(health.window) >= rules.calls_min and health.failure_rate(now, rules) >= rules.failure_rate_max


def _probed(health: Health, outcome: Outcome, now: float, rules: BreakerRules) -> Health:
    """The probe has been heard of. One that says nothing about the channel makes room for the next."""
    if outcome.ok:
        return replace(health, window=((now, True),), openings=0, opened_until=0.0, cooling_until=0.0, probe_until=0.0)
    if outcome.failed:
        return _opened(health, outcome, now, rules)
    return replace(health, probe_until=0.0)


def _opened(health: Health, outcome: Outcome, now: float, rules: BreakerRules) -> Health:
    base_s = rules.fatal_open_s if outcome.error in FATAL else rules.open_s
    open_s = min(base_s * 2.0 ** min(health.openings, 32), max(rules.open_max_s, base_s))
    return replace(health, openings=health.openings + 1, opened_until=now + open_s, probe_until=0.0)


def _shown(health: Health, now: float, rules: BreakerRules) -> Health:
    state = health.state_of(now, rules)
    return health if state is health.state else replace(health, state=state, changed_at=now)


_PLAIN = (
    "openings", "opened_until", "cooling_until", "probe", "probe_until", "ttft_s", "latency_s", "last_error", "state",
    "changed_at",
)  # fmt: skip


def to_json(health: Health) -> dict[str, Any]:
    """Only what differs from nothing known. The window is in milliseconds, negative for a failure."""
    data = {name: value for name in _PLAIN if (value := getattr(health, name)) != getattr(UNKNOWN, name)}
    if health.window:
        data["window"] = [round(at * 1000) * (1 if ok else -1) for at, ok in health.window]
    return data


def from_json(data: Mapping[str, Any]) -> Health:
    """Names that are not known here, of another release perhaps, are passed over. Raises ValueError or TypeError."""
    values = {name: data[name] for name in _PLAIN if name in data}
    values["state"] = HealthState(values.get("state", HealthState.HEALTHY))
    return Health(window=tuple((abs(at) / 1000, at > 0) for at in data.get("window", ())), **values)
