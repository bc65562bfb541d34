"""Plans, their versions, and a tenant's subscription to one."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from domain.plans import entities
from domain.plans.entities import Feature, PlanLimit, SubscriptionState
from domain.plans.periods import PlanPeriod
from persistence.plans import reads
from schema.base import Money, Node, Payload, described_enum, mapped, money
from schema.batched import batched, ids_of, needs, reference
from schema.context import Info
from schema.cost import Cost

described_enum(PlanPeriod, MONTH="A month, to the day that it began on.", YEAR="A year.")
described_enum(Feature, OWN_CHANNELS="To make channels with keys of one's own.")
described_enum(
    PlanLimit,
    PROJECTS="How many projects there may be.",
    MEMBERS="How many members a tenant may have.",
    CONCURRENT_GENERATIONS="How many generations may run at a time; more of them wait.",
)
described_enum(
    SubscriptionState,
    INCOMPLETE="Its first fee is being paid. It entitles to nothing yet, and is given up after an hour.",
    ACTIVE="It is paid for.",
    PAST_DUE="The fee of its period could not be taken yet. It entitles to the same for 14 days, and then ends.",
    CANCELLED="It was cancelled at once.",
    ENDED="It ended: cancelled for a period's end, or not paid for.",
)


@strawberry.type(description="A number that a plan sets.", directives=[Cost(weight=0)])
class PlanLimitValue:
    limit: PlanLimit = strawberry.field(description="Of what.")
    value: int = strawberry.field(description="At most so many.")


@mapped(
    entities.PlanVersion,
    version="Counted from 1.",
    valid_from="From when it can be begun.",
)
class PlanVersion(Node):
    """What a plan costs and includes. It is never changed: subscriptions stay on the version that they began with."""

    period: PlanPeriod = strawberry.field(description="For how long a fee is paid.")
    features: list[Feature] = strawberry.field(description="What it includes.")
    plan: "Plan | None" = reference("Plan", "plan_id", description="The plan.")

    @strawberry.field(description="The fee of a period.", metadata=needs("price_micros"))
    def price(self) -> Money:
        return money(self.price_micros)

    @strawberry.field(
        description="Credit that each period begins with and that ends with it.",
        metadata=needs("included_credit_micros"),
    )
    def included_credit(self) -> Money:
        return money(self.included_credit_micros)

    @strawberry.field(description="What it sets a number to; without one there is no limit.", metadata=needs("limits"))
    def limits(self) -> list[PlanLimitValue]:
        return [PlanLimitValue(limit=PlanLimit(name), value=most) for name, most in sorted(self.limits.items())]


@mapped(
    entities.Plan,
    name="Its key, such as WRITER.",
    title="What it is called.",
    description="What it is for.",
    public="Whether it is offered.",
    archived_at="Since when nobody can begin it; null while one can.",
)
class Plan(Node):
    """What a tenant can subscribe to."""

    @batched(description="The version in force; null before the first one is.", columns=("id",))
    async def version(plans: list[Any], info: Info) -> list[PlanVersion | None]:
        found = await info.context.reads.lists(reads.VERSIONS_IN_FORCE, "plan_id", ids_of(plans))
        return [rows[0] if rows else None for rows in found]


@mapped(
    entities.Subscription,
    period_start="When the period began that it is in.",
    period_end="When that ends.",
    cancel_at_period_end="Whether it ends with its period.",
    created_at="When it began.",
    ended_at="When it ended; null while it goes on.",
)
class PlanSubscription(Node):
    """A tenant's subscription to a plan. There is at most one that goes on."""

    state: SubscriptionState = strawberry.field(description="How it stands.")
    plan_version: PlanVersion | None = reference("PlanVersion", "plan_version_id", description="What it is on.")
    next_version: PlanVersion | None = reference(
        "PlanVersion", "next_version_id", description="What it changes to at its period's end; null for nothing else."
    )


# -- the platform ----------------------------------------------------------------------------------------------------


@strawberry.input(description="A number for a plan to set.")
class PlanLimitInput:
    limit: PlanLimit = strawberry.field(description="Of what.")
    value: int = strawberry.field(description="At most so many.")


