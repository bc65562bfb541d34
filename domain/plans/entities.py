"""Plans, their versions, and a tenant's subscription to one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from domain.ids import InvoiceId, PlanId, PlanVersionId, RedemptionId, SubscriptionId, TenantId, new_id
from domain.plans.periods import PlanPeriod, Span, span_at


class Feature(StrEnum):
    """What a plan includes or not."""

    OWN_CHANNELS = "OWN_CHANNELS"


class PlanLimit(StrEnum):
    """What a plan sets a number to."""

    PROJECTS = "PROJECTS"
    MEMBERS = "MEMBERS"
    CONCURRENT_GENERATIONS = "CONCURRENT_GENERATIONS"


class SubscriptionState(StrEnum):
    """How a subscription stands. The last two are final."""

    INCOMPLETE = "INCOMPLETE"
    ACTIVE = "ACTIVE"
    PAST_DUE = "PAST_DUE"
    CANCELLED = "CANCELLED"
    ENDED = "ENDED"


ENTITLING = (SubscriptionState.ACTIVE, SubscriptionState.PAST_DUE)
PAYMENT_MAX = timedelta(hours=1)
"""For so long a payment may be under way before the clock asks what became of it."""
PAST_DUE_MAX = timedelta(days=14)
"""After so long without payment a subscription ends."""


@dataclass(eq=False)
class Plan:
    """`name` is its key, such as WRITER. Only what is public can be begun; what is archived goes on for who has it."""

    id: PlanId
    name: str
    title: str
    description: str = ""
    public: bool = True
    archived_at: datetime | None = None
    created_at: datetime | None = None


@dataclass(eq=False)
class PlanVersion:
    """What a plan costs and includes, for a period; never edited: a change is a new version.

    `features` are names of `Feature`, `limits` numbers by the names of `PlanLimit`; no number is no limit.
    """

    id: PlanVersionId
    plan_id: PlanId
    version: int
    period: str
    price_micros: int
    included_credit_micros: int = 0
    features: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    valid_from: datetime | None = None
    created_at: datetime | None = None

    @property
    def length(self) -> PlanPeriod:
        return PlanPeriod(self.period)

    @property
    def yearly_micros(self) -> int:
        return self.price_micros * 12 // self.length.months


@dataclass(eq=False)
class Subscription:
    """Periods are counted from `anchor_at`. `paid_micros` is what a whole period is paid for at, after discounts.

    `next_version_id` is what it changes to: at the period's end or, where `invoice_id` is set, when that is paid. An
    invoice that is waited for has been so since `waits_since`; `discount_id` is the coupon that made it less. `due_at`
    is when the clock looks at it. `generations_max` repeats the version's limit for the relay, which sees no plans.
    """

    tenant_id: TenantId
    id: SubscriptionId
    plan_version_id: PlanVersionId
    anchor_at: datetime
    period_start: datetime
    period_end: datetime
    due_at: datetime
    state: str = SubscriptionState.INCOMPLETE
    cancel_at_period_end: bool = False
    next_version_id: PlanVersionId | None = None
    invoice_id: InvoiceId | None = None
    waits_since: datetime | None = None
    discount_id: RedemptionId | None = None
    paid_micros: int = 0
    generations_max: int | None = None
    created_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def span(self) -> Span:
        return Span(self.period_start, self.period_end)

    @property
    def upgrading(self) -> bool:
        """Whether what is waited for is the payment of an upgrade."""
        return (
            self.state == SubscriptionState.ACTIVE and self.invoice_id is not None and self.next_version_id is not None
        )

    @classmethod
    def begun(cls, tenant_id: TenantId, version: PlanVersion, at: datetime) -> Subscription:
        """The first period, not paid for yet."""
        made = cls(tenant_id, SubscriptionId(new_id()), version.id, at, at, at, at)
        made.take(version, at)
        return made

    def take(self, version: PlanVersion, start: datetime, *, anew: bool = False) -> None:
        """Put it on a version, in the period that begins at a boundary; `anew` counts from there."""
        if anew:
            self.anchor_at = start
        span = span_at(self.anchor_at, version.length, start)
        self.plan_version_id, self.next_version_id = version.id, None
        self.period_start, self.period_end = span.start, span.end
        self.generations_max = version.limits.get(PlanLimit.CONCURRENT_GENERATIONS)
        self.stand(self.state)

    def wait(self, invoice_id: InvoiceId | None, since: datetime) -> None:
        """For an invoice; None for none any more."""
        self.invoice_id, self.waits_since = invoice_id, since if invoice_id is not None else None
        self.stand(self.state)

    def stand(self, state: str) -> None:
        """The state from now on, and when the clock has to look at it."""
        self.state = state
        if state == SubscriptionState.PAST_DUE:
            self.due_at = self.period_start + PAST_DUE_MAX
        elif self.waits_since is not None:
            self.due_at = self.waits_since + PAYMENT_MAX
        else:
            self.due_at = self.period_end

    def end(self, state: SubscriptionState, at: datetime) -> None:
        """For good."""
        self.state, self.ended_at = state, at
        self.cancel_at_period_end, self.next_version_id = False, None
