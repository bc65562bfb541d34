"""The invoice of a month: what was used in it and what credit paid, and what has been waiting to be billed.

The rule for late events: usage is billed once, with the first monthly invoice that is issued after it was booked, as a
line of the month in which it occurred. What is billed is the difference between what usage came to by day, which is
kept for ever, and the lines of earlier invoices: so neither a late booking nor a forgotten record changes a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from domain.invoices.entities import Invoice, InvoiceItem, InvoiceReason, InvoiceTerms, ItemKind, MonthUsed
from domain.invoices.service import Draft, worth_it, write
from domain.unit_of_work import UnitOfWork

PAID_FROM_CREDIT = "Paid from credit"


def last_month(now: datetime) -> date:
    """The first day of the month that ended last, in UTC."""
    return (now.astimezone(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def month_after(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def reference_of(first: date) -> str:
    """What the invoice of a month is called in its tenant, where it can be only once."""
    return f"month:{first:%Y-%m}"


async def bill_month(uow: UnitOfWork, first: date, terms: InvoiceTerms) -> Invoice | None:
    """Issue the invoice of a month that has ended. None when there is one, and when there is nothing to say."""
    await uow.invoices.lock()
    reference, after = reference_of(first), month_after(first)
    if await uow.invoices.by_reference(reference) is not None:
        return None
    pending = await uow.invoices.pending(datetime.combine(after, time.min, UTC))
    lines = usage_lines(await uow.invoices.unbilled_usage(after), reference, first)
    if not lines and not worth_it(pending):
        return None
    last = after - timedelta(days=1)
    return await write(uow, Draft(InvoiceReason.MONTH, tuple(pending), lines, first, last, reference), terms)


def usage_lines(used: Sequence[MonthUsed], reference: str, first: date) -> tuple[InvoiceItem, ...]:
    """A line a month and model, and one that balances them: the wallet has paid."""
    lines = [
        InvoiceItem(
            ItemKind.USAGE, one.usage.model, one.cost_micros, f"{reference}:{one.month:%Y-%m}:{one.usage.model}",
            Decimal(one.records), "calls", None, one.month, month_after(one.month) - timedelta(days=1), one.usage,
        )
        for one in used
    ]  # fmt: skip
    cost = sum(one.amount_micros for one in lines)
    if cost:
        last = month_after(first) - timedelta(days=1)
        credit = f"{reference}:credit"
        line = InvoiceItem(ItemKind.CREDIT_USED, PAID_FROM_CREDIT, -cost, credit, starts_on=first, ends_on=last)
        lines.append(line)
    return tuple(lines)
