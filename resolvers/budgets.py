"""Root fields of budgets and of the wallet's alert."""

from datetime import UTC, datetime
from typing import Any

import strawberry

from domain.accounts import Permission
from domain.billing import BudgetExceeded
from domain.billing.alerts import set_wallet_alert
from domain.billing.budgets import resets_at
from domain.billing.limits import BudgetDraft, delete_budget, set_budget
from domain.billing.money import Money, micros_of
from domain.ids import ApiTokenId, BudgetId, UserId
from persistence.billing import budget_reads as reads
from resolvers.billing import keeper
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from schema.base import Connection, money
from schema.batched import After, Call, First, columns_of
from schema.billing import budgets as types
from schema.context import Info
from schema.ids import decode_id, decode_optional


@strawberry.type
class BudgetQueries:
    @strawberry.field(description="The tenant's budgets, newest first.")
    async def budgets(self, info: Info, first: First = 20, after: After = None) -> Connection[types.Budget]:
        keeper(info)
        columns = columns_of(info, "Budget", "edges", "node")
        return await info.context.reads.listed(Call(reads.BUDGETS), first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="Below which credit people are told that the wallet is low; null for never.")
    async def wallet_alert(self, info: Info) -> types.WalletAlert | None:
        keeper(info)
        return await _wallet_alert(info)


async def _wallet_alert(info: Info) -> types.WalletAlert | None:
    tenant_id = info.context.actor.tenant_id
    return types.wallet_alert(await info.context.services.database.shaped(tenant_id, reads.ALERT))


@strawberry.type
class BudgetMutations:
    @strawberry.mutation(description="Limit what somebody spends in a period, or change the limit.")
    @refusals_as(types.BudgetSetPayload)
    async def budget_set(self, info: Info, input: types.BudgetSetInput) -> types.BudgetSetPayload:
        actor = info.context.actor
        actor.require(Permission.BILLING)
        draft = _draft(input)
        async with info.context.services.units(actor.tenant_id) as uow:
            budget = await set_budget(uow, actor, draft)
            decided = {
                "subject": budget.subject, "of": budget.subject_key, "period": budget.period,
                "limit": str(Money(budget.limit_micros).amount), "warn_at": budget.warn_at,
            }  # fmt: skip
            await audited(info, uow, "budget.set", ("Budget", budget.id), decided)
        return types.BudgetSetPayload(budget=await fresh(info, "Budget", budget.id))

    @strawberry.mutation(description="Lift a limit. What has reserved of it ends as it would have.")
    @refusals_as(types.BudgetDeletePayload)
    async def budget_delete(self, info: Info, input: types.BudgetDeleteInput) -> types.BudgetDeletePayload:
        actor = info.context.actor
        actor.require(Permission.BILLING)
        budget_id = BudgetId(decode_id("Budget", input.id))
        async with info.context.services.units(actor.tenant_id) as uow:
            await delete_budget(uow, actor, budget_id)
            await audited(info, uow, "budget.delete", ("Budget", budget_id))
        return types.BudgetDeletePayload(deleted_id=input.id)

    @strawberry.mutation(description="Be told when the wallet's credit falls below an amount.")
    @refusals_as(types.WalletAlertSetPayload)
    async def wallet_alert_set(self, info: Info, input: types.WalletAlertSetInput) -> types.WalletAlertSetPayload:
        actor = info.context.actor
        actor.require(Permission.BILLING)
        threshold = micros_of(input.threshold, "threshold") if input.threshold is not None else None
        async with info.context.services.units(actor.tenant_id) as uow:
            await set_wallet_alert(uow, actor, threshold)
            decided = {"threshold": str(input.threshold) if input.threshold is not None else None}
            await audited(info, uow, "wallet_alert.set", ("Tenant", actor.tenant_id), decided)
        return types.WalletAlertSetPayload(wallet_alert=await _wallet_alert(info))


def _draft(input: types.BudgetSetInput) -> BudgetDraft:
    member_id = decode_optional("User", input.member_id, "memberId")
    token_id = decode_optional("ApiToken", input.token_id, "tokenId")
    return BudgetDraft(
        input.subject, input.period, micros_of(input.limit, "limit"), UserId(member_id) if member_id else None,
        ApiTokenId(token_id) if token_id else None, input.model, input.warn_at,
    )  # fmt: skip


async def budget_exceeded(info: Info, refusal: BudgetExceeded) -> Any:
    """The answer to a start that a budget refuses. Who was refused sees the budget, whether or not he may set it."""
    rows = await info.context.reads.shaped(reads.BUDGETS_BY_ID.shape, ids=[refusal.budget_id])  # type: ignore[attr-defined]
    budget = rows[0] if rows else None
    return types.BudgetExceeded(
        message=str(refusal), field=None, code=refusal.code, budget=budget, needed=money(refusal.needed.micros),
        left=money(refusal.left.micros),
        resets_at=resets_at(budget.period, datetime.now(UTC)) if budget is not None else None,
    )  # fmt: skip
