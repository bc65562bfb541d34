"""Root fields of the jobs room."""

from typing import Annotated, Any

import strawberry

from domain.accounts import Permission
from domain.errors import NotFound
from domain.ids import JobId
from domain.job_kinds import get_job
from domain.jobs import QUEUES, JobKind
from domain.text import clean_filter
from persistence.jobs import reads
from resolvers.generation import cancel_job, generations_max, ring
from resolvers.mutations import credit_refusals, refusals_as
from resolvers.projects import fresh
from schema import jobs as types
from schema.base import Connection
from schema.batched import PAGED, After, Call, First, Paged, columns_of
from schema.context import Context, Info
from schema.cost import Cost
from schema.ids import decode_id


def _jobs(filter: types.JobFilter | None = None) -> Call:
    wanted = filter or types.JobFilter()
    return Call(reads.JOBS, {"states": wanted.states or None, "kind": clean_filter(wanted.kind, "kind")})


@strawberry.type
class JobQueries:
    @strawberry.field(description="The tenant's jobs, newest first.", metadata={PAGED: Paged(_jobs, "Job", None)})
    async def jobs(
        self, info: Info, first: First = 20, after: After = None,
        filter: Annotated[types.JobFilter | None, strawberry.argument(description="Which ones.")] = None,
    ) -> Connection[types.Job]:  # fmt: skip
        columns = columns_of(info, "Job", "edges", "node")
        return await info.context.reader().listed(_jobs(filter), first, after, columns)  # type: ignore[attr-defined,no-any-return]

    @strawberry.field(description="The worker processes, as they last reported. For platform administrators.")
    async def workers(self, info: Info) -> list[types.Worker]:
        info.context.actor.require(Permission.PLATFORM)
        return await info.context.services.database.platform_rows(reads.live_workers())  # type: ignore[no-any-return]

    @strawberry.field(description="The queues, and how much of your tenant's work is in them.")
    async def queues(self, info: Info) -> list[types.QueueStatus]:
        info.context.reader()
        return [await queue_status(info.context, name) for name in sorted(set(QUEUES.values()))]


async def queue_status(context: Context, name: str) -> types.QueueStatus:
    paused = {row.queue for row in await context.services.database.platform_rows(reads.paused_queues())}
    depths: list[Any] = await context.reads.rows(reads.queue_depths(context.actor.tenant_id))  # type: ignore[attr-defined]
    depth = next((row for row in depths if row.queue == name), None)
    return types.QueueStatus(
        name=name,
        paused=name in paused,
        queued=depth.queued if depth else 0,
        running=depth.running if depth else 0,
        oldest_queued_seconds=float(depth.oldest_queued_s) if depth else 0.0,
    )


@strawberry.type
class JobMutations:
    @strawberry.mutation(
        description="Try a job again that ended without success. It becomes a new job.", directives=[Cost(weight=10)]
    )
    @refusals_as(types.JobRetryPayload)
    async def job_retry(self, info: Info, input: types.JobRetryInput) -> types.JobRetryPayload:
        actor, services = info.context.actor, info.context.services
        job_id = JobId(decode_id("Job", input.id))
        with credit_refusals():
            async with services.units(actor.tenant_id) as uow:
                old, kind = await get_job(uow, job_id)
                generates = old.queue == QUEUES[JobKind.CHAPTER_GENERATE]
                most = await generations_max(services, uow) if generates else services.tenant_ingestions
                again = await kind.retry(uow, actor, job_id, input.idempotency_key, most)
        if again.ring:
            await ring(services, actor.tenant_id, again.job_id, JobKind(old.kind))
        job = await fresh(info, "Job", again.job_id)
        generation = await info.context.reads.one("GenerationOfJob", again.job_id)
        return types.JobRetryPayload(job=job, generation=generation)

    @strawberry.mutation(description="Stop a job. One that has ended stays as it is.")
    @refusals_as(types.JobCancelPayload)
    async def job_cancel(self, info: Info, input: types.JobCancelInput) -> types.JobCancelPayload:
        job_id = JobId(decode_id("Job", input.id))
        await cancel_job(info.context, job_id)
        return types.JobCancelPayload(job=await fresh(info, "Job", job_id))

    @strawberry.mutation(description="Let new work wait. What runs goes on. For platform administrators.")
    @refusals_as(types.QueuePausePayload)
    async def queue_pause(self, info: Info, input: types.QueuePauseInput) -> types.QueuePausePayload:
        return types.QueuePausePayload(queue=await _set_paused(info.context, input.name, paused=True))

    @strawberry.mutation(description="Let waiting work go on. For platform administrators.")
    @refusals_as(types.QueueResumePayload)
    async def queue_resume(self, info: Info, input: types.QueueResumeInput) -> types.QueueResumePayload:
        return types.QueueResumePayload(queue=await _set_paused(info.context, input.name, paused=False))


async def _set_paused(context: Context, name: str, *, paused: bool) -> types.QueueStatus:
    context.actor.require(Permission.PLATFORM)
    if name not in QUEUES.values():
        raise NotFound("The queue", "input", "name")
    async with context.services.units(context.actor.tenant_id) as uow:
        await uow.jobs.pause(name, paused=paused)
    return await queue_status(context, name)
