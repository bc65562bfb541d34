"""In which tenants something is to be done by the clock: found by the relay's role, which sees no more than that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.ids import TenantId
from domain.invoices.monthly import reference_of

_EXPIRED = text("select distinct tenant_id from app.grants where left_micros > 0 and expires_at <= now()")
_OLD_AUDIT = text("select distinct tenant_id from app.audit_entries where at < now() - cast(:age as interval)")
_OLD_USAGE = text("select distinct tenant_id from app.usage_records where occurred_at < now() - cast(:age as interval)")
_SUBSCRIPTIONS = text("select tenant_id from app.subscriptions where ended_at is null and due_at <= now()")
_TO_BILL = text("""
    with recursive users(tenant_id) as (
        (select tenant_id from app.usage_days order by tenant_id limit 1)
        union all
        select (
            select further.tenant_id from app.usage_days as further
            where further.tenant_id > users.tenant_id order by further.tenant_id limit 1
        ) from users where users.tenant_id is not null
    ), candidates as (
        select tenant_id from users where exists (
            select from app.usage_days as used where used.tenant_id = users.tenant_id
                and used.day >= :since and used.day < cast(:month as date) + interval '1 month'
        )
        union
        select tenant_id from app.invoice_items
            where invoice_id is null and created_at < (cast(:month as date) + interval '1 month') at time zone 'UTC'
    )
    select tenant_id from candidates where not exists (
        select from app.invoices as issued
        where issued.tenant_id = candidates.tenant_id and issued.reference = :reference
    )
""")
"""From tenant to tenant through the key's index, a few steps each: all days of all tenants are far more."""
_UNPAID = text("""
    select distinct tenant_id from app.invoices
    where state in ('OPEN', 'OVERDUE') and due_at <= now() + cast(:within as interval)
""")
_LEFT_FILES = text("""
    select tenant_id from app.uploads where expires_at < now() - cast(:uploads as interval)
    union
    select tenant_id from app.blobs where refs = 0 and touched_at < now() - cast(:orphans as interval)
""")
_DELETED_DOCUMENTS = text("""
    select distinct tenant_id from app.knowledge_documents where deleted_at is not null and characters > 0
""")
_TO_PURGE = text("""
    select distinct tenant_id from app.conversations
    where deleted_at < now() - cast(:age as interval) and purged_at is null
""")
LATE_USAGE_MAX = timedelta(days=62)
"""Usage that was booked later than this after it occurred waits for a month with other usage."""


class DueTenants:
    def __init__(self, relay: AsyncEngine) -> None:
        self._relay = relay

    async def with_expired_grants(self) -> Sequence[TenantId]:
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_EXPIRED)]

    async def without_invoice(self, month: date) -> Sequence[TenantId]:
        """Where something may be billed of the month that begins on this day, and no invoice of it is there."""
        asked = {"month": month, "since": month - LATE_USAGE_MAX, "reference": reference_of(month)}
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_TO_BILL, asked)]

    async def with_unpaid_invoices(self, within: timedelta) -> Sequence[TenantId]:
        """Where an invoice is due within so long, or was before."""
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_UNPAID, {"within": within})]

    async def with_old_audit(self, days: int) -> Sequence[TenantId]:
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_OLD_AUDIT, {"age": timedelta(days=days)})]

    async def with_old_usage(self, days: int) -> Sequence[TenantId]:
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_OLD_USAGE, {"age": timedelta(days=days)})]

    async def with_due_subscriptions(self) -> Sequence[TenantId]:
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_SUBSCRIPTIONS)]

    async def with_deleted_documents(self) -> Sequence[TenantId]:
        """Where something of a deleted document is left to forget."""
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_DELETED_DOCUMENTS)]

    async def with_left_files(self, uploads: timedelta, orphans: timedelta) -> Sequence[TenantId]:
        """Where an upload's time was over so long ago, or no file has held some blob for so long."""
        ages = {"uploads": uploads, "orphans": orphans}
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_LEFT_FILES, ages)]

    async def with_conversations_to_purge(self, age: timedelta) -> Sequence[TenantId]:
        """Where one was deleted so long ago."""
        async with self._relay.connect() as connection:
            return [TenantId(one) for one in await connection.scalars(_TO_PURGE, {"age": age})]
