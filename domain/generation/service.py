"""Use cases of generation that an author asks for: estimate, start, retry, cancel."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from uuid import UUID

from domain.accounts import Actor, Permission
from domain.billing import Spender, Usage, close_hold, cost, take_hold
from domain.channels.entities import Channel
from domain.channels.offers import Offered, offered
from domain.channels.service import current_policy
from domain.errors import ErrorCode, NotFound, Rejected
from domain.generation.attempts import keep_text
from domain.generation.context import OUTPUT_MARGIN, Compiled
from domain.generation.entities import Generation, GenerationState
from domain.generation.estimate import Estimate, estimated, learned_from
from domain.generation.prompting import compile_chapter
from domain.ids import ChannelId, GenerationId, JobId, NodeId, new_id
from domain.invoices.service import refuse_overdue
from domain.jobs import QUEUES, Job, JobKind, JobState, claim, scoped_key
from domain.projects.entities import NodeStatus, OutlineKind, OutlineNode
from domain.projects.service import get_node
from domain.text import INSTRUCTIONS_CHARS_MAX, clean_line, clean_text
from domain.unit_of_work import UnitOfWork

TARGET_WORDS_DEFAULT = 800
TARGET_WORDS_MAX = 20_000


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
    key = scoped_key(actor.principal, "chapterGenerate", command.idempotency_key, command.body())
    if (before := await claim(uow.jobs, key)) is not None:
        return _replayed(before)
    asked = await _asked(uow, command, lock=True)
    compiled, likeliest = asked.compiled, asked.offered.offers[0]
    job = _new_job(uow, actor, command.trace_parent)
    generation = Generation(
        uow.tenant_id, GenerationId(new_id()), job.id, asked.chapter.project_id, asked.chapter.id,
        command.instructions, likeliest.channel.id, likeliest.channel.name, asked.offered.model,
        [{"role": m.role, "content": m.content} for m in compiled.messages], compiled.receipt(),
        compiled.max_output_tokens, command.target_words or TARGET_WORDS_DEFAULT,
        pinned=asked.offered.pinned, max_cost_micros=command.max_cost_micros,
    )  # fmt: skip
    asked.chapter.status = NodeStatus.GENERATING
    ring = await _enqueue(uow, job, generation, asked.offered, concurrency_max)
    await uow.jobs.complete_key(key, generation.id)
    return Started(generation.id, job.id, replayed=False, ring=ring)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request, read against what the tenant has: its chapter, who may serve it, and its prompt."""

    chapter: OutlineNode
    offered: Offered
    compiled: Compiled


async def _asked(uow: UnitOfWork, command: StartChapter, *, lock: bool) -> _Asked:
    chapter = await get_node(uow.projects, command.chapter_id, lock=lock, kind=OutlineKind.CHAPTER, field="chapterId")
    found = await _offered(uow, command.channel_id, command.model)
    window_tokens = max(one.model.context_window for one in found.offers)
    compiled = await compile_chapter(
        uow, chapter, command.instructions, command.target_words or TARGET_WORDS_DEFAULT, window_tokens
    )
    return _Asked(chapter, found, compiled)


async def _offered(uow: UnitOfWork, channel_id: ChannelId | None, model: str | None) -> Offered:
    return offered(await uow.channels.offered(), await current_policy(uow.channels), channel_id, model)


@dataclass(frozen=True, slots=True)
class OfferEstimate:
    """What a generation would cost through one channel."""

    channel_id: ChannelId
    channel: str
    model: str
    estimate: Estimate


async def estimate_chapter(uow: UnitOfWork, actor: Actor, command: StartChapter) -> list[OfferEstimate]:
    """One for each channel that could serve it, the likeliest first. Writes nothing and charges nothing.

    Raises Rejected and ContextTooSmall, as starting it would.
    """
    actor.require(Permission.READ)
    command = _clean(command)
    asked = await _asked(uow, command, lock=False)
    prompt_tokens, most = asked.compiled.prompt_tokens, asked.compiled.max_output_tokens
    learned = learned_from(await uow.generation.samples(asked.offered.model))
    prices = await uow.billing.prices_of({one.priced_as for one in asked.offered.offers})
    return [
        OfferEstimate(
            one.channel.id, one.channel.name, one.model.name,
            estimated(prices[one.priced_as], learned, prompt_tokens, round(most / OUTPUT_MARGIN), most),
        )
        for one in asked.offered.offers
    ]  # fmt: skip


def _clean(command: StartChapter) -> StartChapter:
    instructions = clean_text(command.instructions, "instructions", chars_max=INSTRUCTIONS_CHARS_MAX)
    target = command.target_words
    if target is not None and not 1 <= target <= TARGET_WORDS_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {TARGET_WORDS_MAX:,} words.", "input", "targetWords")
    if command.max_cost_micros is not None and command.max_cost_micros <= 0:
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A limit is more than nothing.", "input", "maxCost")
    model = clean_line(command.model, "model") if command.model is not None else None
    return replace(command, instructions=instructions, model=model)


