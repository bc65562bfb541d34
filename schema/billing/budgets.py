"""Budgets, and the alert of a wallet that is low."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import strawberry

from domain.billing import budgets as domain
from domain.billing.budgets import BudgetPeriod, BudgetSubject
from persistence.billing import budget_reads as reads
from schema.accounts import ApiToken, User
from schema.base import Money, Node, Payload, UserError, described_enum, mapped, money
from schema.batched import batched, found, ids_of, needs
from schema.context import Info

described_enum(
    BudgetSubject,
    TENANT="Of everybody in the tenant together.",
    MEMBER="Of one member, with and without API tokens.",
    TOKEN="Of what one API token starts.",
    MODEL="Of what is asked of one model.",
)
described_enum(
    BudgetPeriod,
    DAY="Each day.",
    WEEK="Each week, from Monday on.",
    MONTH="Each month.",
    TOTAL="For ever: it never starts anew.",
)


@strawberry.type(description="How a budget stands in the period that runs.")
class BudgetUse:
    spent: Money = strawberry.field(description="What jobs that started in the period were charged.")
    reserved: Money = strawberry.field(description="What running jobs may still cost.")
    left: Money = strawberry.field(description="What can still be reserved.")
    starts_at: datetime | None = strawberry.field(description="When the period started; null for TOTAL.")
    resets_at: datetime | None = strawberry.field(description="When the next one starts; null for TOTAL.")


def _named(subject: BudgetSubject) -> Any:
    def key(budget: Any) -> UUID | None:
        return UUID(budget.subject_key) if budget.subject == subject else None

    return key


_KEY = needs("subject", "subject_key")


@mapped(domain.Budget, created_at="When it was first set.", updated_at="When it was last changed.")
class Budget(Node):
    """A limit on what somebody spends in a period. What a job may cost is taken from it before the job starts."""

    subject: BudgetSubject = strawberry.field(description="Whose spending it limits.")
    period: BudgetPeriod = strawberry.field(description="After which time it starts anew.")
    member: User | None = found(
        "User", _named(BudgetSubject.MEMBER), metadata=_KEY, description="The member; null unless it is of one."
    )
    token: ApiToken | None = found(
        "ApiToken", _named(BudgetSubject.TOKEN), metadata=_KEY, description="The API token; null unless it is of one."
    )

    @strawberry.field(description="The model; null unless it is of one.", metadata=_KEY)
    def model(self) -> str | None:
        return str(self.subject_key) if self.subject == BudgetSubject.MODEL else None

    @strawberry.field(description="What may be spent in a period.", metadata=needs("limit_micros"))
    def limit(self) -> Money:
        return money(self.limit_micros)

    @strawberry.field(
        description="At which shares of the limit, in percent, people are told.", metadata=needs("warn_at")
    )
    def warn_at(self) -> list[int]:
        return list(self.warn_at)

    @batched(description="How it stands now.", columns=("id", "period", "limit_micros"))
    async def current(budgets: list[Any], info: Info) -> list[BudgetUse]:
        now = datetime.now(UTC)
        starts = {period: domain.starts_on(period, now) for period in BudgetPeriod}
        periods = await info.context.reads.lists(
            reads.PERIODS, "budget_id", ids_of(budgets), starts=sorted(set(starts.values()))
        )
        return [
            _use(budget, [row for row in rows if row.starts_on == starts[budget.period]], starts[budget.period], now)
            for budget, rows in zip(budgets, periods, strict=True)
        ]


def _use(budget: Any, rows: list[Any], first: date, now: datetime) -> BudgetUse:
    reserved, spent = (rows[0].reserved_micros, rows[0].spent_micros) if rows else (0, 0)
    return BudgetUse(
        spent=money(spent), reserved=money(reserved), left=money(max(budget.limit_micros - reserved - spent, 0)),
        starts_at=None if first == domain.ALWAYS else datetime.combine(first, time.min, UTC),
        resets_at=domain.resets_at(budget.period, now),
    )  # fmt: skip


@strawberry.type(description="A budget has less left than the generation may cost: of several, the one with the least.")
class BudgetExceeded(UserError):
    budget: Budget | None = strawberry.field(description="The budget; null when it was deleted meanwhile.")
    needed: Money = strawberry.field(description="What would have been reserved.")
    left: Money = strawberry.field(description="What the budget has left.")
    resets_at: datetime | None = strawberry.field(description="When it starts anew; null for never.")


@strawberry.input(description="A limit on what somebody spends in a period. There is one for a subject and a period.")
class BudgetSetInput:
    subject: BudgetSubject = strawberry.field(description="Whose spending to limit.")
    member_id: strawberry.ID | None = strawberry.field(default=None, description="For MEMBER: the user.")
    token_id: strawberry.ID | None = strawberry.field(default=None, description="For TOKEN: the API token.")
    model: str | None = strawberry.field(default=None, description="For MODEL: its name, as it is asked for.")
    period: BudgetPeriod = strawberry.field(description="After which time it starts anew.")
    limit: Decimal = strawberry.field(
        description="In whole units, with at most six decimals. Below what is reserved, nothing more is."
    )
    warn_at: list[int] | None = strawberry.field(
        default=None, description="At which shares of the limit, in percent, to tell people; 80 and 100 by default."
    )


@strawberry.input(description="A budget to delete.")
class BudgetDeleteInput:
    id: strawberry.ID = strawberry.field(description="The budget.")


@strawberry.type(description="The budget as it is now.")
class BudgetSetPayload(Payload):
    budget: Budget | None = strawberry.field(default=None, description="The budget.")


@strawberry.type(description="What was deleted.")
class BudgetDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="The deleted budget's id.")


# -- the wallet ------------------------------------------------------------------------------------------------------


@strawberry.type(description="Below which credit people are told that the wallet is low.")
class WalletAlert:
    threshold: Money = strawberry.field(description="Below which credit, spendable and held together.")
    told_at: datetime | None = strawberry.field(description="When they were told; null while the wallet is not low.")


@strawberry.input(description="Below which credit to tell people that the wallet is low.")
class WalletAlertSetInput:
    threshold: Decimal | None = strawberry.field(default=None, description="In whole units; never if null.")


@strawberry.type(description="The alert as it is now.")
class WalletAlertSetPayload(Payload):
    wallet_alert: WalletAlert | None = strawberry.field(default=None, description="The alert; null for none.")


def wallet_alert(rows: Any) -> WalletAlert | None:
    return WalletAlert(threshold=money(rows[0].threshold_micros), told_at=rows[0].told_at) if rows else None
