"""What can be done to a job from outside its worker, by what kind of work it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from domain.accounts import Actor
from domain.errors import NotFound
from domain.generation import attempts, service
from domain.generation.entities import GenerationState
from domain.ids import JobId
from domain.jobs import Job, JobKind, JobState, Stopped, Waiting
from domain.knowledge import ingestion, paying, reembedding, starting
from domain.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Kind:
    """`recover` puts a job whose worker died back into the queue, or ends it; None where its worker is alive."""

    recover: Callable[[UnitOfWork, JobId], Awaitable[JobState | None]]
    cancel: Callable[[UnitOfWork, Actor, JobId], Awaitable[Stopped]]
    retry: Callable[[UnitOfWork, Actor, JobId, str, int], Awaitable[Waiting]]


async def _cancel_generation(uow: UnitOfWork, actor: Actor, job_id: JobId) -> Stopped:
    generation, tell_worker = await service.cancel(uow, actor, job_id)
    return Stopped(generation.state is GenerationState.CANCELLED, tell_worker)


async def _retry_generation(uow: UnitOfWork, actor: Actor, job_id: JobId, key: str, concurrency_max: int) -> Waiting:
    started = await service.retry(uow, actor, job_id, key, concurrency_max=concurrency_max)
    generation = await uow.generation.generation(started.generation_id)
    if generation is None:
        raise NotFound("The job", "input", "id")
    return Waiting(generation.job_id, started.ring)


_GENERATION = Kind(attempts.recover, _cancel_generation, _retry_generation)
KINDS: dict[JobKind, Kind] = {
    JobKind.CHAPTER_GENERATE: _GENERATION,
    JobKind.MESSAGE_GENERATE: _GENERATION,
    JobKind.CONVERSATION_TITLE: _GENERATION,
    JobKind.CONVERSATION_SUMMARY: _GENERATION,
    JobKind.DOCUMENT_INGEST: Kind(ingestion.recover, starting.cancel, starting.retry),
    JobKind.KNOWLEDGE_SEARCH: Kind(paying.recover, paying.cancel, paying.retry),
    JobKind.BASE_REEMBED: Kind(reembedding.recover, reembedding.cancel, reembedding.retry),
}


async def get_job(uow: UnitOfWork, job_id: JobId) -> tuple[Job, Kind]:
    """A job, and what can be done to it. Raises NotFound."""
    job = await uow.jobs.job(job_id)
    if job is None:
        raise NotFound("The job", "input", "id")
    return job, KINDS[JobKind(job.kind)]
