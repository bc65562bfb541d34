"""Root fields of the generation room: start, cancel, watch."""

import logging
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from domain.accounts import Permission
from domain.billing import BudgetExceeded, QuotaExhausted
from domain.billing.money import micros_of
from domain.errors import ErrorCode, Forbidden, NotFound, Rejected
from domain.events import decode_cursor
from domain.generation import service
from domain.generation.context import ContextTooSmall
from domain.ids import ChannelId, JobId, NodeId, TenantId
from domain.job_kinds import get_job
from domain.jobs import QUEUES, JobKind, Stopped
from domain.plans.entities import PlanLimit
from domain.unit_of_work import UnitOfWork
from resolvers.budgets import budget_exceeded
from resolvers.event_source import Feed
from resolvers.mutations import refusals_as
from resolvers.projects import fresh
from resolvers.services import Services
from schema import generation as types
from schema.base import TokenCount, money, mutation_error
from schema.batched import After
from schema.context import Context, Info
from schema.cost import Cost
from schema.events import GenerationEvent, JobEvent
from schema.ids import decode_id, decode_optional
from schema.tracing import trace_parent

logger = logging.getLogger(__name__)


def _micros(amount: Decimal | None) -> int | None:
    """Raises Rejected for what no amount of money is."""
    return micros_of(amount, "maxCost") if amount is not None else None


@strawberry.type
class GenerationQueries:
    @strawberry.field(
        description="What a chapter would cost: its prompt is compiled, and no model is asked.",
        directives=[Cost(weight=20)],
    )
    async def estimate_generation(self, info: Info, input: types.GenerationEstimateInput) -> types.GenerationEstimate:
        actor = info.context.actor
        channel_id = decode_optional("Channel", input.channel_id, "channelId")
        command = service.StartChapter(
            NodeId(decode_id("Chapter", input.chapter_id, "chapterId")), input.instructions, "", input.target_words,
            ChannelId(channel_id) if channel_id else None, input.model,
        )  # fmt: skip
        async with info.context.services.units(actor.tenant_id) as uow:
            try:
                found = await service.estimate_chapter(uow, actor, command)
            except ContextTooSmall as refusal:
                raise Rejected(ErrorCode.CONTEXT_TOO_SMALL, str(refusal), "input") from None
        first = found[0].estimate
        return types.GenerationEstimate(
            low=money(first.low), likely=money(first.likely), high=money(first.high),
            prompt_tokens=TokenCount(first.prompt_tokens), output_tokens=TokenCount(first.output_tokens),
            channels=[
                types.ChannelEstimate(
                    channel=one.channel, model=one.model, low=money(one.estimate.low),
                    likely=money(one.estimate.likely), high=money(one.estimate.high),
                )
                for one in found
            ],
        )  # fmt: skip


@strawberry.type
class GenerationMutations:
    @strawberry.mutation(
        description="Have a chapter written. Watch it with `generationEvents`.", directives=[Cost(weight=10)]
    )
    async def chapter_generate(self, info: Info, input: types.ChapterGenerateInput) -> types.ChapterGenerateResult:
        context, actor = info.context, info.context.actor
        try:
            channel_id = decode_optional("Channel", input.channel_id, "channelId")
            command = service.StartChapter(
                NodeId(decode_id("Chapter", input.chapter_id, "chapterId")), input.instructions, input.idempotency_key,
                input.target_words, ChannelId(channel_id) if channel_id else None, input.model, trace_parent(), _micros(input.max_cost),
            )  # fmt: skip
            services: Services = context.services
            async with services.units(actor.tenant_id) as uow:
                most = await generations_max(services, uow)
                started = await service.start_chapter(uow, actor, command, concurrency_max=most)
        except BudgetExceeded as refusal:
            return await budget_exceeded(info, refusal)
        except (Rejected, ContextTooSmall, QuotaExhausted) as refusal:
            return refused(refusal)
        if started.ring and started.job_id is not None:
            await ring(services, actor.tenant_id, started.job_id)
        generation = await fresh(info, "Generation", started.generation_id)
        return types.GenerationStarted(generation=generation, replayed=started.replayed)

    @strawberry.mutation(description="Stop a generation. The text so far is kept; the stream's last event confirms.")
    @refusals_as(types.GenerationCancelPayload)
    async def generation_cancel(self, info: Info, input: types.GenerationCancelInput) -> types.GenerationCancelPayload:
        generation_id = decode_id("Generation", input.id)
        row = await info.context.reads.one("Generation", generation_id)
        if row is None:
            raise NotFound("The generation", "input", "id")
        await cancel_job(info.context, JobId(row.job_id))
        return types.GenerationCancelPayload(generation=await fresh(info, "Generation", generation_id))


