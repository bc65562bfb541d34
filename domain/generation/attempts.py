"""Attempts of a generation: how each is closed and booked, and how the last one ends its job, exactly once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from domain.billing import Price, Usage, UsageRecord, book_usage, cost
from domain.billing.alerts import end_hold
from domain.channels.offers import price_name
from domain.errors import LeaseLost
from domain.generation import targets
from domain.generation.endings import Ending, after_crash, cancelled, failed
from domain.generation.entities import JOB_STATE, Attempt, AttemptOutcome, Generation, GenerationState, Route
from domain.generation.provider import UsageSource
from domain.generation.work import new_attempt
from domain.ids import JobId, MessageId, VersionId
from domain.jobs import JobState, Lease
from domain.text import estimated_tokens
from domain.unit_of_work import UnitOfWork

CRASHED = Ending(GenerationState.QUEUED, AttemptOutcome.CRASHED, keeps_text=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt came to. Usage of source UNKNOWN: the provider never said and nothing was estimated.

    `price` is what its call was metered by; None when no call was made, or by a worker that is gone.
    """

    text: str
    ending: Ending
    usage: Usage
    first_token_at: datetime | None
    trace: list[str]
    finish_reason: str | None = None
    route: Route | None = None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What a generation has left behind, and what its author paid."""

    version_id: VersionId | None
    charged_micros: int
    message_id: MessageId | None = None


async def switch_attempt(uow: UnitOfWork, lease: Lease, result: Result) -> Lease:
    """Close a failed attempt, book its tokens to the operator, and open the next. Raises LeaseLost."""
    renewed = await uow.jobs.next_attempt(lease)
    generation, attempt = await _of_lease(uow, lease)
    await _close_attempt(uow, generation, attempt, result, billed=False)
    await uow.generation.add(new_attempt(uow, generation, renewed.attempt))
    return renewed


async def already_switched(uow: UnitOfWork, lease: Lease) -> Lease:
    """The lease of the attempt that a switch from this one has opened. Raises LeaseLost when there was none."""
    job = await uow.jobs.lock(lease.job_id)
    if job is None or job.lease_token != lease.token or job.attempt != lease.attempt + 1:
        raise LeaseLost
    return replace(lease, attempt=job.attempt)


async def finish(uow: UnitOfWork, lease: Lease, result: Result) -> Ended:
    """End the job, the generation and the attempt, keep the text, settle the money: all or nothing.

    Raises LeaseLost when another worker owns the job.
    """
    ending = result.ending
    error = (ending.code, ending.message or "") if ending.code else None
    await uow.jobs.close(lease, JOB_STATE[ending.state], error)
    generation, attempt = await _of_lease(uow, lease)
    await targets.lock(uow, generation)
    generation.state, generation.finished_at = ending.state, uow.now
    generation.truncation_reason = ending.truncation
    generation.error_code, generation.error_message = ending.code, ending.message
    billed = ending.billed and targets.is_kept(generation, result.text)
    spent = await _close_attempt(uow, generation, attempt, result, billed=billed)
    await targets.keep_text(uow, generation, attempt, result.text if ending.keeps_text else "")
    charged = await end_hold(uow, lease.job_id, lease.attempt, spent if billed else 0)
    await targets.tell(uow, generation)
    return Ended(generation.version_id, charged, generation.message_id)


async def give_up(uow: UnitOfWork, lease: Lease) -> None:
    """End a job that a fault of ours keeps from beginning: nothing was asked of a model, and nothing is paid."""
    ending = failed("INTERNAL", "Something went wrong on our side. Try again later.")
    await uow.jobs.close(lease, JOB_STATE[ending.state], ("INTERNAL", ending.message or ""))
    generation = await uow.generation.of_job(lease.job_id)
    if generation is not None:
        await targets.lock(uow, generation)
        generation.state, generation.finished_at = ending.state, uow.now
        generation.error_code, generation.error_message = ending.code, ending.message
        await targets.keep_text(uow, generation, None, "")
    await end_hold(uow, lease.job_id, lease.attempt, 0)
    if generation is not None:
        await targets.tell(uow, generation)


async def _of_lease(uow: UnitOfWork, lease: Lease) -> tuple[Generation, Attempt]:
    generation = await uow.generation.of_job(lease.job_id)
    attempt = await uow.generation.attempt(generation.id, lease.attempt) if generation is not None else None
    if generation is None or attempt is None:
        raise LeaseLost
    return generation, attempt


async def _close_attempt(
    uow: UnitOfWork, generation: Generation, attempt: Attempt, result: Result, *, billed: bool
) -> int:
    """Write the attempt's end and its one usage record. Returns what it cost."""
    if (route := result.route) is not None:
        generation.channel_id, generation.channel = route.channel_id, route.channel
        attempt.channel_id, attempt.channel, attempt.model = route.channel_id, route.channel, route.model
        attempt.decision = route.decision
    usage, price = result.usage, result.price or await _price_of(uow, attempt)
    attempt.outcome, attempt.text, attempt.ended_at = result.ending.outcome, result.text, uow.now
    attempt.first_token_at = result.first_token_at or attempt.first_token_at
    attempt.trace = [*attempt.trace, *result.trace]
    attempt.finish_reason = result.finish_reason
    attempt.error_code, attempt.error_message = result.ending.code, result.ending.message
    attempt.input_tokens, attempt.output_tokens = usage.input_tokens, usage.output_tokens
    attempt.cached_input_tokens, attempt.usage_source = usage.cached_input_tokens, usage.source
    attempt.cost_micros = spent = cost(price, usage)
    record = UsageRecord(
        generation.job_id, attempt.number, "LLM", attempt.model, attempt.channel, usage, spent, billed, uow.now,
        price.id, generation.project_id, attempt.channel_id or generation.channel_id,
    )  # fmt: skip
    await book_usage(uow.billing, record)
    return spent


