"""Use cases of generation that an author asks for: estimate, start, retry, cancel."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from domain.accounts import Actor, Permission
from domain.billing import close_hold
from domain.channels.offers import Offered
from domain.conversations.sending import answer_again
from domain.errors import ErrorCode, NotFound, Rejected
from domain.generation import targets
from domain.generation.context import OUTPUT_MARGIN, Compiled
from domain.generation.entities import Generation, GenerationPurpose, GenerationState
from domain.generation.estimate import Estimate, estimated, learned_from
from domain.generation.prompting import compile_chapter
from domain.generation.starting import Started, again, enqueue, new_job, offers_for, replayed
from domain.ids import ChannelId, GenerationId, JobId, NodeId, new_id
from domain.jobs import Job, JobKind, JobState, claim, scoped_key
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


async def start_chapter(uow: UnitOfWork, actor: Actor, command: StartChapter, *, concurrency_max: int) -> Started:
    """Write the key, the hold, the job and its outbox row in one transaction.

    Raises Rejected, ContextTooSmall or QuotaExhausted; then nothing is kept and the key stays free.
    """
    actor.require(Permission.GENERATE)
    command = _clean(command)
    key = scoped_key(actor.principal, "chapterGenerate", command.idempotency_key, command.body())
    if (before := await claim(uow.jobs, key)) is not None:
        return replayed(before)
    asked = await _asked(uow, command, lock=True)
    compiled, likeliest = asked.compiled, asked.offered.offers[0]
    job = new_job(uow, actor, JobKind.CHAPTER_GENERATE, command.trace_parent)
    generation = Generation(
        uow.tenant_id, GenerationId(new_id()), job.id, asked.chapter.project_id, asked.chapter.id,
        command.instructions, likeliest.channel.id, likeliest.channel.name, asked.offered.model,
        [{"role": m.role, "content": m.content} for m in compiled.messages], compiled.receipt(),
        compiled.max_output_tokens, command.target_words or TARGET_WORDS_DEFAULT,
        pinned=asked.offered.pinned, max_cost_micros=command.max_cost_micros,
    )  # fmt: skip
    asked.chapter.status = NodeStatus.GENERATING
    ring = await enqueue(uow, job, generation, asked.offered, concurrency_max)
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
    found = await offers_for(uow, command.channel_id, command.model)
    window_tokens = max(one.model.context_window for one in found.offers)
    compiled = await compile_chapter(
        uow, chapter, command.instructions, command.target_words or TARGET_WORDS_DEFAULT, window_tokens
    )
    return _Asked(chapter, found, compiled)


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


async def retry(uow: UnitOfWork, actor: Actor, job_id: JobId, idempotency_key: str, *, concurrency_max: int) -> Started:
    """A new job with the same prompt. Only a job that ended without success can be retried."""
    actor.require(Permission.GENERATE)
    key = scoped_key(actor.principal, "jobRetry", idempotency_key, {"job_id": job_id})
    if (before := await claim(uow.jobs, key)) is not None:
        return replayed(before)
    old, former = await _job_and_generation(uow, actor, job_id)
    if not JobState(old.state).terminal or old.state == JobState.SUCCEEDED:
        raise Rejected(ErrorCode.INVALID_STATE, "Only a job that ended without success can be retried.", "input", "id")
    if former.purpose != GenerationPurpose.TEXT:
        message = "Titles and summaries are written again after the next answer."
        raise Rejected(ErrorCode.INVALID_STATE, message, "input", "id")
    if former.message_id is not None:
        started = await answer_again(uow, actor, former, former.message_id, old.id, concurrency_max=concurrency_max)
    elif former.node_id is not None:
        started = await _write_again(uow, actor, former, former.node_id, old.id, concurrency_max)
    await uow.jobs.complete_key(key, started.generation_id)
    return started


async def _write_again(
    uow: UnitOfWork, actor: Actor, former: Generation, chapter_id: NodeId, old_id: JobId, concurrency_max: int
) -> Started:
    job = new_job(uow, actor, JobKind.CHAPTER_GENERATE, None, retry_of=old_id)
    chapter = await get_node(uow.projects, chapter_id, lock=True)
    chapter.status = NodeStatus.GENERATING
    found = await offers_for(uow, former.channel_id if former.pinned else None, former.model)
    generation = again(former, job.id, found.offers[0].channel)
    ring = await enqueue(uow, job, generation, found, concurrency_max)
    return Started(generation.id, job.id, replayed=False, ring=ring)


async def _job_and_generation(uow: UnitOfWork, actor: Actor, job_id: JobId) -> tuple[Job, Generation]:
    job = await uow.jobs.lock(job_id)
    generation = await uow.generation.of_job(job_id)
    if job is None or generation is None or generation.owner_id not in {None, actor.user_id}:
        raise NotFound("The job", "input", "id")
    return job, generation


async def cancel(uow: UnitOfWork, actor: Actor, job_id: JobId) -> tuple[Generation, bool]:
    """Ask to stop. A queued job ends at once; True means that a running worker must be told.

    What a try that crashed had written is kept, and was booked to the operator when it crashed: nobody pays it twice.
    Cancelling what has already ended, or is being cancelled, changes nothing.
    """
    actor.require(Permission.GENERATE)
    job, generation = await _job_and_generation(uow, actor, job_id)
    if job.state == JobState.QUEUED:
        await uow.jobs.cancel_queued(job)
        generation.state, generation.finished_at = GenerationState.CANCELLED, uow.now
        crashed = await uow.generation.attempt(generation.id, job.attempt)
        await targets.keep_text(uow, generation, crashed, crashed.text if crashed else "")
        await close_hold(uow.billing, job.id, job.attempt, 0)
        await targets.tell(uow, generation)
    elif job.state == JobState.RUNNING:
        await uow.jobs.ask_cancel(job)
        generation.state = GenerationState.CANCELLING
        return generation, True
    return generation, job.state == JobState.CANCELLING
