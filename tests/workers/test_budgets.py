"""Budgets held to while a text is written."""

from __future__ import annotations

from domain.billing.budgets import BudgetPeriod, BudgetSubject
from domain.billing.limits import BudgetDraft, set_budget
from domain.generation import attempts
from tests.workers.desk import Desk, offer, price


async def limited(desk: Desk, micros: int) -> None:
    draft = BudgetDraft(BudgetSubject.MEMBER, BudgetPeriod.TOTAL, micros, member_id=desk.actor.user_id)
    async with desk.units(desk.tenant_id) as uow:
        await set_budget(uow, desk.actor, draft)


async def taken(desk: Desk) -> tuple[int, int]:
    """What is reserved and spent of the one budget."""
    [row] = await desk._rows("select reserved_micros, spent_micros from app.budget_periods where tenant_id = :t")
    return row.reserved_micros, row.spent_micros


async def test_a_text_ends_where_a_budget_does_and_is_kept(desk: Desk) -> None:
    """The channel that stands in costs more than the budget has; the wallet has plenty."""
    await price(desk, "quartet", channel="dearer", output_micros=2_000_000_000)
    await offer(desk, "cheap", "reset", "quartet", priority=1)
    await offer(desk, "dearer", "ok:tokens=800,delay_ms=8", "quartet", platform=True)
    await limited(desk, 500_000)
    one = await desk.write("quartet")
    assert (one.generation.state, one.generation.truncation_reason) == ("TRUNCATED", "BUDGET")
    assert one.version
    assert 400_000 < one.books.spent <= 500_000, "as much of the budget as there is"
    assert await taken(desk) == (0, one.books.spent)
    kinds = [row.kind for row in await desk._rows("select kind from app.ledger_entries where tenant_id = :t")]
    assert kinds.count("EXTEND") == 1


async def test_a_cancelled_start_gives_back_what_it_reserved(desk: Desk) -> None:
    await limited(desk, 500_000)
    job_id = await desk.start("ok:tokens=5")
    reserved, spent = await taken(desk)
    assert (reserved > 0, spent) == (True, 0)
    await desk.cancel(job_id)
    assert await taken(desk) == (0, 0)


async def test_a_job_whose_worker_dies_spends_once(desk: Desk) -> None:
    await limited(desk, 500_000)
    job_id = await desk.start("ok:tokens=50")
    before = await taken(desk)
    await desk.die(job_id, "So far. ")
    async with desk.units(desk.tenant_id) as uow:
        await attempts.recover(uow, job_id)
    assert await taken(desk) == before
    await desk.run(job_id)
    one = await desk.outcome(job_id)
    assert await taken(desk) == (0, one.books.spent)
