"""Where a stream's events come from: the live log while there is one, PostgreSQL when there is not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from opentelemetry import metrics

from domain.accounts import Actor
from domain.errors import ErrorCode
from domain.events import START, TERMINAL_N, Event, EventType, Position, closing
from domain.generation.entities import GenerationState
from domain.ids import JobId, TenantId
from domain.jobs import JobState
from persistence.database import OUTAGES as DATABASE_OUTAGES
from persistence.database import Database
from persistence.generation import reads as generations
from persistence.jobs import reads as jobs
from persistence.streams import OUTAGES, Hub

SILENCE_S = 2.0
"""After this much silence PostgreSQL is asked whether the job has ended."""
REVALIDATE_S = 3.0
"""How often the right to watch is looked at; with what the authenticator believes meanwhile, less than 5 s."""

_lag = metrics.get_meter("fabula.resolvers").create_histogram(
    "fabula.stream.lag", unit="s", description="From the writing of an event by a worker to its delivery."
)

_first_text = metrics.get_meter("fabula.resolvers").create_histogram(
    "fabula.stream.time_to_first_text", unit="s", description="From an attempt's start to its first text, as watched."
)

logger = logging.getLogger(__name__)

StillValid = Callable[[Actor], Awaitable[bool]]
"""Whether an actor's session or token, and membership, still stand."""


class EventSource:
    def __init__(self, database: Database, hub: Hub, still_valid: StillValid) -> None:
        self._database = database
        self._hub = hub
        self._still_valid = still_valid

    async def follow(self, actor: Actor, job_id: JobId, after: Position) -> AsyncIterator[list[Event]]:
        """Batches of events until the terminal one.

        Reconnecting readers get what they missed from the log, or from PostgreSQL when the log is gone: a snapshot
        of the text and the end. The stream also ends when the actor's right to watch does.
        """
        watch = await self._hub.watch(job_id, after)
        loop = asyncio.get_running_loop()
        validated = loop.time()
        began: datetime | None = None
        silent_since = float("-inf")  # the first look at PostgreSQL comes at once: the job may have ended long ago
        try:
            while True:
                if loop.time() - validated >= REVALIDATE_S:
                    if not await self._still_valid(actor):
                        yield [self._revoked(job_id, watch.position)]
                        return
                    validated = loop.time()
                if loop.time() - silent_since > SILENCE_S:
                    ended = await self._ended(actor.tenant_id, job_id, watch.position)
                    if ended is not None:
                        yield ended
                        return
                    silent_since = loop.time()
                try:
                    batch = await watch.take(min(SILENCE_S, max(0.0, validated + REVALIDATE_S - loop.time())))
                except OUTAGES:
                    await asyncio.sleep(0.2)
                    continue
                if batch:
                    began = _measure(batch, began)
                    _lag.record((datetime.now(UTC) - batch[-1].at).total_seconds())
                    silent_since = loop.time()
                    yield batch
                    if batch[-1].terminal:
                        return
        finally:
            watch.close()

    async def page(self, tenant_id: TenantId, job_id: JobId, after: Position, first: int) -> tuple[list[Event], bool]:
        """At most `first` events after a position, and whether more can be read now."""
        ended = await self._ended(tenant_id, job_id, after)
        events = ended if ended is not None else await self._logged(job_id, after, first + 1)
        return events[:first], len(events) > first

    async def tell_end(self, tenant_id: TenantId, job_id: JobId) -> None:
        """Let those who watch a job know at once that it ended without a worker."""
        events = await self._ended(tenant_id, job_id, START)
        try:
            await self._hub.log.close(events or [])
        except OUTAGES as error:
            logger.warning("the end of job %s was not told: %s; its readers will ask", job_id, error)

    async def _logged(self, job_id: JobId, after: Position, count: int | None = None) -> list[Event]:
        try:
            return await self._hub.log.read(job_id, after, count=count)
        except OUTAGES:
            return []

    async def _ended(self, tenant_id: TenantId, job_id: JobId, after: Position) -> list[Event] | None:
        """All that is left of an ended job's stream; None while it goes on, or PostgreSQL cannot say."""
        try:
            job = await self._row(tenant_id, jobs.jobs_by_id(tenant_id, [job_id]))
            if job is None or not JobState(job.state).terminal:
                return None
            logged = await self._logged(job_id, after)
            if logged and logged[-1].terminal:
                return logged
            return await self._rebuilt(tenant_id, job, after)
        except DATABASE_OUTAGES as error:
            logger.warning("the end of job %s cannot be looked up: %s", job_id, error)
            return None

    async def _rebuilt(self, tenant_id: TenantId, job: Any, after: Position) -> list[Event]:
        """Snapshot and end as PostgreSQL knows them; only what a reader at `after` has not seen."""
        job_id, attempt = JobId(job.id), max(job.attempt, 1)
        if after >= Position(attempt, TERMINAL_N):
            return []
        generation = await self._row(tenant_id, generations.generations_by_job(tenant_id, [job_id]))
        if generation is None:
            return []
        kept = await self._row(tenant_id, generations.texts_of(tenant_id, [generation.id]))
        text = (kept.text if kept is not None else "") or ""
        end, data = EventType(GenerationState(generation.state)), await self._end_data(tenant_id, generation)
        events = closing(job_id, attempt, end, data, text=text, at=job.finished_at)
        return [event for event in events if event.position > after]

    async def _end_data(self, tenant_id: TenantId, generation: Any) -> dict[str, Any]:
        usage = await self._row(tenant_id, generations.usage_of(tenant_id, [generation.job_id]))
        data = {
            "version": str(generation.version_id) if generation.version_id else None,
            "code": generation.error_code,
            "message": generation.error_message,
            "reason": generation.truncation_reason,
        }
        if usage is not None:
            data |= {
                "inputTokens": int(usage.input_tokens),
                "cachedInputTokens": int(usage.cached_input_tokens),
                "outputTokens": int(usage.output_tokens),
                "source": usage.source,
                "cost": int(usage.cost_micros),
            }
        return data

    async def _row(self, tenant_id: TenantId, statement: Any) -> Any | None:
        rows = await self._database.rows(tenant_id, statement)
        return rows[0] if rows else None

    @staticmethod
    def _revoked(job_id: JobId, at: Position) -> Event:
        data = {"code": ErrorCode.UNAUTHENTICATED.value, "message": "Your right to watch this has ended."}
        return Event(job_id, Position(at.attempt, at.n), EventType.REVOKED, data)


def _measure(batch: list[Event], began: datetime | None) -> datetime | None:
    """Note how long the first text of an attempt took. Returns the start that still waits for its text."""
    for event in batch:
        if event.type is EventType.STARTED:
            began = event.at
        elif event.type is EventType.DELTA and began is not None:
            _first_text.record((event.at - began).total_seconds())
            began = None
    return began
