"""What routing is asked, what it chooses among, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from domain.channels.policy import Strategy
from domain.ids import ChannelId

HealthKey = tuple[ChannelId, str]
"""A channel and the upstream name of a model."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A channel that serves a model. Limits and prices may be unknown (None); a weight of 0 comes last.

    Groups are labels: a policy that names some passes by channels without any of them. `requests` and `tokens` are those
    of the last minute. Prices are micros for a million tokens; `cost_micros` is the estimate for this request.
    """

    channel_id: ChannelId
    channel: str
    model: str
    upstream_model: str
    groups: frozenset[str] = frozenset()
    region: str | None = None
    weight: float = 1.0
    priority: int = 0
    context_window: int = 32_768
    cost_micros: int | None = None
    input_price: int | None = None
    cached_input_price: int | None = None
    in_flight: int = 0
    requests: int = 0
    tokens: int = 0
    concurrency_max: int | None = None
    rpm_max: int | None = None
    tpm_max: int | None = None

    @property
    def key(self) -> HealthKey:
        return self.channel_id, self.upstream_model

    @property
    def limited(self) -> bool:
        """Whether its load decides anything."""
        return any((self.concurrency_max, self.rpm_max, self.tpm_max))

    @property
    def cache_pays(self) -> bool:
        """Whether a prompt that is cached costs less here, as far as is known."""
        if self.input_price is None or self.cached_input_price is None:
            return True
        return self.cached_input_price < self.input_price


@dataclass(frozen=True, slots=True)
class RouteRequest:
    """What is asked for. `needed_tokens` is prompt and answer together.

    `affinity_key` is the hash of the prompt's stable prefix, `affine_channel` served it last and is thought to hold
    it until `affine_until`.
    """

    model: str
    failed: frozenset[HealthKey] = frozenset()
    needed_tokens: int = 0
    affinity_key: str | None = None
    affine_channel: ChannelId | None = None
    affine_until: float = 0.0


class RejectionReason(IntEnum):
    """In the order in which they are looked for: a higher one came closer to being chosen."""

    MODEL = 1
    EXCLUDED = 2
    GROUP = 3
    REGION = 4
    CONTEXT_WINDOW = 5
    CONCURRENCY = 6
    RPM = 7
    TPM = 8
    OPEN = 9
    COOLING = 10
    PROBE_OUT = 11


PASSING = frozenset({RejectionReason.CONCURRENCY, RejectionReason.RPM, RejectionReason.TPM, RejectionReason.PROBE_OUT})
"""Reasons that pass by themselves, at no moment that is known: as other calls go on and end."""


class ChoiceReason(StrEnum):
    STICKY = "STICKY"
    PROBE = "PROBE"
    STRATEGY = "STRATEGY"


class Choice(NamedTuple):
    """`score` is in the strategy's own measure (a share, a rate, seconds, micros), None where nothing is known.

    `level` is 0 for the policy itself and counts its fallbacks. A PROBE must be claimed before it is called.
    """

    candidate: Candidate
    score: float | None
    reason: ChoiceReason
    strategy: Strategy
    level: int

    @property
    def probe(self) -> bool:
        return self.reason is ChoiceReason.PROBE


class Rejection(NamedTuple):
    """`until` says when a rejection for its health ends."""

    candidate: Candidate
    reason: RejectionReason
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    strategy: Strategy
    choices: tuple[Choice, ...]
    rejections: tuple[Rejection, ...]

    @property
    def sticky(self) -> bool:
        return bool(self.choices) and self.choices[0].reason is ChoiceReason.STICKY

    @property
    def reason(self) -> RejectionReason | None:
        """Why there is no choice: what kept back the candidate that came closest. None when there is one."""
        if self.choices:
            return None
        return max((one.reason for one in self.rejections), default=RejectionReason.MODEL)

    @property
    def passing(self) -> bool:
        """Whether some channel is left out for a while only, until other calls have ended."""
        return any(one.reason in PASSING for one in self.rejections)

    @property
    def retry_at(self) -> float | None:
        """When there is no choice: the earliest moment at which a rejected channel is let in again, if it is known."""
        if self.choices:
            return None
        return min((one.until for one in self.rejections if one.until is not None), default=None)

    def explain(self) -> dict[str, Any]:
        """The decision as JSON, for the record of an attempt."""
        return {
            "strategy": self.strategy.value,
            "sticky": self.sticky,
            "reason": None if self.reason is None else self.reason.name,
            "retryAt": self.retry_at,
            "choices": [
                _named(one.candidate)
                | {"priority": one.candidate.priority, "score": one.score, "reason": one.reason.value}
                | {"strategy": one.strategy.value, "level": one.level}
                for one in self.choices
            ],
            "rejections": [
                _named(one.candidate) | {"reason": one.reason.name, "until": one.until} for one in self.rejections
            ],
        }


def _named(candidate: Candidate) -> dict[str, Any]:
    return {
        "channelId": str(candidate.channel_id), "channel": candidate.channel, "model": candidate.model,
        "upstreamModel": candidate.upstream_model,
    }  # fmt: skip
