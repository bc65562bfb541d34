"""Use cases of generation: start, run under a lease, end exactly once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime

from domain.accounts import Actor, Permission
from domain.billing import Usage, UsageRecord, book_usage, close_hold, cost, take_hold
from domain.channels.entities import ProviderKind
from domain.channels.offers import offers_for
from domain.errors import ErrorCode, LeaseLost, NotFound, Rejected
from domain.generation.endings import Ending, after_crash, cancelled
from domain.generation.entities import (
    JOB_STATE,
    AttemptOutcome,
    Generation,
    GenerationState,
    Route,
)
from domain.generation.prompting import compile_chapter
from domain.generation.provider import UsageSource
from domain.generation.work import new_attempt
from domain.ids import ChannelId, GenerationId, JobId, NodeId, VersionId, new_id
from domain.jobs import QUEUES, IdempotencyKey, Job, JobKind, JobState, Lease, body_hash
from domain.projects.entities import NodeStatus, OutlineKind, OutlineNode, VersionOrigin
from domain.projects.service import get_node, new_version, status_by
from domain.text import INSTRUCTIONS_CHARS_MAX, clean_line, clean_text, estimated_tokens
from domain.unit_of_work import UnitOfWork

TARGET_WORDS_DEFAULT = 800
TARGET_WORDS_MAX = 20_000
KEY_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class StartChapter:
    """The author's request. `trace_parent` is W3C trace context that the worker continues."""

    chapter_id: NodeId
    instructions: str
    idempotency_key: str
    target_words: int | None = None
    channel_id: ChannelId | None = None
    model: str | None = None
    trace_parent: str | None = None
    max_cost_micros: int | None = None

    def body(self) -> dict[str, object]:
        """What an idempotency key is bound to."""
        values = {k: v for k, v in asdict(self).items() if k not in {"idempotency_key", "trace_parent"}}
        # What was no part of a request once is left out where it is not used: keys of that time are still good.
        return {k: v for k, v in values.items() if k != "max_cost_micros" or v is not None}


@dataclass(frozen=True, slots=True)
class Started:
    """`ring` tells the caller to ring the doorbell after the commit."""

    generation_id: GenerationId
    job_id: JobId | None
    replayed: bool
    ring: bool


async def start_chapter(uow: UnitOfWork, actor: Actor, command: StartChapter, *, concurrency_max: int) -> Started:
    """Write the key, the hold, the job and its outbox row in one transaction.

    Raises Rejected, ContextTooSmall or QuotaExhausted; then nothing is kept and the key stays free.
    """
    actor.require(Permission.GENERATE)
    command = _clean(command)
    key = _key(actor, "chapterGenerate", command.idempotency_key, command.body())
    if (replay := await _replay(uow, key)) is not None:
        return replay
    chapter = await get_node(uow.projects, command.chapter_id, lock=True, kind=OutlineKind.CHAPTER, field="chapterId")
    offers = offers_for(await uow.channels.offered(), command.channel_id, command.model)
    window_tokens = max(one.model.context_window for one in offers)
    compiled = await compile_chapter(
        uow, chapter, command.instructions, command.target_words or TARGET_WORDS_DEFAULT, window_tokens
    )
    channel = offers[0].channel
    job = _new_job(uow, actor, command.trace_parent)
    generation = Generation(
        uow.tenant_id, GenerationId(new_id()), job.id, chapter.project_id, chapter.id, command.instructions,
        channel.id, channel.name, offers[0].model.name,
        [{"role": m.role, "content": m.content} for m in compiled.messages], compiled.receipt(),
        compiled.max_output_tokens, command.target_words or TARGET_WORDS_DEFAULT,
        pinned=command.channel_id is not None, max_cost_micros=command.max_cost_micros,
    )  # fmt: skip
    chapter.status = NodeStatus.GENERATING
    ring = await _enqueue(uow, job, generation, compiled.prompt_tokens, concurrency_max)
    await uow.jobs.complete_key(key, generation.id)
    return Started(generation.id, job.id, replayed=False, ring=ring)


def _clean(command: StartChapter) -> StartChapter:
    instructions = clean_text(command.instructions, "instructions", chars_max=INSTRUCTIONS_CHARS_MAX)
    target = command.target_words
    if target is not None and not 1 <= target <= TARGET_WORDS_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {TARGET_WORDS_MAX:,} words.", "input", "targetWords")
    if command.max_cost_micros is not None and command.max_cost_micros <= 0:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A limit is more than nothing.", "input", "maxCost")
    key = clean_line(command.idempotency_key, "idempotencyKey", chars_max=KEY_CHARS_MAX)
    model = clean_line(command.model, "model") if command.model is not None else None
    return replace(command, instructions=instructions, idempotency_key=key, model=model)


def _key(actor: Actor, operation: str, key: str, body: dict[str, object]) -> IdempotencyKey:
    return IdempotencyKey(actor.principal, operation, key, body_hash(body))


