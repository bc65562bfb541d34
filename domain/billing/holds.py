"""A job's hold: opened before it spends, extended while it does, closed once at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.billing.budgets import UNNAMED, Settled, Spender
from domain.billing.grants import burn, lapsed
from domain.billing.ledger import cost_entry, expire_entry, extend_entry, hold_entry, release_entry, settle_entry
from domain.billing.store import BillingStore
from domain.billing.usage import UsageRecord
from domain.ids import JobId


async def expire_credit(billing: BillingStore, now: datetime) -> int:
    """Move what is left of expired grants out of the wallet; how much. A second call moves nothing."""
    grants = await billing.lock_wallet()
    if not any(grant.expired(now) for grant in grants):
        return 0
    moves = lapsed(grants, await billing.open_holds(), now)
    for move in moves:
        await billing.post(expire_entry(move, now))
    return -sum(move.micros for move in moves)


async def take_hold(billing: BillingStore, job_id: JobId, micros: int, spender: Spender = UNNAMED) -> None:
    """Reserve credit for a job, of the wallet and of every budget that it falls under.

    Raises QuotaExhausted, or BudgetExceeded for a budget; then nothing of the unit of work may be kept. A free model's
    job holds nothing, and closing it moves nothing.
    """
    if micros:
        await expire_credit(billing, billing.now)
    await billing.budgets.reserve(job_id, spender, micros)
    if not micros:
        return
    await billing.post(hold_entry(job_id, micros))
    await billing.open_hold(job_id, micros)


async def extend_hold(billing: BillingStore, job_id: JobId, micros: int) -> int | None:
    """Reserve more for a job that runs, also where nothing was held yet. What its hold comes to; None once it is closed.

    The caller has made sure that the job has not ended. Raises QuotaExhausted, or BudgetExceeded for a budget; then
    nothing of the unit of work may be kept, and the hold is as it was.
    """
    await expire_credit(billing, billing.now)
    held = await billing.held(job_id)
    if not held and await billing.closed(job_id):
        return None
    await billing.budgets.reserve_more(job_id, micros)
    if held:
        await billing.post(extend_entry(job_id, micros, held + micros))
        return await billing.extend_hold(job_id, micros)
    await billing.post(hold_entry(job_id, micros))
    await billing.open_hold(job_id, micros)
    return micros


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a job's author was charged, and what that did to budgets."""

    charged_micros: int
    budgets: Sequence[Settled]


async def close_hold(billing: BillingStore, job_id: JobId, attempt: int, cost_micros: int) -> int:
    """Settle a job's hold, or give it back when nothing was spent. What its author was charged.

    A cost for which nothing was held is the operator's. A second call changes nothing and charges nothing.
    """
    return (await settle_hold(billing, job_id, attempt, cost_micros)).charged_micros


async def settle_hold(billing: BillingStore, job_id: JobId, attempt: int, cost_micros: int) -> Settlement:
    """The same, with what it did to budgets."""
    charged = await _settle(billing, job_id, attempt, cost_micros)
    return Settlement(charged, await billing.budgets.settle(job_id, charged))


async def _settle(billing: BillingStore, job_id: JobId, attempt: int, cost_micros: int) -> int:
    grants = await billing.lock_wallet()
    hold = await billing.close_hold(job_id)
    if hold is None:
        if cost_micros and not await billing.closed(job_id):
            await billing.post(settle_entry(job_id, attempt, 0, cost_micros))
        return 0
    if not cost_micros:
        await billing.post(release_entry(job_id, hold.micros))
        return 0
    charged = min(cost_micros, hold.micros)
    moves = burn(grants, charged, since=hold.opened_at)
    await billing.post(settle_entry(job_id, attempt, hold.micros, cost_micros, moves))
    return charged


async def book_usage(billing: BillingStore, record: UsageRecord) -> None:
    """Record what an attempt used. What its author is not billed for is booked to the operator's COST."""
    await billing.record_usage(record)
    if record.cost_micros and not record.billed:
        await billing.post(cost_entry(record.job_id, record.attempt, record.kind, record.cost_micros))
