"""Use cases of budgets: to set one, to delete one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.accounts import Actor, Permission
from domain.billing.budgets import WARN_AT, Budget, BudgetPeriod, BudgetSubject
from domain.billing.money import AMOUNT_MICROS_MAX, CURRENCY, MICRO
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import ApiTokenId, BudgetId, UserId, new_id
from domain.text import clean_line
from domain.unit_of_work import UnitOfWork

BUDGETS_MAX = 200
WARNINGS_MAX = 10


@dataclass(frozen=True, slots=True)
class BudgetDraft:
    """What somebody decides about a budget; of the three that name a subject, the one that fits `subject`.

    `warn_at` are shares of the limit in percent; None leaves them as they are, or as usual for a new budget.
    """

    subject: BudgetSubject
    period: BudgetPeriod
    limit_micros: int
    member_id: UserId | None = None
    token_id: ApiTokenId | None = None
    model: str | None = None
    warn_at: Sequence[int] | None = None


async def set_budget(uow: UnitOfWork, actor: Actor, draft: BudgetDraft) -> Budget:
    """Limit what a subject may spend in a period, or change the limit. Raises Rejected.

    A limit below what is reserved or spent is allowed: running jobs go on, and nothing more is reserved.
    """
    actor.require(Permission.BILLING)
    if not 0 < draft.limit_micros <= AMOUNT_MICROS_MAX:
        message = f"A limit is more than nothing and at most {AMOUNT_MICROS_MAX // MICRO:,} {CURRENCY}."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "limit")
    warn_at = _clean_shares(draft.warn_at) if draft.warn_at is not None else None
    # So that two at once make one, and no more than may be; and before the token, as jobs that end do.
    await uow.billing.lock_wallet()
    key = await _key(uow, draft)
    budget = await uow.billing.budgets.budget_of(draft.subject, key, draft.period)
    if budget is not None:
        budget.limit_micros, budget.updated_at = draft.limit_micros, uow.now
        budget.warn_at = warn_at if warn_at is not None else budget.warn_at
        return budget
    if await uow.billing.budgets.count() >= BUDGETS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A tenant has at most {BUDGETS_MAX} budgets.")
    budget = Budget(
        uow.tenant_id, BudgetId(new_id()), draft.subject, key, draft.period, draft.limit_micros,
        warn_at if warn_at is not None else [*WARN_AT], uow.now, uow.now,
    )  # fmt: skip
    await uow.billing.budgets.add(budget)
    return budget


async def delete_budget(uow: UnitOfWork, actor: Actor, budget_id: BudgetId) -> None:
    """Lift a limit. Jobs that have reserved of it end as they would have. Raises NotFound."""
    actor.require(Permission.BILLING)
    await uow.billing.lock_wallet()
    budget = await uow.billing.budgets.budget(budget_id)
    if budget is None:
        raise NotFound("The budget", "input", "id")
    budget.deleted_at = uow.now


def _clean_shares(shares: Sequence[int]) -> list[int]:
    if len(shares) > WARNINGS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {WARNINGS_MAX} warnings.", "input", "warnAt")
    if not all(1 <= share <= 100 for share in shares):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A warning comes at 1 to 100 percent.", "input", "warnAt")
    return sorted(set(shares))


async def _key(uow: UnitOfWork, draft: BudgetDraft) -> str:
    """Which one of its kind the subject is. Raises Rejected for none, for several, and for one of another tenant."""
    named = {
        BudgetSubject.MEMBER: ("memberId", draft.member_id), BudgetSubject.TOKEN: ("tokenId", draft.token_id),
        BudgetSubject.MODEL: ("model", draft.model),
    }  # fmt: skip
    for subject, (field, value) in named.items():
        if (value is not None) is not (subject is draft.subject):
            message = f"A budget of {draft.subject} " + ("needs this." if value is None else "does not take this.")
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", field)
    members = await uow.accounts.members_with(Permission.READ) if draft.member_id is not None else []
    if draft.member_id is not None and draft.member_id not in {one.id for one in members}:
        raise NotFound("The member", "input", "memberId")
    if draft.token_id is not None:
        token = await uow.accounts.api_token(draft.token_id)
        if token is None or token.revoked_at is not None:
            raise NotFound("The token", "input", "tokenId")
    if draft.model is not None:
        return clean_line(draft.model, "model")
    return str(draft.member_id or draft.token_id or "")