async def _replay(uow: UnitOfWork, key: IdempotencyKey) -> Started | None:
    """What the key led to before; None when it is ours now. Raises Rejected(IDEMPOTENCY_CONFLICT)."""
    used = await uow.jobs.claim_key(key)
    if used is None:
        return None
    if not used.same_body:
        message = "This key was used for another request."
        raise Rejected(ErrorCode.IDEMPOTENCY_CONFLICT, message, "input", "idempotencyKey")
    return Started(GenerationId(used.result_id), None, replayed=True, ring=False)


def _new_job(uow: UnitOfWork, actor: Actor, trace_parent: str | None, retry_of: JobId | None = None) -> Job:
    kind = JobKind.CHAPTER_GENERATE
    return Job(
        uow.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=actor.user_id, principal=actor.principal,
        trace_parent=trace_parent, retry_of=retry_of,
    )  # fmt: skip


async def _enqueue(uow: UnitOfWork, job: Job, generation: Generation, prompt_tokens: int, concurrency_max: int) -> bool:
    price = await uow.billing.price_of(generation.model, generation.channel)
    ring = await uow.jobs.enqueue(job, concurrency_max=concurrency_max)
    await uow.generation.add(generation)
    most = cost(price, Usage(prompt_tokens, generation.max_output_tokens))
    if (limit := generation.max_cost_micros) is not None:
        if limit <= cost(price, Usage(prompt_tokens, 0)):
            message = "The prompt alone costs that much. Raise the limit, or leave something out."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "maxCost")
        most = min(most, limit)
    await take_hold(uow.billing, job.id, most)
    return ring


async def retry(uow: UnitOfWork, actor: Actor, job_id: JobId, idempotency_key: str, *, concurrency_max: int) -> Started:
    """A new job with the same prompt. Only a job that ended without success can be retried."""
    actor.require(Permission.GENERATE)
    key = _key(actor, "jobRetry", clean_line(idempotency_key, "idempotencyKey"), {"job_id": job_id})
    if (replay := await _replay(uow, key)) is not None:
        return replay
    old, before = await _job_and_generation(uow, job_id)
    if not JobState(old.state).terminal or old.state == JobState.SUCCEEDED:
        raise Rejected(ErrorCode.INVALID_STATE, "Only a job that ended without success can be retried.", "input", "id")
    job = _new_job(uow, actor, None, retry_of=old.id)
    generation = _again(before, job.id)
    chapter = await get_node(uow.projects, before.node_id, lock=True)
    chapter.status = NodeStatus.GENERATING
    ring = await _enqueue(uow, job, generation, int(before.receipt["prompt_tokens"]), concurrency_max)
    await uow.jobs.complete_key(key, generation.id)
    return Started(generation.id, job.id, replayed=False, ring=ring)


def _again(before: Generation, job_id: JobId) -> Generation:
    """The same request again, as a new row that nothing has happened to."""
    return Generation(
        before.tenant_id, GenerationId(new_id()), job_id, before.project_id, before.node_id, before.instructions,
        before.channel_id, before.channel, before.model, before.prompt, before.receipt, before.max_output_tokens,
        before.target_words, pinned=before.pinned, max_cost_micros=before.max_cost_micros,
    )  # fmt: skip


async def _job_and_generation(uow: UnitOfWork, job_id: JobId) -> tuple[Job, Generation]:
    job = await uow.jobs.lock(job_id)
    generation = await uow.generation.of_job(job_id)
    if job is None or generation is None:
        raise NotFound("The job", "input", "id")
    return job, generation


