"""Budgets: how much a tenant, a member, an API token or a model may spend in a period.

A budget reserves, it does not look: what a job may cost is taken from every budget that it falls under before it
starts, and what it did not cost is given back when it ends. So no number of starts at once spends more than a limit.
The period of a job is the one in which it started. A budget counts the jobs that start after it was set, and of them
what their authors are charged: what the operator bears is nobody's spending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domain.billing.money import Money, QuotaExhausted
from domain.errors import ErrorCode
from domain.ids import ApiTokenId, BudgetId, JobId, TenantId, UserId

WARN_AT = (80, 100)
"""Shares of a limit, in percent, at which people are told unless they said otherwise."""
ALWAYS = date(1970, 1, 1)
"""When the one period of a TOTAL budget starts."""


class BudgetSubject(StrEnum):
    """Whose spending a budget limits."""

    TENANT = "TENANT"
    MEMBER = "MEMBER"
    TOKEN = "TOKEN"
    MODEL = "MODEL"


class BudgetPeriod(StrEnum):
    """After which time a budget starts anew. Days, weeks and months are those of UTC."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    TOTAL = "TOTAL"


@dataclass(eq=False)
class Budget:
    """`subject_key` is empty for TENANT, else a user's id, a token's id, or a model's public name."""

    tenant_id: TenantId
    id: BudgetId
    subject: str
    subject_key: str
    period: str
    limit_micros: int
    warn_at: list[int] = field(default_factory=lambda: [*WARN_AT])
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spender:
    """Under which budgets a job falls. The model is the one that was asked for."""

    user_id: UserId | None = None
    api_token_id: ApiTokenId | None = None
    model: str | None = None

    @classmethod
    def of(cls, user_id: UserId | None, principal: str, model: str) -> Spender:
        """Of a job: `principal` names the token that started it, if one did."""
        kind, _, id_ = principal.partition(":")
        return cls(user_id, ApiTokenId(UUID(id_)) if kind == "token" else None, model)

    @property
    def subjects(self) -> list[tuple[BudgetSubject, str]]:
        """Subjects with their keys."""
        named = (
            (BudgetSubject.MEMBER, self.user_id), (BudgetSubject.TOKEN, self.api_token_id),
            (BudgetSubject.MODEL, self.model),
        )  # fmt: skip
        return [(BudgetSubject.TENANT, ""), *((subject, str(key)) for subject, key in named if key is not None)]


UNNAMED = Spender()
"""Falls under the tenant's own budgets alone."""


class BudgetExceeded(QuotaExhausted):
    """A budget has less left than was asked for: of several such budgets, the one with the least."""

    code = ErrorCode.BUDGET_EXCEEDED
    message = "A budget has less left than this."

    def __init__(self, budget_id: BudgetId, needed_micros: int, left_micros: int) -> None:
        super().__init__(needed_micros, max(left_micros, 0))
        self.budget_id = budget_id

    @property
    def left(self) -> Money:
        """What is neither spent nor reserved; nothing when the limit has been set below that."""
        return self.available


@dataclass(frozen=True, slots=True)
class Settled:
    """What a job's end did to a budget in the period that started on that day."""

    budget: Budget
    starts_on: date
    before_micros: int
    spent_micros: int


class BudgetStore(Protocol):
    """The budgets of a unit of work. Whoever reserves or settles has locked the wallet before."""

    async def reserve(self, job_id: JobId, spender: Spender, micros: int) -> None:
        """Take an amount from every budget that the job falls under. Raises BudgetExceeded.

        Of nothing it only notes them, so that what the job takes later counts.
        """
        ...

    async def reserve_more(self, job_id: JobId, micros: int) -> None:
        """The same from the budgets that were noted at its start and still stand. Raises BudgetExceeded."""
        ...

    async def settle(self, job_id: JobId, charged_micros: int) -> Sequence[Settled]:
        """Give back what a job had reserved and count what it was charged. A second call changes nothing."""
        ...

    async def add(self, budget: Budget) -> None: ...
    async def budget(self, budget_id: BudgetId) -> Budget | None:
        """None when it is missing or deleted."""
        ...

    async def budget_of(self, subject: BudgetSubject, key: str, period: BudgetPeriod) -> Budget | None: ...
    async def count(self) -> int: ...


def starts_on(period: str, now: datetime) -> date:
    """The first day of the period that a moment lies in."""
    day = now.astimezone(UTC).date()
    match BudgetPeriod(period):
        case BudgetPeriod.DAY:
            return day
        case BudgetPeriod.WEEK:
            return day - timedelta(days=day.weekday())
        case BudgetPeriod.MONTH:
            return day.replace(day=1)
        case BudgetPeriod.TOTAL:
            return ALWAYS


def resets_at(period: str, now: datetime) -> datetime | None:
    """When the next period starts; None for TOTAL."""
    first = starts_on(period, now)
    match BudgetPeriod(period):
        case BudgetPeriod.DAY:
            following = first + timedelta(days=1)
        case BudgetPeriod.WEEK:
            following = first + timedelta(days=7)
        case BudgetPeriod.MONTH:
            following = (first + timedelta(days=31)).replace(day=1)
        case BudgetPeriod.TOTAL:
            return None
    return datetime.combine(following, time.min, UTC)


def crossed(settled: Settled) -> int | None:
    """The highest share, in percent, that a budget's spending came to with this settlement and had not before."""
    limit = settled.budget.limit_micros
    passed = [
        share
        for share in settled.budget.warn_at
        if settled.before_micros * 100 < limit * share <= settled.spent_micros * 100
    ]
    return max(passed, default=None)
