"""A job's hold: opened before it spends, extended while it does, closed once at its end."""

from __future__ import annotations

from datetime import datetime

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


async def take_hold(billing: BillingStore, job_id: JobId, micros: int) -> None:
    """Reserve credit for a job. Raises QuotaExhausted, and then nothing of the unit of work may be kept.

    A free model's job holds nothing, and closing it moves nothing.
    """
    if not micros:
        return
    await expire_credit(billing, billing.now)
    await billing.post(hold_entry(job_id, micros))
    await billing.open_hold(job_id, micros)


async def extend_hold(billing: BillingStore, job_id: JobId, micros: int) -> int | None:
    """Reserve more for a job that runs. What its hold comes to; None when it is closed or there is none.

    Raises QuotaExhausted, and then nothing of the unit of work may be kept: the hold stays as it was.
    """
    await expire_credit(billing, billing.now)
    held = await billing.extend_hold(job_id, micros)
    if held is not None:
        await billing.post(extend_entry(job_id, micros, held))
    return held


async def close_hold(billing: BillingStore, job_id: JobId, attempt: int, cost_micros: int) -> None:
    """Settle a job's hold, or give it back when nothing was spent. A second call changes nothing."""
    grants = await billing.lock_wallet()
    hold = await billing.close_hold(job_id)
    if hold is None:
        return
    if not cost_micros:
        await billing.post(release_entry(job_id, hold.micros))
        return
    moves = burn(grants, min(cost_micros, hold.micros), since=hold.opened_at)
    await billing.post(settle_entry(job_id, attempt, hold.micros, cost_micros, moves))


async def book_usage(billing: BillingStore, record: UsageRecord) -> None:
    """Record what an attempt used. What its author is not billed for is booked to the operator's COST."""
    await billing.record_usage(record)
    if record.cost_micros and not record.billed:
        await billing.post(cost_entry(record.job_id, record.attempt, record.kind, record.cost_micros))
