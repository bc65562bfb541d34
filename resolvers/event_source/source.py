"""Where a stream's events come from: the live log while there is one, PostgreSQL when there is not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from opentelemetry import metrics

from domain.accounts import Actor
from domain.events import JOB_ENDS, START, TERMINAL_N, Event, EventType, Position, closing
from domain.generation.entities import GenerationState
from domain.ids import JobId, TenantId
from domain.jobs import JobState
from persistence.database import OUTAGES as DATABASE_OUTAGES
from persistence.database import Database
from persistence.generation import reads as generations
from persistence.jobs import reads as jobs
from persistence.shapes import Shape
from persistence.streams import OUTAGES, Batch, Hub, moment_of
from resolvers.event_source.follow import Follow
from resolvers.event_source.rounds import Rounds, StillValid

LAG_EVERY_S = 0.1
_STARTED, _DELTA = EventType.STARTED.value.encode(), EventType.DELTA.value.encode()
JOBS_AT_ONCE = 5_000

_meter = metrics.get_meter("fabula.resolvers")
_lag = _meter.create_histogram(
    "fabula.stream.lag", unit="s", description="From the writing of an event by a worker to its delivery; sampled."
)

_first_text = _meter.create_histogram(
    "fabula.stream.time_to_first_text", unit="s", description="From an attempt's start to its first text, as watched."
)

logger = logging.getLogger(__name__)


class EventSource:
    def __init__(self, database: Database, hub: Hub, still_valid: StillValid) -> None:
        self._database = database
        self._hub = hub
        self._rounds = Rounds(self._ended_jobs, still_valid)
        self.still_valid = still_valid
        self._asked: dict[tuple[TenantId, JobId], asyncio.Future[bool]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._measured = 0.0

    async def follow(self, actor: Actor, job_id: JobId, after: Position) -> Follow:
        """The events after a position, for as long as the actor may watch them."""
        follow = Follow(self, actor, job_id, await self._hub.watch(job_id, after))
        self._rounds.add(follow)
        return follow

    def forget(self, follow: Follow) -> None:
        self._rounds.remove(follow)

    async def has_ended(self, tenant_id: TenantId, job_id: JobId) -> bool:
        """Whether a job has ended; all who ask while an answer is awaited are answered together by the next."""
        asked = self._asked.setdefault((tenant_id, job_id), asyncio.get_running_loop().create_future())
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._answer_all())
        return await asyncio.shield(asked)

    async def _answer_all(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            try:
                ended = await self._ended_jobs([*asked])
            except Exception:
                logger.exception("which of %d jobs have ended cannot be looked up", len(asked))
                ended = [False] * len(asked)  # they are asked about again when they have been silent
            for one, answer in zip(asked.values(), ended, strict=True):
                one.set_result(answer)

    def measure(self, batch: Batch, began: datetime | None) -> datetime | None:
        """Note a batch's lag, ten times a second at most, and how long the first text of an attempt took.

        `began` is the start that still waits for its text; so is what is returned.
        """
        now = time.monotonic()
        if now >= self._measured + LAG_EVERY_S:
            self._measured = now
            _lag.record((datetime.now(UTC) - moment_of(batch.entries[-1][1][5])).total_seconds())
        for _, fields in batch.entries:
            if fields[1] == _STARTED:
                began = moment_of(fields[5])
            elif began is not None and fields[1] == _DELTA:
                _first_text.record((moment_of(fields[5]) - began).total_seconds())
                began = None
        return began

    async def page(self, tenant_id: TenantId, job_id: JobId, after: Position, first: int) -> tuple[list[Event], bool]:
        """At most `first` events after a position, and whether more can be read now."""
        ended = await self.ended(tenant_id, job_id, after)
        events = ended if ended is not None else await self._logged(job_id, after, first + 1)
        return events[:first], len(events) > first

    async def tell_end(self, tenant_id: TenantId, job_id: JobId) -> None:
        """Let those who watch a job know at once that it ended without a worker."""
        events = await self.ended(tenant_id, job_id, START)
        try:
            await self._hub.log.close(events or [])
        except OUTAGES as error:
            logger.warning("the end of job %s was not told: %s; its readers will ask", job_id, error)

    async def _logged(self, job_id: JobId, after: Position, count: int | None = None) -> list[Event]:
        try:
            return await self._hub.log.read(job_id, after, count=count)
        except OUTAGES:
            return []

    async def ended(self, tenant_id: TenantId, job_id: JobId, after: Position) -> list[Event] | None:
        """All that is left of an ended job's stream; None while it goes on, or PostgreSQL cannot say."""
        try:
            job = await self._row(tenant_id, jobs.ANY_JOBS, job_id)
            if job is None or not JobState(job.state).terminal:
                return None
            logged = await self._logged(job_id, after)
            if logged and logged[-1].terminal:
                return logged
            return await self._rebuilt(tenant_id, job, after)
        except DATABASE_OUTAGES as error:
            logger.warning("the end of job %s cannot be looked up: %s", job_id, error)
            return None

    async def _ended_jobs(self, asked: Sequence[tuple[TenantId, JobId]]) -> list[bool]:
        by_tenant: dict[TenantId, list[JobId]] = {}
        for tenant_id, job_id in asked:
            by_tenant.setdefault(tenant_id, []).append(job_id)
        ended: set[JobId] = set()
        try:
            for tenant_id, ids in by_tenant.items():
                for start in range(0, len(ids), JOBS_AT_ONCE):
                    some = ids[start : start + JOBS_AT_ONCE]
                    rows = await self._database.shaped(tenant_id, jobs.ENDED_JOBS, ids=some)
                    ended.update(JobId(row.id) for row in rows)
        except DATABASE_OUTAGES as error:
            logger.warning("which of %d jobs have ended cannot be looked up: %s", len(asked), error)
        return [job_id in ended for _, job_id in asked]

    async def _rebuilt(self, tenant_id: TenantId, job: Any, after: Position) -> list[Event]:
        """Snapshot and end as PostgreSQL knows them; only what a reader at `after` has not seen."""
        job_id, attempt = JobId(job.id), max(job.attempt, 1)
        if after >= Position(attempt, TERMINAL_N):
            return []
        generation = await self._row(tenant_id, generations.ANY_GENERATIONS_OF_JOBS, job_id)
        if generation is None:
            data = {"code": job.error_code, "message": job.error_message}
            events = closing(job_id, attempt, JOB_ENDS[JobState(job.state)], data, text="", at=job.finished_at)
            return [event for event in events if event.position > after]
        kept = await self._row(tenant_id, generations.TEXTS, generation.id)
        text = (kept.text if kept is not None else "") or ""
        end, data = EventType(GenerationState(generation.state)), await self._end_data(tenant_id, generation)
        events = closing(job_id, attempt, end, data, text=text, at=job.finished_at)
        return [event for event in events if event.position > after]

    async def _end_data(self, tenant_id: TenantId, generation: Any) -> dict[str, Any]:
        usage = await self._row(tenant_id, generations.USAGE, generation.job_id)
        data = {
            "version": str(generation.version_id) if generation.version_id else None,
            "code": generation.error_code,
            "message": generation.error_message,
            "reason": generation.truncation_reason,
        }
        if generation.message_id is not None:
            data["answer"] = str(generation.message_id)
        if usage is not None:
            data |= {
                "inputTokens": int(usage.input_tokens),
                "cachedInputTokens": int(usage.cached_input_tokens),
                "outputTokens": int(usage.output_tokens),
                "source": usage.source,
                "cost": int(usage.cost_micros),
            }
        return data

    async def _row(self, tenant_id: TenantId, statement: Shape, id_: UUID) -> Any | None:
        rows = await self._database.shaped(tenant_id, statement, ids=[id_])
        return rows[0] if rows else None