@strawberry.input(description="What a plan costs and includes.")
class PlanTermsInput:
    period: PlanPeriod = strawberry.field(description="For how long a fee is paid.")
    price: Decimal = strawberry.field(description="The fee of a period, in whole units.")
    included_credit: Decimal | None = strawberry.field(
        default=None, description="Credit that each period begins with, in whole units; none if null."
    )
    features: list[Feature] = strawberry.field(default_factory=list, description="What it includes.")
    limits: list[PlanLimitInput] = strawberry.field(
        default_factory=list, description="What it sets a number to; without one there is no limit."
    )
    valid_from: datetime | None = strawberry.field(
        default=None, description="From when it can be begun, now or later; null for now."
    )


@strawberry.input(description="A plan with its first version.")
class PlanCreateInput:
    name: str = strawberry.field(description="Its key: A to Z, 0 to 9 and _.")
    title: str = strawberry.field(description="What it is called.")
    description: str = strawberry.field(default="", description="What it is for.")
    public: bool = strawberry.field(default=True, description="Whether it is offered.")
    terms: PlanTermsInput = strawberry.field(description="What it costs and includes.")


@strawberry.input(description="A new version of a plan.")
class PlanVersionCreateInput:
    plan_id: strawberry.ID = strawberry.field(description="The plan.")
    terms: PlanTermsInput = strawberry.field(description="What it costs and includes.")


@strawberry.input(description="A plan that nobody is to begin any more.")
class PlanArchiveInput:
    id: strawberry.ID = strawberry.field(description="The plan.")


@strawberry.type(description="The new plan.")
class PlanCreatePayload(Payload):
    plan: Plan | None = strawberry.field(default=None, description="The plan.")


@strawberry.type(description="The new version.")
class PlanVersionCreatePayload(Payload):
    plan_version: PlanVersion | None = strawberry.field(default=None, description="The version.")


@strawberry.type(description="The archived plan.")
class PlanArchivePayload(Payload):
    plan: Plan | None = strawberry.field(default=None, description="The plan.")


# -- a tenant --------------------------------------------------------------------------------------------------------


@strawberry.input(description="A plan to begin, which is paid for at once.")
class PlanSubscribeInput:
    plan_id: strawberry.ID = strawberry.field(description="The plan; its version in force holds.")
    coupon_code: str | None = strawberry.field(default=None, description="A coupon to begin with.")
    idempotency_key: str = strawberry.field(description="The same key never begins or pays twice.")


@strawberry.input(description="A plan to change to.")
class SubscriptionChangeInput:
    plan_id: strawberry.ID = strawberry.field(
        description="The plan; its version in force holds. Naming what it is on takes back a change that waits."
    )
    idempotency_key: str = strawberry.field(description="The same key never changes or pays twice.")


@strawberry.input(description="How to cancel.")
class SubscriptionCancelInput:
    at_period_end: bool = strawberry.field(
        default=True, description="Go on to the end of what is paid for; false ends it now and pays nothing back."
    )


@strawberry.type(description="The subscription that has begun.")
class PlanSubscribePayload(Payload):
    subscription: PlanSubscription | None = strawberry.field(default=None, description="The subscription.")
    payment_url: str | None = strawberry.field(
        default=None, description="Where somebody has to go to pay; null when nobody has to."
    )


@strawberry.type(description="The changed subscription.")
class SubscriptionChangePayload(Payload):
    subscription: PlanSubscription | None = strawberry.field(default=None, description="The subscription.")
    payment_url: str | None = strawberry.field(
        default=None, description="Where somebody has to go to pay; null when nobody has to."
    )


@strawberry.type(description="The cancelled subscription.")
class SubscriptionCancelPayload(Payload):
    subscription: PlanSubscription | None = strawberry.field(default=None, description="The subscription.")


@strawberry.input(description="A subscription that is to go on after all.")
class SubscriptionResumeInput:
    id: strawberry.ID = strawberry.field(description="The subscription.")


@strawberry.type(description="The subscription that goes on.")
class SubscriptionResumePayload(Payload):
    subscription: PlanSubscription | None = strawberry.field(default=None, description="The subscription.")
