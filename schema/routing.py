"""Types of routing: the policy that channels are chosen by, and how one attempt was decided."""

from datetime import UTC, datetime
from typing import Any, Optional

import strawberry

from domain.channels.policy import Policy, Strategy
from schema.base import Payload, described_enum
from schema.cost import Cost
from schema.ids import encode_id

described_enum(
    Strategy,
    RANDOM="Any of them.",
    ROUND_ROBIN="One after the other.",
    WEIGHTED="By their weights.",
    LEAST_ERRORS="The one that fails least.",
    LOWEST_LATENCY="The one whose first token comes soonest.",
    LOWEST_COST="The cheapest for the request.",
    CONSISTENT_HASH="The same one for the same beginning of a prompt.",
)


@strawberry.type(description="A channel that could have been taken.", directives=[Cost(weight=0)])
class RoutingChoice:
    channel: str = strawberry.field(description="Its name.")
    model: str = strawberry.field(description="The model through it.")
    priority: int = strawberry.field(description="Higher ones come first.")
    score: float | None = strawberry.field(
        description="In the strategy's own measure: a share, a rate, seconds, or millionths of the currency."
    )
    reason: str = strawberry.field(description="STICKY (it holds the prompt in its cache), PROBE, or STRATEGY.")


@strawberry.type(description="A channel that was left out.", directives=[Cost(weight=0)])
class RoutingRejection:
    channel: str = strawberry.field(description="Its name.")
    model: str = strawberry.field(description="The model through it.")
    reason: str = strawberry.field(description="Why, such as MODEL, OPEN, COOLING or CONCURRENCY.")
    until: datetime | None = strawberry.field(description="When the reason ends; null where no time is known.")


@strawberry.type(description="A call that was made.", directives=[Cost(weight=0)])
class RoutingCall:
    channel: str = strawberry.field(description="The channel.")
    model: str = strawberry.field(description="The model.")
    outcome: str | None = strawberry.field(description="OK, STOPPED, or the error's code; null while it runs.")


@strawberry.type(description="How an attempt came to its channel: the last decision, and the calls that were made.")
class RoutingDecision:
    strategy: Strategy = strawberry.field(description="What put the channels in order.")
    sticky: bool = strawberry.field(description="Whether the prompt's cache decided.")
    choices: list[RoutingChoice] = strawberry.field(description="The channels that could be taken, the first first.")
    rejections: list[RoutingRejection] = strawberry.field(description="Those that were left out, and why.")
    calls: list[RoutingCall] = strawberry.field(description="The calls in order.")


def routing_decision(said: dict[str, Any] | None) -> RoutingDecision | None:
    if said is None or "strategy" not in said:
        return None
    return RoutingDecision(
        strategy=Strategy(said["strategy"]),
        sticky=said["sticky"],
        choices=[
            RoutingChoice(channel=one["channel"], model=one["model"], priority=one["priority"], score=one["score"],
                          reason=one["reason"])
            for one in said["choices"]
        ],
        rejections=[
            RoutingRejection(channel=one["channel"], model=one["model"], reason=one["reason"], until=_moment(one["until"]))
            for one in said["rejections"]
        ],
        calls=[
            RoutingCall(channel=one["channel"], model=one["model"], outcome=one.get("outcome")) for one in said["calls"]
        ],
    )  # fmt: skip


def _moment(seconds: float | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


@strawberry.type(description="How channels are chosen.", directives=[Cost(weight=0)])
class RoutingPolicy:
    strategy: Strategy = strawberry.field(description="What puts channels of one priority in order.")
    groups: list[str] = strawberry.field(description="Only channels of one of these; all without.")
    regions: list[str] = strawberry.field(description="Only channels of these; all without.")
    models: list[str] = strawberry.field(description="These instead of the model that was asked for.")
    excluded: list[strawberry.ID] = strawberry.field(description="Channels that are never taken.")
    sticky: bool = strawberry.field(description="Whether prompts that begin alike keep to one channel.")
    fallback: Optional["RoutingPolicy"] = strawberry.field(description="What is tried behind all of these.")


def routing_policy(policy: Policy) -> RoutingPolicy:
    return RoutingPolicy(
        strategy=policy.strategy, groups=sorted(policy.groups), regions=sorted(policy.regions),
        models=sorted(policy.models),
        excluded=[strawberry.ID(encode_id("Channel", one)) for one in sorted(policy.excluded)],
        sticky=policy.sticky, fallback=routing_policy(policy.fallback) if policy.fallback else None,
    )  # fmt: skip


@strawberry.input(description="How channels are to be chosen.")
class RoutingPolicyInput:
    strategy: Strategy = strawberry.field(default=Strategy.WEIGHTED, description="What puts channels in order.")
    groups: list[str] | None = strawberry.field(default=None, description="Only channels of one of these.")
    regions: list[str] | None = strawberry.field(default=None, description="Only channels of these.")
    models: list[str] | None = strawberry.field(default=None, description="These instead of the model asked for.")
    excluded: list[strawberry.ID] | None = strawberry.field(default=None, description="Channels that are never taken.")
    sticky: bool = strawberry.field(default=True, description="Whether prompts that begin alike keep to one channel.")
    fallback: Optional["RoutingPolicyInput"] = strawberry.field(
        default=None, description="What is tried behind all of these; at most three, one in another."
    )


@strawberry.input(description="The routing policy to go by.")
class RoutingPolicySetInput:
    policy: RoutingPolicyInput = strawberry.field(description="The policy.")
    platform: bool = strawberry.field(
        default=False, description="For every tenant without one of its own; for platform administrators."
    )


@strawberry.type(description="The policy that now holds.")
class RoutingPolicySetPayload(Payload):
    routing_policy: RoutingPolicy | None = strawberry.field(default=None, description="The policy.")