async def generations_max(services: Services, uow: UnitOfWork) -> int:
    """How many generations the tenant may have at a time. Raises Rejected where its plan allows none."""
    return await services.gatekeeper.at_most(uow.plans, PlanLimit.CONCURRENT_GENERATIONS, services.tenant_concurrency)


def refused(refusal: Rejected | ContextTooSmall | QuotaExhausted) -> Any:
    if isinstance(refusal, Forbidden):
        raise refusal
    if isinstance(refusal, QuotaExhausted):
        return types.QuotaExhausted(
            message=str(refusal), field=None, code=ErrorCode.QUOTA_EXHAUSTED,
            needed=money(refusal.needed.micros), available=money(refusal.available.micros),
        )  # fmt: skip
    if isinstance(refusal, ContextTooSmall):
        return types.ContextTooSmall(
            message=str(refusal), field=None, code=ErrorCode.CONTEXT_TOO_SMALL,
            required_tokens=refusal.required_tokens, budget_tokens=refusal.budget_tokens,
        )  # fmt: skip
    field = list(refusal.field) or None
    if refusal.code is ErrorCode.NO_CHANNEL:
        return types.NoChannel(message=refusal.message, field=field, code=refusal.code)
    if refusal.code is ErrorCode.IDEMPOTENCY_CONFLICT:
        return types.IdempotencyConflict(message=refusal.message, field=field, code=refusal.code)
    return mutation_error(refusal)


async def ring(
    services: Services, tenant_id: TenantId, job_id: JobId, kind: JobKind = JobKind.CHAPTER_GENERATE
) -> None:
    """The short way to a worker. When it fails, the relay rings: the job is safe in its row."""
    try:
        await services.doorbell.ring(QUEUES[kind], tenant_id, job_id)
    except Exception:
        logger.warning("the doorbell of job %s did not ring; the relay will", job_id, exc_info=True)


async def cancel_job(context: Context, job_id: JobId) -> None:
    async with context.services.units(context.actor.tenant_id) as uow:
        _, kind = await get_job(uow, job_id)
        stopped = await kind.cancel(uow, context.actor, job_id)
    await tell_stopped(context, job_id, stopped)


async def tell_stopped(context: Context, job_id: JobId, stopped: Stopped) -> None:
    """After the commit: who watches the job hears that it ended, or its worker that it is to stop."""
    services: Services = context.services
    if stopped.ended:
        await services.events.tell_end(context.actor.tenant_id, job_id)
    elif stopped.tell_worker:
        try:
            await services.cancels.raise_for(job_id)
        except Exception:
            logger.warning("the cancel of job %s takes the slow way, by its heartbeat", job_id, exc_info=True)


@strawberry.type
class GenerationSubscriptions:
    @strawberry.subscription(description="A generation's events: text, receipts, and exactly one end.")
    async def generation_events(
        self, info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The generation.")],
        after: After = None,
    ) -> AsyncIterator[GenerationEvent]:  # fmt: skip
        generation_id = decode_id("Generation", id)
        row = await _authorized(info, "Generation", generation_id)
        return await _feed(info, JobId(row.job_id), after)

    @strawberry.subscription(description="A job's events, until its end.")
    async def job_events(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The job.")], after: After = None
    ) -> AsyncIterator[JobEvent]:
        job_id = JobId(decode_id("Job", id))
        await _authorized(info, "Job", job_id)
        return await _feed(info, job_id, after)


async def _authorized(info: Info, type_name: str, value: Any) -> Any:
    info.context.actor.require(Permission.READ)
    row = await info.context.reads.one(type_name, value)
    if row is None:
        raise NotFound(f"The {type_name.lower()}", "id")
    return row


async def _feed(info: Info, job_id: JobId, after: str | None) -> Feed:
    context = info.context
    follow = await context.services.events.follow(context.actor, job_id, decode_cursor(after, job_id))
    return Feed(follow, context.reads.forget)
