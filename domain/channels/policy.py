"""A routing policy: a strategy over some of the channels, and another policy for when they will not do.

As JSON: `{"strategy": "WEIGHTED", "groups": ["cn"], "regions": [], "models": [], "excluded": [], "sticky": true,
"fallback": {...}}`; everything but the strategy may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.errors import ErrorCode, Rejected
from domain.ids import ChannelId

DEPTH_MAX = 4
"""A policy and three fallbacks."""
NAMES_MAX = 100
NAME_CHARS_MAX = 200


class Strategy(StrEnum):
    """How the channels of one priority are put in order."""

    RANDOM = "RANDOM"
    ROUND_ROBIN = "ROUND_ROBIN"
    WEIGHTED = "WEIGHTED"
    LEAST_ERRORS = "LEAST_ERRORS"
    LOWEST_LATENCY = "LOWEST_LATENCY"
    LOWEST_COST = "LOWEST_COST"
    CONSISTENT_HASH = "CONSISTENT_HASH"


@dataclass(frozen=True, slots=True)
class Policy:
    """Empty filters let everything pass. `models`, when given, are public names that stand in for the one asked for:
    that is how a fallback goes to another model. `sticky` keeps requests of one prompt prefix on one channel.
    """

    strategy: Strategy = Strategy.WEIGHTED
    groups: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    excluded: frozenset[ChannelId] = frozenset()
    sticky: bool = True
    fallback: Policy | None = None

    def lets_pass(self, channel_id: ChannelId, groups: frozenset[str], region: str | None) -> bool:
        """Whether a channel is one of those that this part of the policy may take, whatever its models."""
        if channel_id in self.excluded or (self.groups and not self.groups & groups):
            return False
        return not self.regions or region in self.regions

    def chain(self) -> tuple[Policy, ...]:
        """The policy, its fallback, the fallback of that, and so on."""
        return (self, *self.fallback.chain()) if self.fallback else (self,)


_NAMES = {"strategy", "groups", "regions", "models", "excluded", "sticky", "fallback"}


def parse_policy(data: object, *at: str) -> Policy:
    """A policy from JSON. Raises Rejected with the path of what is wrong, which begins with `at`."""
    return _policy(data, at, depth=1)


def _policy(data: object, at: tuple[str, ...], depth: int) -> Policy:
    if depth > DEPTH_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A policy has at most {DEPTH_MAX - 1} fallbacks.", *at)
    if not isinstance(data, Mapping):
        raise _refused("A policy is an object.", at)
    for name in data:
        if name not in _NAMES:
            raise _refused(f"A policy has no field {str(name)[:NAME_CHARS_MAX]!r}.", at)
    if not isinstance(sticky := data.get("sticky", True), bool):
        raise _refused("This must be true or false.", (*at, "sticky"))
    fallback = data.get("fallback")
    return Policy(
        strategy=_strategy(data.get("strategy"), (*at, "strategy")),
        groups=_names(data, "groups", at),
        regions=_names(data, "regions", at),
        models=_names(data, "models", at),
        excluded=frozenset(_channel(text, (*at, "excluded")) for text in _names(data, "excluded", at)),
        sticky=sticky,
        fallback=None if fallback is None else _policy(fallback, (*at, "fallback"), depth + 1),
    )


def _strategy(value: object, at: tuple[str, ...]) -> Strategy:
    if isinstance(value, str) and value in Strategy.__members__:
        return Strategy(value)
    raise _refused(f"The strategy is one of {', '.join(Strategy)}.", at)


def _names(data: Mapping[Any, Any], field: str, at: tuple[str, ...]) -> frozenset[str]:
    names = data.get(field, [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise _refused("This must be a list of names.", (*at, field))
    if len(names) > NAMES_MAX or any(len(name) > NAME_CHARS_MAX for name in names):
        message = f"At most {NAMES_MAX} names of at most {NAME_CHARS_MAX} characters."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, *at, field)
    return frozenset(names)


def _channel(text: str, at: tuple[str, ...]) -> ChannelId:
    try:
        return ChannelId(UUID(text))
    except ValueError:
        raise _refused(f"{text!r} is not the id of a channel.", at) from None


def _refused(message: str, at: tuple[str, ...]) -> Rejected:
    return Rejected(ErrorCode.BAD_USER_INPUT, message, *at)


def policy_json(policy: Policy) -> dict[str, Any]:
    """What `parse_policy` reads, without what is left at its default."""
    data: dict[str, Any] = {"strategy": policy.strategy.value}
    for field in ("groups", "regions", "models", "excluded"):
        if names := getattr(policy, field):
            data[field] = sorted(str(name) for name in names)
    if not policy.sticky:
        data["sticky"] = False
    if policy.fallback:
        data["fallback"] = policy_json(policy.fallback)
    return data