def _replayed(generation_id: UUID) -> Started:
    return Started(GenerationId(generation_id), None, replayed=True, ring=False)


def _new_job(uow: UnitOfWork, actor: Actor, trace_parent: str | None, retry_of: JobId | None = None) -> Job:
    kind = JobKind.CHAPTER_GENERATE
    return Job(
        uow.tenant_id, JobId(new_id()), kind, QUEUES[kind], requested_by=actor.user_id, principal=actor.principal,
        trace_parent=trace_parent, retry_of=retry_of,
    )  # fmt: skip


async def _enqueue(uow: UnitOfWork, job: Job, generation: Generation, asked: Offered, concurrency_max: int) -> bool:
    """Held is what the likeliest channel's longest answer costs: a dearer one makes the hold grow."""
    await refuse_overdue(uow)
    price = await uow.billing.price_of(*asked.offers[0].priced_as)
    prompt_tokens = int(generation.receipt["prompt_tokens"])
    ring = await uow.jobs.enqueue(job, concurrency_max=concurrency_max)
    await uow.generation.add(generation)
    most = cost(price, Usage(prompt_tokens, generation.max_output_tokens))
    if (limit := generation.max_cost_micros) is not None:
        if limit <= cost(price, Usage(prompt_tokens, 0)):
            message = "The prompt alone costs that much. Raise the limit, or leave something out."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "maxCost")
        most = min(most, limit)
    await take_hold(uow.billing, job.id, most, Spender.of(job.requested_by, job.principal, generation.model))
    return ring


async def retry(uow: UnitOfWork, actor: Actor, job_id: JobId, idempotency_key: str, *, concurrency_max: int) -> Started:
    """A new job with the same prompt. Only a job that ended without success can be retried."""
    actor.require(Permission.GENERATE)
    key = scoped_key(actor.principal, "jobRetry", idempotency_key, {"job_id": job_id})
    if (before := await claim(uow.jobs, key)) is not None:
        return _replayed(before)
    old, former = await _job_and_generation(uow, job_id)
    if not JobState(old.state).terminal or old.state == JobState.SUCCEEDED:
        raise Rejected(ErrorCode.INVALID_STATE, "Only a job that ended without success can be retried.", "input", "id")
    job = _new_job(uow, actor, None, retry_of=old.id)
    chapter = await get_node(uow.projects, former.node_id, lock=True)
    chapter.status = NodeStatus.GENERATING
    found = await _offered(uow, former.channel_id if former.pinned else None, former.model)
    generation = _again(former, job.id, found.offers[0].channel)
    ring = await _enqueue(uow, job, generation, found, concurrency_max)
    await uow.jobs.complete_key(key, generation.id)
    return Started(generation.id, job.id, replayed=False, ring=ring)


def _again(before: Generation, job_id: JobId, likeliest: Channel) -> Generation:
    """The same request again, as a new row that nothing has happened to."""
    return Generation(
        before.tenant_id, GenerationId(new_id()), job_id, before.project_id, before.node_id, before.instructions,
        likeliest.id, likeliest.name, before.model, before.prompt, before.receipt, before.max_output_tokens,
        before.target_words, pinned=before.pinned, max_cost_micros=before.max_cost_micros,
    )  # fmt: skip


async def _job_and_generation(uow: UnitOfWork, job_id: JobId) -> tuple[Job, Generation]:
    job = await uow.jobs.lock(job_id)
    generation = await uow.generation.of_job(job_id)
    if job is None or generation is None:
        raise NotFound("The job", "input", "id")
    return job, generation


async def cancel(uow: UnitOfWork, actor: Actor, job_id: JobId) -> tuple[Generation, bool]:
    """Ask to stop. A queued job ends at once; True means that a running worker must be told.

    What a try that crashed had written is kept, and was booked to the operator when it crashed: nobody pays it twice.
    Cancelling what has already ended, or is being cancelled, changes nothing.
    """
    actor.require(Permission.GENERATE)
    job, generation = await _job_and_generation(uow, job_id)
    if job.state == JobState.QUEUED:
        await uow.jobs.cancel_queued(job)
        generation.state, generation.finished_at = GenerationState.CANCELLED, uow.now
        crashed = await uow.generation.attempt(generation.id, job.attempt)
        await keep_text(uow, generation, crashed, crashed.text if crashed else "")
        await close_hold(uow.billing, job.id, job.attempt, 0)
    elif job.state == JobState.RUNNING:
        await uow.jobs.ask_cancel(job)
        generation.state = GenerationState.CANCELLING
        return generation, True
    return generation, job.state == JobState.CANCELLING
