"""The invoice room of a unit of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import InvoiceId, TenantId
from domain.invoices.entities import UNPAID, BillingDetails, CreditNote, Invoice, InvoiceItem, ItemKind, MonthUsed, Used
from persistence.accounts.tables import tenants
from persistence.invoices.reads import LINE_ORDER
from persistence.invoices.tables import billing_details, credit_notes, invoice_items, invoices

_LOCK = text("select pg_advisory_xact_lock(hashtextextended('fabula.invoices:' || :tenant, 0))")
_UNBILLED = text("""
    select month, model, sum(input_tokens)::bigint, sum(cached_input_tokens)::bigint, sum(cache_write_tokens)::bigint,
        sum(output_tokens)::bigint, sum(reasoning_tokens)::bigint, sum(cost_micros)::bigint as cost_micros,
        sum(records)::bigint as records
    from (
        select date_trunc('month', day::timestamp)::date as month, model, input_tokens, cached_input_tokens,
            cache_write_tokens, output_tokens, reasoning_tokens, cost_micros, records
        from app.usage_days where tenant_id = :tenant and billed and day < :before
        union all
        select starts_on, usage ->> 'model', -(usage ->> 'input_tokens')::bigint,
            -(usage ->> 'cached_input_tokens')::bigint, -(usage ->> 'cache_write_tokens')::bigint,
            -(usage ->> 'output_tokens')::bigint, -(usage ->> 'reasoning_tokens')::bigint, -amount_micros, -quantity
        from app.invoice_items where tenant_id = :tenant and kind = 'USAGE' and usage is not null
    ) as both_sides
    group by month, model having sum(records) > 0 order by month, model
""")
"""What usage came to by day, less the lines of invoices. Both sides are kept for ever."""
_item = invoice_items.c


class SqlInvoices:
    """Implements `domain.invoices.store.InvoiceStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add_item(self, item: InvoiceItem) -> bool:
        statement = insert(invoice_items).values(self._row(item, None))
        once = statement.on_conflict_do_nothing(index_elements=["tenant_id", "reference"])
        return await self._session.scalar(once.returning(_item.id)) is not None

    def _row(self, item: InvoiceItem, invoice_id: InvoiceId | None) -> dict[str, Any]:
        return {
            "tenant_id": self._tenant_id, "id": item.id, "kind": item.kind, "description": item.description,
            "quantity": item.quantity, "unit": item.unit, "unit_price_micros": item.unit_price_micros,
            "amount_micros": item.amount_micros, "starts_on": item.starts_on, "ends_on": item.ends_on,
            "usage": asdict(item.usage) if item.usage is not None else None, "reference": item.reference,
            "invoice_id": invoice_id,
        }  # fmt: skip

    async def lock(self) -> None:
        await self._session.execute(_LOCK, {"tenant": str(self._tenant_id)})

    async def pending(self, before: datetime | None = None) -> Sequence[InvoiceItem]:
        statement = select(invoice_items).where(_item.tenant_id == self._tenant_id, _item.invoice_id.is_(None))
        if before is not None:
            statement = statement.where(_item.created_at < before)
        return [item_of(row) for row in await self._session.execute(statement.order_by(_item.id))]

    async def next_number(self, seller_tax_id: str, series: str, year: int) -> int:
        await self._session.flush()
        number: int = (
            await self._session.execute(select(func.app.next_number(seller_tax_id, series, year)))
        ).scalar_one()
        return number

    async def buyer(self) -> dict[str, Any]:
        detail = billing_details.c
        columns = (detail.name, detail.address, detail.tax_id, detail.email, detail.country)
        own = (await self._session.execute(select(*columns).where(detail.tenant_id == self._tenant_id))).first()
        if own is not None:
            return dict(own._mapping)
        name = await self._session.scalar(select(tenants.c.name).where(tenants.c.tenant_id == self._tenant_id))
        return {"name": name or "", "address": "", "tax_id": "", "email": "", "country": ""}

    async def add(self, invoice: Invoice, pending: Sequence[InvoiceItem], more: Sequence[InvoiceItem]) -> None:
        self._session.add(invoice)
        await self._session.flush()
        ids = [one.id for one in pending]
        if ids:
            billed = update(invoice_items).where(_item.tenant_id == self._tenant_id, _item.id.in_(ids))
            await self._session.execute(billed.values(invoice_id=invoice.id))
        if more:
            await self._session.execute(insert(invoice_items).values([self._row(one, invoice.id) for one in more]))

    async def invoice(self, invoice_id: InvoiceId) -> Invoice | None:
        key = self._tenant_id, invoice_id
        return await self._session.get(Invoice, key, with_for_update={"key_share": True}, populate_existing=True)

    async def add_note(self, note: CreditNote) -> None:
        self._session.add(note)
        await self._session.flush()

    async def credited_micros(self, invoice_id: InvoiceId) -> int:
        note = credit_notes.c
        mine = note.tenant_id == self._tenant_id, note.invoice_id == invoice_id
        total = func.coalesce(func.sum(note.amount_micros), 0).cast(BigInteger)
        return await self._session.scalar(select(total).where(*mine)) or 0

    async def set_details(self, details: BillingDetails, now: datetime) -> None:
        values = {**asdict(details), "updated_at": now}
        statement = insert(billing_details).values(tenant_id=self._tenant_id, **values)
        await self._session.execute(statement.on_conflict_do_update(index_elements=["tenant_id"], set_=values))

    async def unpaid(self, due_before: datetime) -> Sequence[InvoiceId]:
        invoice = invoices.c
        late = select(invoice.id).where(
            invoice.tenant_id == self._tenant_id, invoice.state.in_(sorted(UNPAID)), invoice.due_at <= due_before
        )
        return [InvoiceId(one) for one in await self._session.scalars(late.order_by(invoice.id))]

    async def unbilled_usage(self, before: date) -> Sequence[MonthUsed]:
        rows = await self._session.execute(_UNBILLED, {"tenant": self._tenant_id, "before": before})
        return [MonthUsed(row.month, Used(row.model, *row[2:7]), row.cost_micros, row.records) for row in rows]

    async def read(self, invoice_id: InvoiceId) -> Invoice | None:
        return await self._session.get(Invoice, (self._tenant_id, invoice_id))

    async def lines(self, invoice_id: InvoiceId) -> Sequence[InvoiceItem]:
        mine = _item.tenant_id == self._tenant_id, _item.invoice_id == invoice_id
        rows = await self._session.execute(select(invoice_items).where(*mine).order_by(*LINE_ORDER))
        return [item_of(row) for row in rows]

    async def by_reference(self, reference: str) -> Invoice | None:
        mine = invoices.c.tenant_id == self._tenant_id, invoices.c.reference == reference
        return (await self._session.scalars(select(Invoice).where(*mine))).one_or_none()

    async def restricted(self, now: datetime) -> bool:
        late = select(invoices.c.id).where(
            invoices.c.tenant_id == self._tenant_id, invoices.c.state.in_(sorted(UNPAID)),
            invoices.c.restricts_at <= now,
        )  # fmt: skip
        return bool(await self._session.scalar(select(exists(late))))


def item_of(row: Any) -> InvoiceItem:
    return InvoiceItem(
        ItemKind(row.kind), row.description, row.amount_micros, row.reference, row.quantity, row.unit,
        row.unit_price_micros, row.starts_on, row.ends_on, Used(**row.usage) if row.usage is not None else None, row.id,
    )  # fmt: skip
