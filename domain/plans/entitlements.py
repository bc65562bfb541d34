"""What a tenant may do: that of its plan's version, asked here and nowhere else.

A tenant without a subscription has the operator's default: everything, unless plans are required.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import ErrorCode, Rejected
from domain.plans.entities import Feature, PlanLimit, PlanVersion
from domain.plans.store import PlanStore

_WORDS: Mapping[Feature | PlanLimit, str] = {
    Feature.OWN_CHANNELS: "own channels",
    PlanLimit.PROJECTS: "projects",
    PlanLimit.MEMBERS: "members",
    PlanLimit.CONCURRENT_GENERATIONS: "generations at a time",
}
PLANS_NAMED_MAX = 5


class NotEntitled(Rejected):
    """The plan does not include it. `plans` are the titles of those that do, the cheapest first."""

    def __init__(self, wanted: Feature | PlanLimit, message: str, plans: Sequence[str], *path: str) -> None:
        verb = "include" if len(plans) > 1 else "includes"
        what = "it" if isinstance(wanted, Feature) else "more"
        others = f" {' and '.join(plans)} {verb} {what}." if plans else ""
        super().__init__(ErrorCode.NOT_ENTITLED, message + others, *path)
        self.wanted = wanted
        self.plans = tuple(plans)


@dataclass(frozen=True, slots=True)
class Entitlements:
    """`features` of None is every feature; a limit without a number is none."""

    features: frozenset[str] | None = None
    limits: Mapping[str, int] = field(default_factory=dict)

    def includes(self, feature: Feature) -> bool:
        return self.features is None or feature in self.features

    def limit(self, name: PlanLimit) -> int | None:
        return self.limits.get(name)


EVERYTHING = Entitlements()
NOTHING = Entitlements(frozenset(), dict.fromkeys(PlanLimit, 0))


def entitlements_of(version: PlanVersion) -> Entitlements:
    return Entitlements(frozenset(version.features), version.limits)


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """Answers what a tenant may do. `default` is for tenants without a subscription."""

    default: Entitlements = EVERYTHING

    async def entitlements(self, plans: PlanStore) -> Entitlements:
        version = await plans.subscribed()
        return entitlements_of(version) if version is not None else self.default

    async def require(self, plans: PlanStore, feature: Feature) -> None:
        """Raises NotEntitled."""
        if not (await self.entitlements(plans)).includes(feature):
            better = await _plans_that(plans, lambda allowed: allowed.includes(feature))
            raise NotEntitled(feature, f"Your plan does not include {_WORDS[feature]}.", better)

    async def require_room(self, plans: PlanStore, name: PlanLimit, count: Callable[[], Awaitable[int]]) -> None:
        """`count` is asked only where there is a limit: how many there are, with the new one. Raises NotEntitled."""
        most = (await self.entitlements(plans)).limit(name)
        if most is not None and await count() > most:
            raise await _no_room(plans, name, most)

    async def at_most(self, plans: PlanStore, name: PlanLimit, most: int) -> int:
        """The smaller of the plan's limit and the operator's. Raises NotEntitled where the plan allows none."""
        allowed = (await self.entitlements(plans)).limit(name)
        if allowed == 0:
            raise await _no_room(plans, name, 0)
        return most if allowed is None else min(most, allowed)


async def _no_room(plans: PlanStore, name: PlanLimit, most: int) -> NotEntitled:
    def more(allowed: Entitlements) -> bool:
        number = allowed.limit(name)
        return number is None or number > most

    said = f"Your plan includes {most} {_WORDS[name]}." if most else f"Your plan includes no {_WORDS[name]}."
    return NotEntitled(name, said, await _plans_that(plans, more))


async def _plans_that(plans: PlanStore, allow: Callable[[Entitlements], bool]) -> list[str]:
    offered = await plans.offered()
    return [plan.title for plan, version in offered if allow(entitlements_of(version))][:PLANS_NAMED_MAX]
