"""Who keeps the books is told when a budget has come to a share of its limit, and when the wallet is low.

A budget tells each share once a period, with the job that took it there. A wallet is low from the moment in which its
credit, spendable and held together, falls below the tenant's threshold; it tells that once, until it is not low.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.accounts import Actor, Permission
from domain.billing.budgets import ALWAYS, Budget, BudgetSubject, Settled, crossed
from domain.billing.holds import expire_credit, settle_hold
from domain.billing.money import CURRENCY, Money
from domain.errors import ErrorCode, Rejected
from domain.ids import ApiTokenId, JobId, UserId
from domain.operations.mail_texts import MailTemplate
from domain.operations.mails import write_mail
from domain.operations.notifications import NotificationKind, notify
from domain.operations.webhooks import WebhookEvent, publish

if TYPE_CHECKING:
    from domain.unit_of_work import UnitOfWork


async def end_hold(uow: UnitOfWork, job_id: JobId, attempt: int, cost_micros: int) -> int:
    """Close a job's hold as `close_hold` does, and tell what that led to. What its author was charged."""
    settled = await settle_hold(uow.billing, job_id, attempt, cost_micros)
    for one in settled.budgets:
        share = crossed(one)
        if share is not None:
            await _tell_budget(uow, one, share)
    await _tell_if_low(uow, settled.charged_micros)
    return settled.charged_micros


async def expire_and_tell(uow: UnitOfWork) -> int:
    """Take away what is left of expired grants; how many micro-units. A second call takes nothing."""
    expired = await expire_credit(uow.billing, uow.now)
    await _tell_if_low(uow, expired)
    return expired


async def _tell_if_low(uow: UnitOfWork, by_micros: int) -> None:
    """After the wallet's credit has fallen by so much."""
    low = await uow.billing.alerts.fallen(by_micros) if by_micros else None
    if low is None:
        return
    said = {
        "credit": _units(low.credit_micros), "threshold": _units(low.threshold_micros), "currency": CURRENCY,
    }  # fmt: skip
    await _tell(uow, NotificationKind.WALLET_LOW, MailTemplate.WALLET_LOW, WebhookEvent.WALLET_LOW, said)


async def set_wallet_alert(uow: UnitOfWork, actor: Actor, threshold_micros: int | None) -> None:
    """Be told when the wallet's credit falls below an amount; never for None."""
    actor.require(Permission.BILLING)
    if threshold_micros is not None and threshold_micros <= 0:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A threshold is more than nothing.", "input", "threshold")
    await uow.billing.alerts.set_threshold(threshold_micros)


async def _tell_budget(uow: UnitOfWork, settled: Settled, share: int) -> None:
    budget = settled.budget
    since = settled.starts_on
    if since == ALWAYS and budget.created_at is not None:
        since = budget.created_at.date()
    said = {
        "subject": str(budget.subject), "name": await _name(uow, budget), "period": str(budget.period),
        "since": since.isoformat(), "percent": str(share), "spent": _units(settled.spent_micros),
        "limit": _units(budget.limit_micros), "currency": CURRENCY,
    }  # fmt: skip
    whole = budget.subject == BudgetSubject.TENANT
    template = MailTemplate.TENANT_BUDGET if whole else MailTemplate.BUDGET
    await _tell(uow, NotificationKind.BUDGET_THRESHOLD, template, WebhookEvent.BUDGET_THRESHOLD, said)


async def _name(uow: UnitOfWork, budget: Budget) -> str:
    """Of a budget's subject, as people know it."""
    match BudgetSubject(budget.subject):
        case BudgetSubject.MEMBER:
            user = await uow.accounts.user(UserId(UUID(budget.subject_key)))
            return user.display_name if user is not None else ""
        case BudgetSubject.TOKEN:
            token = await uow.accounts.api_token(ApiTokenId(UUID(budget.subject_key)))
            return token.name if token is not None else ""
        case _:
            return budget.subject_key


async def _tell(
    uow: UnitOfWork, kind: NotificationKind, template: MailTemplate, event: WebhookEvent, said: dict[str, str]
) -> None:
    for user in await notify(uow, Permission.BILLING, kind, said):
        await write_mail(uow, user, template, {"reader": user.display_name, **said})
    await publish(uow, event, said)


def _units(micros: int) -> str:
    return f"{Money(micros).amount.normalize():f}"
