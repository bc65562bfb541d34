"""Reads of the billing room: the wallet, the ledger, prices, usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Date, Select, Text, and_, any_, column, func, literal_column, or_, select

from domain.billing.usage import ROWS_MAX, UsageGroup
from domain.channels.entities import PLATFORM_TENANT
from domain.channels.offers import OWN_CHANNEL
from persistence.billing.tables import (
    grants,
    ledger_accounts,
    ledger_entries,
    ledger_postings,
    prices,
    usage_days,
    usage_records,
)
from persistence.channels.tables import channels
from persistence.listing import Lookup, by_ids
from persistence.paging import Keyset, SortColumn, moment, whole_number
from persistence.shapes import IDS, TENANT, Shape

_entry = ledger_entries.c
_grant = grants.c
_posting = ledger_postings.c
_record = usage_records.c
_day = usage_days.c
NOBODY = UUID(int=0)
"""Stands for none in `usage_days`."""

# -- the wallet ------------------------------------------------------------------------------------------------------

WALLET = Shape(select(ledger_accounts.c.kind, ledger_accounts.c.balance).where(ledger_accounts.c.tenant_id == TENANT))
"""Rows (kind, balance)."""
GRANTS = Shape(
    select(_grant.source, _grant.left_micros, _grant.priority, _grant.expires_at)
    .where(_grant.tenant_id == TENANT, _grant.left_micros > literal_column("0"))
    .order_by(_grant.expires_at.asc().nulls_last(), _grant.priority, _grant.id)
)
"""Rows (source, left_micros, priority, expires_at) of what is left, in burn-down order."""

# -- the ledger ------------------------------------------------------------------------------------------------------

ENTRIES = Keyset("ledgerEntries", (SortColumn("id", _entry.id, UUID),), descending=True)
ENTRIES_BY_ID = Lookup("LedgerEntry", ledger_entries)
POSTINGS = Shape(
    select(_posting.entry_id, _posting.account, _posting.micros)
    .where(_posting.tenant_id == TENANT, _posting.entry_id == any_(IDS))
    .order_by(_posting.account)
)


def entry_rows(tenant_id: UUID) -> Select[Any]:
    return select(*(one for one in ledger_entries.columns if one.name != "tenant_id")).where(
        _entry.tenant_id == tenant_id
    )


def spent(tenant_id: Any) -> Select[Any]:
    """The sum of what was taken from the wallet, over the entries that a caller chooses; one row."""
    return (
        select(func.sum(_posting.micros).cast(BigInteger).label("micros"))
        .select_from(ledger_entries)
        .join(ledger_postings, and_(_posting.tenant_id == _entry.tenant_id, _posting.entry_id == _entry.id))
        .where(_entry.tenant_id == tenant_id, _posting.account == literal_column("'SPENT'"))
    )


# -- prices ----------------------------------------------------------------------------------------------------------

PRICES = Keyset("prices", (SortColumn("id", prices.c.id, UUID),), descending=True)
# Prices belong to no tenant; naming one is what a shape asks for.
PRICES_BY_ID = by_ids("Price", select(prices).where(TENANT.is_not(None)), prices.c.id)


def price_rows(model: str | None, *, everything: bool) -> Select[Any]:
    """Versions of prices: everything, or what has been in force for calls that a tenant may make."""
    statement = select(prices)
    if model is not None:
        statement = statement.where(prices.c.model == model)
    if everything:
        return statement
    offered = select(channels.c.name).where(channels.c.tenant_id == PLATFORM_TENANT)
    reachable = prices.c.channel.is_(None), prices.c.channel == OWN_CHANNEL, prices.c.channel.in_(offered)
    return statement.where(prices.c.valid_from <= func.now(), prices.c.group.is_(None), or_(*reachable))


# -- usage -----------------------------------------------------------------------------------------------------------

_GROUPS: Mapping[UsageGroup, Any] = {
    UsageGroup.DAY: _day.day,
    UsageGroup.MODEL: _day.model,
    UsageGroup.CHANNEL: _day.channel,
    UsageGroup.PROJECT: _day.project_id,
    UsageGroup.MEMBER: _day.user_id,
    UsageGroup.TOKEN: _day.api_token_id,
}
_SUMS = (
    "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "cost_micros",
    "records",
)  # fmt: skip


def usage_rows(
    tenant_id: UUID, since: date, until: date, groups: Sequence[UsageGroup], billed: bool | None
) -> Select[Any]:
    """The groups' columns and the sums of each, over days that are both included; one row more than may be shown."""
    by = [_GROUPS[group] for group in groups]
    sums = [func.sum(usage_days.c[name]).cast(BigInteger).label(name) for name in _SUMS]
    wanted = [_day.tenant_id == tenant_id, _day.day.between(since, until)]
    if billed is not None:
        wanted.append(_day.billed.is_(billed))
    return select(*by, *sums).where(*wanted).group_by(*by).order_by(*by).limit(ROWS_MAX + 1)


RECORDS = Keyset(
    "usageRecords",
    (
        SortColumn("occurred_at", _record.occurred_at, moment),
        SortColumn("job_id", _record.job_id, UUID),
        SortColumn("attempt", _record.attempt, whole_number),
        SortColumn("kind", _record.kind),
    ),
    descending=True,
)


def record_rows(
    tenant_id: UUID, since: date | None = None, until: date | None = None, **equal: str | UUID | bool | None
) -> Select[Any]:
    """Usage records of the days between, both included, whose columns are as given; None gives nothing."""
    statement = select(usage_records).where(_record.tenant_id == tenant_id)
    if since is not None:
        statement = statement.where(_record.occurred_at >= _midnight(since))
    if until is not None:
        statement = statement.where(_record.occurred_at < _midnight(until + timedelta(days=1)))
    return statement.where(*(usage_records.c[name] == value for name, value in equal.items() if value is not None))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


_COUNTED = (
    column("day", Date), column("model", Text), column("input_tokens", BigInteger), column("output_tokens", BigInteger),
    column("cost_micros", BigInteger),
)  # fmt: skip


def channel_usage(channel: str, since: date, until: date) -> Select[Any]:
    """What all tenants used of a channel, by day and model: for the operator."""
    counted = func.app.channel_usage(channel, since, until).table_valued(*_COUNTED)
    return select(counted)


def own_channel_usage(tenant_id: UUID, channel: str, since: date, until: date) -> Select[Any]:
    """What a tenant used of a channel, by day and model."""
    sums = [
        func.sum(usage_days.c[name]).cast(BigInteger).label(name)
        for name in ("input_tokens", "output_tokens", "cost_micros")
    ]
    return (
        select(_day.day, _day.model, *sums)
        .where(_day.tenant_id == tenant_id, _day.channel == channel, _day.day.between(since, until))
        .group_by(_day.day, _day.model)
    )