async def cancel(uow: UnitOfWork, actor: Actor, job_id: JobId) -> tuple[Generation, bool]:
    """Ask to stop. A queued job ends at once, with what a try that crashed had written; True means that a running
    worker must be told.

    Cancelling what has already ended, or is being cancelled, changes nothing.
    """
    actor.require(Permission.GENERATE)
    job, generation = await _job_and_generation(uow, job_id)
    if job.state == JobState.QUEUED:
        await uow.jobs.cancel_queued(job)
        generation.state, generation.finished_at = GenerationState.CANCELLED, uow.now
        crashed = await uow.generation.attempt(generation.id, job.attempt)
        await _keep_text(uow, generation, crashed.text if crashed else "")
        await close_hold(uow.billing, job.id, job.attempt, 0)
    elif job.state == JobState.RUNNING:
        await uow.jobs.ask_cancel(job)
        generation.state = GenerationState.CANCELLING
        return generation, True
    return generation, job.state == JobState.CANCELLING


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt came to. Usage of source UNKNOWN: the provider never said and nothing was estimated."""

    text: str
    ending: Ending
    usage: Usage
    first_token_at: datetime | None
    trace: list[str]
    finish_reason: str | None = None
    route: Route | None = None


async def switch_attempt(uow: UnitOfWork, lease: Lease, result: Result) -> Lease:
    """Close a failed attempt, book its tokens to the operator, and open the next. Raises LeaseLost."""
    renewed = await uow.jobs.next_attempt(lease)
    generation = await uow.generation.of_job(lease.job_id)
    if generation is None:
        raise LeaseLost
    await _close_attempt(uow, generation, lease.attempt, result, billed=False)
    await uow.generation.add(new_attempt(uow, generation, renewed.attempt))
    return renewed


async def finish(uow: UnitOfWork, lease: Lease, result: Result) -> VersionId | None:
    """End the job, the generation and the attempt, keep the text, settle the money: all or nothing.

    Raises LeaseLost when another worker owns the job.
    """
    ending = result.ending
    error = (ending.code, ending.message or "") if ending.code else None
    await uow.jobs.close(lease, JOB_STATE[ending.state], error)
    generation = await uow.generation.of_job(lease.job_id)
    if generation is None:
        raise LeaseLost
    # Before the generation's row is changed: a row that is changed twice asks for its chapter's row as well, and two
    # generations of one chapter that end together would each wait for the other.
    await uow.projects.node(generation.node_id, lock=True, deleted=True)
    generation.state, generation.finished_at = ending.state, uow.now
    generation.truncation_reason = ending.truncation
    generation.error_code, generation.error_message = ending.code, ending.message
    charged = await _close_attempt(uow, generation, lease.attempt, result, billed=ending.billed)
    await _keep_text(uow, generation, result.text if ending.keeps_text else "")
    await close_hold(uow.billing, lease.job_id, lease.attempt, charged)
    return generation.version_id


async def _close_attempt(uow: UnitOfWork, generation: Generation, number: int, result: Result, *, billed: bool) -> int:
    """Write the attempt's end and its one usage record. Returns what the author owes for it."""
    usage = result.usage
    attempt = await uow.generation.attempt(generation.id, number)
    if (route := result.route) is not None:
        generation.channel_id, generation.channel = route.channel_id, route.channel
    model = route.model if route is not None else attempt.model if attempt is not None else generation.model
    price = await uow.billing.price_of(model, generation.channel)
    charged = cost(price, usage)
    if attempt is not None:
        if route is not None:
            attempt.channel_id, attempt.channel, attempt.decision = route.channel_id, route.channel, route.decision
            attempt.model = route.model
        attempt.outcome, attempt.text, attempt.ended_at = result.ending.outcome, result.text, uow.now
        attempt.first_token_at = result.first_token_at or attempt.first_token_at
        attempt.trace = [*attempt.trace, *result.trace]
        attempt.finish_reason = result.finish_reason
        attempt.error_code, attempt.error_message = result.ending.code, result.ending.message
        attempt.input_tokens, attempt.output_tokens = usage.input_tokens, usage.output_tokens
        attempt.cached_input_tokens, attempt.usage_source = usage.cached_input_tokens, usage.source
        attempt.cost_micros = charged
    record = UsageRecord(
        generation.job_id, number, "LLM", model, generation.channel, usage, charged, billed, uow.now, price.id,
        generation.project_id, generation.channel_id,
    )  # fmt: skip
    await book_usage(uow.billing, record)
    return charged if billed else 0


async def _keep_text(uow: UnitOfWork, generation: Generation, text: str) -> None:
    """Make the text, unless it is blank, a version of its chapter, which is then free again."""
    # A chapter that was deleted meanwhile gets its text all the same: it can be restored.
    chapter = await uow.projects.node(generation.node_id, lock=True, deleted=True)
    if chapter is None:
        return
    if text.strip():
        channel = await uow.channels.channel(generation.channel_id)
        demo = channel is not None and channel.provider == ProviderKind.DEMO
        origin = VersionOrigin.DEMO if demo else VersionOrigin.AI
        version = new_version(chapter, text, origin, generation_id=generation.id)
        version.model, version.channel = generation.model, generation.channel
        await uow.projects.add(version)
        generation.version_id = version.id
    await _release_chapter(uow, chapter)


async def _release_chapter(uow: UnitOfWork, chapter: OutlineNode) -> None:
    """The chapter's own state again; a second generation that still runs shows in its own row."""
    if chapter.status == NodeStatus.GENERATING:
        current_id = chapter.current_version_id
        chapter.status = status_by(await uow.projects.version(current_id) if current_id is not None else None)


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


CRASHED = Ending(GenerationState.QUEUED, AttemptOutcome.CRASHED, keeps_text=False)


async def hand_back(uow: UnitOfWork, lease: Lease, result: Result) -> None:
    """Close the attempt and put the job back into the queue, or end it when its cancel was asked. Raises LeaseLost."""
    job = await uow.jobs.lock(lease.job_id)
    if job is not None and job.state == JobState.CANCELLING:
        await finish(uow, lease, replace(result, ending=cancelled(result.text)))
        return
    await uow.jobs.requeue(lease)
    generation = await uow.generation.of_job(lease.job_id)
    if generation is not None:
        await _close_attempt(uow, generation, lease.attempt, result, billed=False)
        generation.state = GenerationState.QUEUED


async def ended_version(uow: UnitOfWork, lease: Lease) -> VersionId | None:
    """The version of a job that this lease's attempt has ended. Raises LeaseLost when it was not this one."""
    job = await uow.jobs.lock(lease.job_id)
    generation = await uow.generation.of_job(lease.job_id)
    if job is None or generation is None or not JobState(job.state).terminal or job.attempt != lease.attempt:
        raise LeaseLost
    return generation.version_id
