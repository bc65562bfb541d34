"""What a search asks of a provider is a job of its own: held before, booked and charged behind, given back if it failed.

The job is done where it is asked for, and no worker is told of it. The sweeper ends one whose process has died.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from domain.accounts import Actor
from domain.billing import Price, Spender, Usage, UsageRecord, book_usage, cost, take_hold
from domain.billing.alerts import end_hold
from domain.errors import ErrorCode, LeaseLost, Rejected
from domain.ids import ChannelId, JobId, TenantId, UserId, new_id
from domain.invoices.service import refuse_overdue
from domain.jobs import QUEUES, Job, JobKind, JobState, Lease, Stopped, Waiting
from domain.unit_of_work import OpenUnitOfWork, UnitOfWork, whole

LEASE_S = 30.0
"""Longer than any call for which a person waits."""
FAILED = ("INTERNAL", "The model did not answer.")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Payer:
    """Whose wallet it is, and who asks: under whose budgets it falls."""

    tenant_id: TenantId
    user_id: UserId | None
    principal: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be asked, of the usage kind `kind`, at most of so many tokens. `priced_as`: model and channel."""

    kind: str
    priced_as: tuple[str, str]
    tokens: int
    channel: str
    channel_id: ChannelId | None = None


class Till(Protocol):
    async def pay(self, payer: Payer, call: Call, ask: Callable[[], Awaitable[tuple[T, Usage]]]) -> T:
        """Ask, and have it paid for. Nothing is asked that cannot be.

        Raises QuotaExhausted or BudgetExceeded, Rejected(PAYMENT_OVERDUE), and what `ask` raises, which costs nothing.
        """
        ...


@dataclass(frozen=True)
class JobTill:
    """Implements `Till`."""

    units: OpenUnitOfWork

    async def pay(self, payer: Payer, call: Call, ask: Callable[[], Awaitable[tuple[T, Usage]]]) -> T:
        async with self.units(payer.tenant_id) as uow:
            lease, price = await _begin(uow, payer, call)
        try:
            found, usage = await ask()
        except BaseException:
            await whole(self._end(lease, call, price, None))
            raise
        await whole(self._end(lease, call, price, usage))
        return found

    async def _end(self, lease: Lease, call: Call, price: Price, usage: Usage | None) -> None:
        """What took longer than its lease has been given back by the sweeper, and is the operator's."""
        with contextlib.suppress(LeaseLost):
            async with self.units(lease.tenant_id) as uow:
                await _end(uow, lease, call, price, usage)


async def _begin(uow: UnitOfWork, payer: Payer, call: Call) -> tuple[Lease, Price]:
    await refuse_overdue(uow)
    price = await uow.billing.price_of(*call.priced_as)
    kind = JobKind.KNOWLEDGE_SEARCH
    job = Job(
        uow.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=payer.user_id, principal=payer.principal
    )  # fmt: skip
    lease = await uow.jobs.begin(job, LEASE_S)
    spender = Spender.of(payer.user_id, payer.principal, call.priced_as[0])
    await take_hold(uow.billing, job.id, cost(price, Usage(call.tokens, 0)), spender)
    return lease, price


async def _end(uow: UnitOfWork, lease: Lease, call: Call, price: Price, usage: Usage | None) -> None:
    await uow.jobs.close(lease, JobState.SUCCEEDED if usage else JobState.FAILED, None if usage else FAILED)
    spent = cost(price, usage) if usage else 0
    if usage:
        record = UsageRecord(
            lease.job_id, lease.attempt, call.kind, call.priced_as[0], call.channel, usage, spent, True, uow.now,
            price.id, channel_id=call.channel_id,
        )  # fmt: skip
        await book_usage(uow.billing, record)
    await end_hold(uow, lease.job_id, lease.attempt, spent)


async def recover(uow: UnitOfWork, job_id: JobId) -> JobState | None:
    """Give back what a process that died had held for a search. None when it is alive after all."""
    taken = await uow.jobs.reclaim(job_id)
    if taken is None:
        return None
    _, lease = taken
    await uow.jobs.close(lease, JobState.FAILED, FAILED)
    await end_hold(uow, job_id, lease.attempt, 0)
    return JobState.FAILED


async def cancel(uow: UnitOfWork, actor: Actor, job_id: JobId) -> Stopped:
    raise Rejected(ErrorCode.INVALID_STATE, "A search is not stopped.", "input", "id")


async def retry(uow: UnitOfWork, actor: Actor, job_id: JobId, idempotency_key: str, concurrency_max: int) -> Waiting:
    raise Rejected(ErrorCode.INVALID_STATE, "Search again instead.", "input", "id")
