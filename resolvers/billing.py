"""Root fields of the billing room: the wallet and its ledger, prices, usage."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from adapters.price_lists import parse_prices
from domain.accounts import Permission
from domain.billing import service
from domain.billing.money import MICRO, micros_of
from domain.billing.prices import PricesRefused
from domain.billing.usage import (
    ROWS_MAX,
    STATEMENT_DAYS_MAX,
    Counted,
    StatementQuantity,
    compare,
    days_between,
    read_statement,
    to_csv,
)
from domain.errors import ErrorCode, Rejected
from domain.ids import LedgerEntryId, TenantId
from domain.text import clean_filter, clean_line
from persistence.billing import reads
from resolvers.mutations import refusals_as
from resolvers.operations import audited
from resolvers.projects import fresh
from resolvers.services import Services
from schema.base import Connection, MutationError
from schema.batched import After, First
from schema.billing import ledger
from schema.billing import prices as pricing
from schema.billing import usage as metering
from schema.context import Context, Info
from schema.cost import Cost
from schema.ids import decode_id, decode_optional, encode_id


async def wallet_now(context: Context, tenant_id: TenantId) -> ledger.Wallet:
    return ledger.wallet_of(tenant_id, await context.services.database.shaped(tenant_id, reads.WALLET))


@strawberry.type
class BillingQueries:
    @strawberry.field(description="The tenant's credit.")
    async def wallet(self, info: Info) -> ledger.Wallet:
        info.context.reader()
        return await wallet_now(info.context, info.context.actor.tenant_id)

    @strawberry.field(description="The tenant's ledger, newest first.")
    async def ledger_entries(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[ledger.LedgerEntry]:
        rows = reads.entry_rows(keeper(info).tenant_id)
        return await info.context.reader().page(rows, reads.ENTRIES, first, after)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(
        description="Versions of prices that are or were in force for you, newest first. Those to come, and those of "
        "channels that you have not, are for platform administrators."
    )
    async def prices(
        self, info: Info, first: First = 20, after: After = None,
        model: Annotated[str | None, strawberry.argument(description="Only of this model.")] = None,
    ) -> Connection[pricing.Price]:  # fmt: skip
        reader, platform = info.context.reader(), Permission.PLATFORM in info.context.actor.permissions
        rows = reads.price_rows(clean_filter(model, "model"), everything=platform)
        return await reader.page(rows, reads.PRICES, first, after)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="What was used, added up by day and by what else is asked for.")
    async def usage(
        self, info: Info, group_by: metering.GroupBy, since: metering.Since = None, to: metering.Until = None,
        billed: metering.Billed = True,
    ) -> metering.UsageReport:  # fmt: skip
        actor = keeper(info)
        first, last = days_between(since, to, datetime.now(UTC))
        groups = list(dict.fromkeys(group_by))
        statement = reads.usage_rows(actor.tenant_id, first, last, groups, billed)
        rows = _bounded(await info.context.reads.rows(statement))  # type: ignore[attr-defined]
        return metering.UsageReport(rows=[metering.usage_row(row) for row in rows if row.records])

    @strawberry.field(description="One record for each try and kind of use, newest first.")
    async def usage_records(
        self, info: Info, first: First = 20, after: After = None,
        filter: Annotated[metering.UsageRecordFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Connection[metering.UsageRecord]:  # fmt: skip
        rows = _records(keeper(info).tenant_id, filter or metering.UsageRecordFilter())
        found = await info.context.reader().page(rows, reads.RECORDS, first, after)  # type: ignore[attr-defined]
        for edge in found.edges:
            edge.node = metering.usage_record(edge.node)
        return found  # type: ignore[no-any-return]

    @strawberry.field(description="Usage records as a table, oldest first.", directives=[Cost(weight=100)])
    async def usage_export(
        self, info: Info, since: metering.Since = None, to: metering.Until = None
    ) -> metering.UsageExport:
        actor = keeper(info)
        statement = reads.record_rows(actor.tenant_id, *days_between(since, to, datetime.now(UTC)))
        statement = statement.order_by(*(part.column for part in reads.RECORDS.columns)).limit(ROWS_MAX + 1)
        rows = _bounded(await info.context.reads.rows(statement))  # type: ignore[attr-defined]
        return metering.UsageExport(csv=await asyncio.to_thread(_csv, rows))


def keeper(info: Info) -> Any:
    """Who may see the books. Raises Forbidden."""
    info.context.reader()
    info.context.actor.require(Permission.BILLING)
    return info.context.actor


def _bounded(rows: Sequence[Any]) -> Sequence[Any]:
    if len(rows) > ROWS_MAX:
        message = f"There are more than {ROWS_MAX:,} rows. Ask for fewer days, or fewer groups."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, "from")
    return rows


def _records(tenant_id: TenantId, wanted: metering.UsageRecordFilter) -> Any:
    return reads.record_rows(
        tenant_id, _day(wanted.from_), _day(wanted.to), model=clean_filter(wanted.model, "model"),
        channel=clean_filter(wanted.channel, "channel"), billed=wanted.billed,
        project_id=decode_optional("Project", wanted.project_id, "projectId"),
        user_id=decode_optional("User", wanted.member_id, "memberId"),
        api_token_id=decode_optional("ApiToken", wanted.token_id, "tokenId"),
    )  # fmt: skip


def _day(value: datetime | None) -> date | None:
    return value.astimezone(UTC).date() if value is not None else None


_IDS = {"job_id": "Job", "project_id": "Project", "user_id": "User", "api_token_id": "ApiToken", "price_id": "Price"}
_COLUMNS = {
    "occurredAt": "occurred_at", "bookedAt": "booked_at", "job": "job_id", "attempt": "attempt", "kind": "kind",
    "model": "model", "channel": "channel", "provider": "provider", "inputTokens": "input_tokens",
    "cachedInputTokens": "cached_input_tokens", "cacheWriteTokens": "cache_write_tokens",
    "outputTokens": "output_tokens", "reasoningTokens": "reasoning_tokens", "source": "source", "billed": "billed",
    "cost": "cost_micros", "project": "project_id", "member": "user_id", "token": "api_token_id", "price": "price_id",
}  # fmt: skip


def _csv(rows: Sequence[Any]) -> str:
    return to_csv(list(_COLUMNS), ([_cell(row, name) for name in _COLUMNS.values()] for row in rows))


def _cell(row: Any, name: str) -> object:
    value = getattr(row, name)
    if name == "cost_micros":
        return Decimal(value) / MICRO
    return encode_id(_IDS[name], value) if name in _IDS and value is not None else value


@strawberry.type
class BillingMutations:
    @strawberry.mutation(description="Correct a wallet by hand, up or down. For platform administrators.")
    @refusals_as(ledger.CreditAdjustPayload)
    async def credit_adjust(self, info: Info, input: ledger.CreditAdjustInput) -> ledger.CreditAdjustPayload:
        context, actor = info.context, info.context.actor
        actor.require(Permission.PLATFORM)
        tenant_id = tenant_of(info, input.tenant_id)
        change = service.Change(micros_of(input.amount), input.idempotency_key, input.reason)
        async with context.services.units(tenant_id) as uow:
            entry_id = await service.adjust(uow, actor, change, request_id=context.request_id)
        entry = await fresh(info, "LedgerEntry", entry_id)
        return ledger.CreditAdjustPayload(entry=entry, wallet=await wallet_now(context, tenant_id))

    @strawberry.mutation(description="Undo an entry of the ledger, once. For platform administrators.")
    @refusals_as(ledger.EntryReversePayload)
    async def entry_reverse(self, info: Info, input: ledger.EntryReverseInput) -> ledger.EntryReversePayload:
        context, actor = info.context, info.context.actor
        actor.require(Permission.PLATFORM)
        tenant_id = tenant_of(info, input.tenant_id)
        entry_id = LedgerEntryId(decode_id("LedgerEntry", input.id))
        async with context.services.units(tenant_id) as uow:
            reversal_id = await service.reverse(
                uow, actor, entry_id, input.reason, input.idempotency_key, request_id=context.request_id
            )
        entry = await fresh(info, "LedgerEntry", reversal_id)
        return ledger.EntryReversePayload(entry=entry, wallet=await wallet_now(context, tenant_id))

    @strawberry.mutation(
        description="Add the new prices of a list: all of it, or nothing. For platform administrators."
    )
    @refusals_as(pricing.PriceImportPayload)
    async def price_import(self, info: Info, input: pricing.PriceImportInput) -> pricing.PriceImportPayload:
        actor = info.context.actor
        actor.require(Permission.PLATFORM)
        content = await asyncio.to_thread(parse_prices, input.text, input.format)
        try:
            async with info.context.services.units(actor.tenant_id) as uow:
                done = await service.import_prices(uow.billing, content)
                if done.added:
                    counts = {"imported": done.added, "unchanged": done.unchanged}
                    await audited(info, uow, "price.import", ("Tenant", actor.tenant_id), counts)
        except PricesRefused as refusal:
            return pricing.PriceImportPayload(user_errors=[_row_error(str(row)) for row in refusal.rows])
        return pricing.PriceImportPayload(imported=done.added, unchanged=done.unchanged)

    @strawberry.mutation(description="Hold a provider's statement against what was recorded. Nothing is changed.")
    @refusals_as(metering.StatementReconcilePayload)
    async def statement_reconcile(
        self, info: Info, input: metering.StatementReconcileInput
    ) -> metering.StatementReconcilePayload:
        actor = info.context.actor
        actor.require(Permission.BILLING)
        if input.every_tenant:
            actor.require(Permission.PLATFORM)
        channel = clean_line(input.channel, "channel")
        theirs = await asyncio.to_thread(read_statement, input.csv)
        first, last = _span(input, theirs)
        theirs = {key: amount for key, amount in theirs.items() if first <= key[0] <= last}
        differences, matched = compare(await _ours(info, input, channel, first, last), theirs)
        return metering.StatementReconcilePayload(
            differences=[metering.difference(one) for one in differences], matched=matched
        )


def tenant_of(info: Info, value: strawberry.ID | None) -> TenantId:
    wanted = decode_optional("Tenant", value, "tenantId")
    return TenantId(wanted) if wanted is not None else info.context.actor.tenant_id


def _row_error(message: str) -> MutationError:
    return MutationError(message=message, field=["input", "text"], code=ErrorCode.BAD_USER_INPUT)


def _span(input: metering.StatementReconcileInput, theirs: Counted) -> tuple[date, date]:
    days = [day for day, _, _ in theirs] or [datetime.now(UTC).date()]
    first, last = _day(input.from_) or min(days), _day(input.to) or max(days)
    if first > last:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "`from` lies behind `to`.", "input", "from")
    if (last - first).days >= STATEMENT_DAYS_MAX:
        message = f"At most {STATEMENT_DAYS_MAX} days at a time: say from when to when."
        raise Rejected(ErrorCode.LIMIT_REACHED, message, "input", "from")
    return first, last


async def _ours(info: Info, input: metering.StatementReconcileInput, channel: str, first: date, last: date) -> Counted:
    services: Services = info.context.services
    if input.every_tenant:
        rows = await services.database.platform_rows(reads.channel_usage(channel, first, last))
    else:
        tenant_id = info.context.actor.tenant_id
        rows = await services.database.rows(tenant_id, reads.own_channel_usage(tenant_id, channel, first, last))
    found: Counted = {}
    for row in rows:
        found[row.day, row.model, StatementQuantity.INPUT_TOKENS] = Decimal(row.input_tokens)
        found[row.day, row.model, StatementQuantity.OUTPUT_TOKENS] = Decimal(row.output_tokens)
        found[row.day, row.model, StatementQuantity.COST] = Decimal(row.cost_micros) / MICRO
    return found