async def book_unheard(uow: UnitOfWork, lease: Lease, usage: Usage, price: Price, route: Route) -> None:
    """What a provider went on counting after the author had left is the operator's."""
    generation, _ = await _of_lease(uow, lease)
    record = UsageRecord(
        lease.job_id, lease.attempt, "DRAIN", route.model, route.channel, usage, cost(price, usage), False, uow.now,
        price.id, generation.project_id, route.channel_id,
    )  # fmt: skip
    await book_usage(uow.billing, record)


async def _price_of(uow: UnitOfWork, attempt: Attempt) -> Price:
    """Looked up again: no worker knows any more what the call was metered by."""
    channel = await uow.channels.channel(attempt.channel_id) if attempt.channel_id is not None else None
    return await uow.billing.price_of(attempt.model, price_name(channel))


async def recover(uow: UnitOfWork, job_id: JobId) -> JobState | None:
    """Put a job whose worker died back into the queue, or end it. None when its worker is alive after all."""
    taken = await uow.jobs.reclaim(job_id)
    if taken is None:
        return None
    job, lease = taken
    generation = await uow.generation.of_job(job_id)
    if generation is None:
        await uow.jobs.close(lease, JobState.FAILED, ("INTERNAL", "The job has nothing to work on."))
        return JobState.FAILED
    attempt = await uow.generation.attempt(generation.id, job.attempt)
    text = attempt.text if attempt is not None else ""
    prompt_tokens = int(generation.receipt["prompt_tokens"]) if text else 0
    usage = Usage(prompt_tokens, estimated_tokens(text), source=UsageSource.ESTIMATE)
    trace = ["the worker stopped answering; its lease expired"]
    ending = after_crash(crashes=job.crashes, cancel_requested=job.cancel_requested_at is not None, text=text)
    if ending is not None:
        await finish(uow, lease, Result(text, ending, usage, None, trace))
        return JOB_STATE[ending.state]
    await hand_back(uow, lease, Result(text, CRASHED, usage, None, trace))
    return JobState.QUEUED


async def hand_back(uow: UnitOfWork, lease: Lease, result: Result) -> None:
    """Close the attempt and put the job back into the queue, or end it when its cancel was asked. Raises LeaseLost."""
    job = await uow.jobs.lock(lease.job_id)
    if job is not None and job.state == JobState.CANCELLING:
        await finish(uow, lease, replace(result, ending=cancelled(result.text)))
        return
    await uow.jobs.requeue(lease)
    generation, attempt = await _of_lease(uow, lease)
    await _close_attempt(uow, generation, attempt, result, billed=False)
    generation.state = GenerationState.QUEUED


async def already_ended(uow: UnitOfWork, lease: Lease) -> Ended:
    """What this lease's attempt has ended its job with. Raises LeaseLost when it was not this one."""
    job = await uow.jobs.lock(lease.job_id)
    generation = await uow.generation.of_job(lease.job_id)
    if job is None or generation is None or not JobState(job.state).terminal or job.attempt != lease.attempt:
        raise LeaseLost
    return Ended(generation.version_id, await uow.billing.charged(lease.job_id), generation.message_id)
