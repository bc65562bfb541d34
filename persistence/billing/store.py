"""The billing room of a unit of work."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, func, insert, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.billing.grants import Grant, GrantSource, Hold, Move
from domain.billing.ledger import AccountKind, Entry, EntryKind, Posting
from domain.billing.money import QuotaExhausted
from domain.billing.prices import ANY_MODEL, Price, choose
from domain.billing.usage import UsageRecord
from domain.errors import NotFound
from domain.ids import JobId, LedgerEntryId, PriceId, TenantId, new_id
from persistence.billing.alerts import SqlAlerts
from persistence.billing.budgets import SqlBudgets
from persistence.billing.reads import spent
from persistence.billing.tables import (
    grant_moves,
    grants,
    holds,
    ledger_accounts,
    ledger_entries,
    ledger_postings,
    prices,
    usage_records,
)
from persistence.channels.tables import channels
from persistence.jobs.tables import jobs

_LOCK_PRICES = text("select pg_advisory_xact_lock(hashtextextended('fabula.prices', 0))")
_TAKE_WALLET = text("select app.take_wallet()")
_FORGET_USAGE = text("select app.forget_usage(:before, :batch)")


class SqlBilling:
    """Implements `domain.billing.store.BillingStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId, now: datetime) -> None:
        self._session = session
        self._tenant_id = tenant_id
        self.now = now
        self.moved = False
        """Whether anything was posted or used."""
        self.budgets = SqlBudgets(session, tenant_id, now)
        self.alerts = SqlAlerts(session, tenant_id)

    # -- prices ---------------------------------------------------------------------------------------------------

    async def price_of(self, model: str, channel: str | None = None) -> Price:
        rows = await self._prices({model}, {channel} - {None})
        return self._chosen(rows, model, channel)

    async def prices_of(self, calls: Collection[tuple[str, str]]) -> dict[tuple[str, str], Price]:
        rows = await self._prices({model for model, _ in calls}, {channel for _, channel in calls})
        return {call: self._chosen(rows, *call) for call in calls}

    async def _prices(self, models: set[str], names: set[Any]) -> Sequence[Price]:
        """Every row in force that may decide."""
        rows = await self._session.scalars(
            select(Price).where(
                prices.c.model.in_({*models, ANY_MODEL}),
                or_(prices.c.channel.is_(None), prices.c.channel.in_(names)),
                prices.c.group.is_(None),
                prices.c.valid_from <= self.now,
                or_(prices.c.valid_to.is_(None), prices.c.valid_to > self.now),
            )
        )
        return rows.all()

    def _chosen(self, rows: Sequence[Price], model: str, channel: str | None) -> Price:
        chosen = choose(rows, model, channel, self.now)
        if chosen is None:
            raise LookupError(f"there is no price of {model}, not even of any model")
        return chosen

    async def lock_prices(self) -> Sequence[Price]:
        await self._session.execute(_LOCK_PRICES)
        key = prices.c.model, prices.c.channel, prices.c.group, prices.c.priority
        last = select(Price).ext(distinct_on(*key)).order_by(*key, prices.c.valid_from.desc())
        return (await self._session.scalars(last)).all()

    async def add_prices(self, prices: Sequence[Price]) -> None:
        for one in prices:
            one.id = PriceId(new_id())
        self._session.add_all(prices)
        await self._session.flush()

    # -- the ledger -----------------------------------------------------------------------------------------------

    async def open_wallet(self) -> None:
        rows = [{"tenant_id": self._tenant_id, "kind": kind} for kind in AccountKind]
        await self._session.execute(insert(ledger_accounts), rows)

    async def lock_wallet(self) -> list[Grant]:
        if not await self._session.scalar(_TAKE_WALLET):
            raise NotFound("The wallet")
        rows = await self._session.execute(
            select(grants).where(grants.c.tenant_id == self._tenant_id, grants.c.left_micros > 0)
        )
        return [_grant(row) for row in rows]

    async def post(self, entry: Entry) -> LedgerEntryId:
        self.moved = True
        await self._session.flush()
        entry_id = LedgerEntryId(new_id())
        own = {"tenant_id": self._tenant_id, "entry_id": entry_id}
        line = insert(ledger_entries).values(
            tenant_id=self._tenant_id, id=entry_id, kind=entry.kind, reference=entry.reference, job_id=entry.job_id,
            reason=entry.reason, reverses_id=entry.reverses_id, posted_by=entry.posted_by,
        )  # fmt: skip
        postings = [own | {"account": one.account, "micros": one.micros} for one in entry.postings]
        try:
            async with self._session.begin_nested():
                await self._session.execute(line)
                await self._session.execute(insert(ledger_postings).values(postings))
        except IntegrityError as error:
            if "ledger_accounts_covered_check" not in str(error.orig):
                raise
            needed = -min(one.micros for one in entry.postings)
            raise QuotaExhausted(needed, await self.available()) from None
        if entry.opens:
            opened = [_new_grant(self._tenant_id, one) for one in entry.opens]
            await self._session.execute(insert(grants).values(opened))
        if entry.moves:
            moves = [own | {"grant_id": one.grant_id, "micros": one.micros} for one in entry.moves]
            await self._session.execute(insert(grant_moves).values(moves))
        return entry_id

    async def available(self) -> int:
        return (
            await self._session.scalar(
                select(ledger_accounts.c.balance).where(
                    ledger_accounts.c.tenant_id == self._tenant_id, ledger_accounts.c.kind == AccountKind.AVAILABLE
                )
            )
            or 0
        )

    async def entry(self, entry_id: LedgerEntryId) -> Entry | None:
        row = (await self._session.execute(self._entries().where(ledger_entries.c.id == entry_id))).first()
        if row is None:
            return None
        part, move = ledger_postings.c, grant_moves.c
        postings = await self._session.execute(
            select(part.account, part.micros).where(part.tenant_id == self._tenant_id, part.entry_id == entry_id)
        )
        moves = await self._session.execute(
            select(move.grant_id, move.micros).where(move.tenant_id == self._tenant_id, move.entry_id == entry_id)
        )
        return Entry(
            EntryKind(row.kind), row.reference, tuple(Posting(AccountKind(one.account), one.micros) for one in postings),
            row.job_id, tuple(Move(*one) for one in moves), (), row.reason, row.reverses_id, row.posted_by,
        )  # fmt: skip

    async def entry_by(self, kind: EntryKind, reference: str) -> LedgerEntryId | None:
        entry = ledger_entries.c
        found = (
            await self._session.execute(self._entries().where(entry.kind == kind, entry.reference == reference))
        ).first()
        return LedgerEntryId(found.id) if found is not None else None

    def _entries(self) -> Select[Any]:
        return select(ledger_entries).where(ledger_entries.c.tenant_id == self._tenant_id)

    # -- holds ----------------------------------------------------------------------------------------------------

    async def open_hold(self, job_id: JobId, micros: int) -> None:
        await self._session.execute(insert(holds).values(tenant_id=self._tenant_id, job_id=job_id, micros=micros))

    async def extend_hold(self, job_id: JobId, micros: int) -> int | None:
        held: int | None = await self._session.scalar(
            update(holds)
            .where(*self._open(), holds.c.job_id == job_id)
            .values(micros=holds.c.micros + micros)
            .returning(holds.c.micros)
        )
        return held

    async def close_hold(self, job_id: JobId) -> Hold | None:
        closed = await self._session.execute(
            update(holds)
            .where(*self._open(), holds.c.job_id == job_id)
            .values(closed_at=func.now())
            .returning(holds.c.job_id, holds.c.micros, holds.c.opened_at)
        )
        row = closed.first()
        return Hold(*row) if row is not None else None

    async def held(self, job_id: JobId) -> int:
        return await self._session.scalar(select(holds.c.micros).where(*self._open(), holds.c.job_id == job_id)) or 0

    async def open_holds(self) -> list[Hold]:
        rows = await self._session.execute(
            select(holds.c.job_id, holds.c.micros, holds.c.opened_at).where(*self._open())
        )
        return [Hold(*row) for row in rows]

    async def closed(self, job_id: JobId) -> bool:
        entry = ledger_entries.c
        closing = entry.job_id == job_id, entry.kind.in_((EntryKind.SETTLE, EntryKind.RELEASE))
        return (await self._session.execute(self._entries().where(*closing))).first() is not None

    async def charged(self, job_id: JobId) -> int:
        return await self._session.scalar(spent(self._tenant_id).where(ledger_entries.c.job_id == job_id)) or 0

    def _open(self) -> tuple[ColumnElement[bool], ...]:
        return holds.c.tenant_id == self._tenant_id, holds.c.closed_at.is_(None)

    # -- usage ----------------------------------------------------------------------------------------------------

    async def record_usage(self, record: UsageRecord) -> None:
        self.moved = True
        usage = record.usage
        values: dict[str, Any] = {
            "tenant_id": self._tenant_id, "job_id": record.job_id, "attempt": record.attempt, "kind": record.kind,
            "model": record.model, "channel": record.channel, "input_tokens": usage.input_tokens,
            "cached_input_tokens": usage.cached_input_tokens, "cache_write_tokens": usage.cache_write_tokens,
            "output_tokens": usage.output_tokens, "reasoning_tokens": usage.reasoning_tokens, "source": usage.source,
            "cost_micros": record.cost_micros, "billed": record.billed, "price_id": record.price_id,
            "project_id": record.project_id, "channel_id": record.channel_id, "occurred_at": record.occurred_at,
        }  # fmt: skip
        await self._session.execute(insert(usage_records).values(**values, **self._asker(record)))

    def _asker(self, record: UsageRecord) -> dict[str, Any]:
        """Who asked, as the job knows, and what the channel speaks."""
        job = jobs.c
        mine = (job.tenant_id == self._tenant_id, job.id == record.job_id)
        token = func.nullif(func.split_part(job.principal, literal("token:", Text), 2), "")
        return {
            "user_id": select(job.requested_by).where(*mine).scalar_subquery(),
            "api_token_id": select(token.cast(job.id.type)).where(*mine).scalar_subquery(),
            "provider": select(channels.c.provider)
            .where(channels.c.id == record.channel_id)
            .limit(1)
            .scalar_subquery(),
        }

    async def forget_usage(self, before: datetime, batch: int) -> int:
        return await self._session.scalar(_FORGET_USAGE, {"before": before, "batch": batch}) or 0


def _grant(row: Any) -> Grant:
    return Grant(row.id, GrantSource(row.source), row.amount_micros, row.left_micros, row.priority, row.expires_at)


def _new_grant(tenant_id: TenantId, grant: Grant) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id, "id": grant.id, "source": grant.source, "amount_micros": grant.amount_micros,
        "priority": grant.priority, "expires_at": grant.expires_at,
    }  # fmt: skip
