"""Writing a chapter under a lease.

    claim     take the job, open the attempt, announce it on the stream
    call      take a channel and ask its provider; text goes to the narrator, which alone writes the stream
    beat      once a second: extend the lease, checkpoint the text, hear of a cancel
    end       PostgreSQL first, the terminal event second

Whatever stops a run (cancel, lost lease, shutdown) cancels the provider call, and with it its socket, at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from domain.billing import Price, QuotaExhausted, Usage, cost, extend_hold
from domain.channels.health import Outcome
from domain.errors import LeaseLost
from domain.events import EventType
from domain.generation import service
from domain.generation.endings import Ending, NewAttempt, after_error, after_finish, cancelled, truncated
from domain.generation.entities import AttemptOutcome, GenerationState, TruncationReason
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    Finished,
    ProviderError,
    ProviderEvent,
    ReasoningChunk,
    TextChunk,
    UsageReport,
    UsageSource,
)
from domain.generation.work import Work, begin
from domain.ids import JobId, TenantId
from domain.jobs import Lease
from domain.text import estimated_tokens, word_count
from persistence import database
from persistence.streams import Fenced
from workers.meter import Meter
from workers.narrator import Narrator
from workers.restarts import through_restarts
from workers.routing import Router, Taken
from workers.runtime import Runtime
from workers.stopping import Stop, Stopping
from workers.telemetry import attempt_span, call_span, count_ending, observe_first_token

BEAT_S = 1.0
CHECKPOINT_CHARS = 2_048
OVERLENGTH = 1.5
"""A provider that ignores the length limit is stopped at this share of it."""

logger = logging.getLogger(__name__)


async def run_job(runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    """Claim and run one generation; returns at once when there is nothing to claim."""
    if runtime.stopping.is_set():
        return
    async with runtime.units(tenant_id) as uow:
        lease = await uow.jobs.claim(job_id, runtime.worker_id, runtime.lease_s)
        work = await begin(uow, lease) if lease is not None else None
    if lease is None or work is None:
        return
    cancel = runtime.cancels.add(job_id)
    try:
        with attempt_span(work, lease):
            await GenerationRun(runtime, lease, work, cancel).run()
    finally:
        runtime.cancels.remove(job_id, cancel)


class GenerationRun:
    """One claimed generation, from the announcement to its end."""

    def __init__(self, runtime: Runtime, lease: Lease, work: Work, cancel: asyncio.Event) -> None:
        self._runtime = runtime
        self._lease = lease
        self._work = work
        self._cancel = cancel
        self._failures = work.failures
        self._router = Router(runtime.board, work)
        self._meter = Meter(work.held, work.generation.max_cost_micros)
        self._stopping = Stopping()
        self._narrator = Narrator(runtime.log, lease)
        self._bulk = asyncio.Event()
        self._metered = (0, 0)
        self._served_by = ""
        self._reset()

    def _reset(self) -> None:
        """A fresh attempt: no text and no usage. Readers hear of it before its first token."""
        self._text = ""
        self._usage: UsageReport | None = None
        self._first_token_at: datetime | None = None
        self._finish_reason: str | None = None
        self._trace: list[str] = []
        self._began = time.monotonic()
        self._checkpointed = 0
        self._taken: Taken | None = None
        self._call_began = self._began
        self._ttft_s: float | None = None
        self._route_kept = True
        self._narrator.begin(self._lease)
        if self._lease.attempt > 1:
            reset = {"attempt": self._lease.attempt, "reason": "The attempt before was interrupted."}
            self._narrator.say(EventType.RESET, reset)
        else:
            self._narrator.say(EventType.CONTEXT, {"promptTokens": self._work.prompt_tokens})

    def _note(self, what: str) -> None:
        self._trace.append(f"{int((time.monotonic() - self._began) * 1000)} ms: {what}")

    async def run(self) -> None:
        helpers = [
            asyncio.create_task(self._narrate()),
            asyncio.create_task(self._beat_forever()),
            asyncio.create_task(self._stopping.when(self._cancel, Stop.CANCEL)),
            asyncio.create_task(self._stopping.when(self._runtime.stopping, Stop.SHUTDOWN)),
        ]
        try:
            ending = await self._write_chapter()
            if ending is not None:
                await self._end(ending, helpers[0])
        except (LeaseLost, Fenced):
            logger.info("job %s belongs to another worker now", self._lease.job_id)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    async def _narrate(self) -> None:
        try:
            await self._narrator.run()
        except Fenced:
            self._stopping.ask(Stop.LEASE_LOST)

    # -- the provider ---------------------------------------------------------------------------------------------

    async def _write_chapter(self) -> Ending | None:
        """The ending, or None when this worker has nothing more to say about the job."""
        tries = 0
        while True:
            tries += 1
            step = await self._stopping.until(self._call())
            if isinstance(step, Stop):
                return await self._stopped(step)
            if isinstance(step, Ending):
                return step
            following = after_error(
                step, text=self._text, tries=tries, failures=self._failures, chance=random.random(),
                elsewhere=await self._router.elsewhere(),
            )  # fmt: skip # not cryptographic: it only spreads retries
            if isinstance(following, Ending):
                return following
            if isinstance(following, NewAttempt):
                await self._switch(step)
                tries = 0
            self._note(f"next try in {following.delay_s:.1f} s")
            stop = await self._stopping.until(asyncio.sleep(following.delay_s))
            if isinstance(stop, Stop):
                return await self._stopped(stop)

    async def _call(self) -> Ending | ProviderError:
        taken = await self._router.wait(self._note)
        if isinstance(taken, Ending):
            return taken
        self._announce(taken)
        began, outcome = time.monotonic(), Outcome(stopped=True)
        self._call_began = began
        try:
            ending = await self._exchange(taken)
            outcome = Outcome(latency_s=time.monotonic() - began)
            return ending
        except ProviderError as error:
            self._note(f"{error.code}: {error.detail or error.message}")
            outcome = Outcome(error=error.code, retry_after_s=error.retry_after_s)
            return error
        finally:
            used = self._counted()
            tokens = used.input_tokens + used.output_tokens
            await self._router.ended(taken, replace(outcome, ttft_s=self._ttft_s, probe=taken.probe), tokens)
            self._route_kept = False

    def _announce(self, taken: Taken) -> None:
        """Readers hear which channel it is, and when it becomes another."""
        attempt, channel = self._lease.attempt, taken.channel.name
        self._note(f"attempt {attempt} on {channel}")
        if self._served_by not in {"", channel}:
            reason = f"{self._served_by} failed"
            self._narrator.say(EventType.SWITCHED, {"attempt": attempt, "channel": channel, "reason": reason})
        if self._taken is None:
            self._narrator.say(EventType.STARTED, {"attempt": attempt, "model": taken.model.name, "channel": channel})
        self._served_by = channel
        self._taken, self._route_kept = taken, False
        self._meter.serve(self._price, self._work.prompt_tokens, self._work.generation.max_output_tokens)
        if self._meter.lacking:
            self._bulk.set()

    async def _exchange(self, taken: Taken) -> Ending:
        """One call of the provider. Raises ProviderError."""
        generation, model = self._work.generation, taken.model
        request = CompletionRequest(
            model.upstream,
            tuple(ChatMessage(m["role"], m["content"]) for m in generation.prompt),  # type: ignore[arg-type]
            min(generation.max_output_tokens, model.max_output_tokens or generation.max_output_tokens),
        )
        provider = self._runtime.provider_for(taken.channel)
        with call_span(taken.channel.name, model.name):
            async with contextlib.aclosing(provider), contextlib.aclosing(provider.stream(request)) as events:
                return await self._consume(events, taken)

    async def _consume(self, events: AsyncIterator[ProviderEvent], taken: Taken) -> Ending:
        async for event in events:
            match event:
                case TextChunk(text):
                    if self._ttft_s is None:
                        self._ttft_s = time.monotonic() - self._call_began
                        await self._router.first_token(taken, self._ttft_s)
                    self._take(text, taken)
                case UsageReport():
                    self._usage = event
                case Finished(reason, _):
                    self._finish_reason = reason
                    self._note(f"the model finished: {reason}")
                    return after_finish(reason, self._text)
                case ReasoningChunk():
                    pass  # kept from readers: it may quote what the story must not give away yet
        raise AssertionError("an adapter ends with Finished or raises")

    def _take(self, text: str, taken: Taken) -> None:
        if self._first_token_at is None:
            self._first_token_at = datetime.now(UTC)
            self._note("first token")
            observe_first_token(taken.channel.name, time.monotonic() - self._began)
        self._text += text
        self._meter.add(text)
        if self._meter.exhausted:
            self._stopping.ask(Stop.BUDGET)
        self._narrator.tell(text)
        if len(self._text) - self._checkpointed >= CHECKPOINT_CHARS:
            self._bulk.set()

    async def _switch(self, error: ProviderError) -> None:
        """Give up the text that readers have seen and start again under the next number."""
        ending = Ending(
            GenerationState.STREAMING, AttemptOutcome.CUT, keeps_text=False, code=error.code, message=error.message
        )

        async def switch() -> Lease:
            async with self._runtime.units(self._lease.tenant_id) as uow:
                return await service.switch_attempt(uow, self._lease, self._result(ending))

        self._lease = await through_restarts(switch)
        self._failures += 1
        self._reset()

    # -- stopping -------------------------------------------------------------------------------------------------

    async def _stopped(self, why: Stop) -> Ending | None:
        self._note(f"stopped: {why.name.lower()}")
        match why:
            case Stop.CANCEL:
                return cancelled(self._text)
            case Stop.BUDGET:
                return truncated(TruncationReason.BUDGET)
            case Stop.SHUTDOWN:
                await self._hand_back()
        return None

    async def _hand_back(self) -> None:
        """A worker that is told to stop gives its job to the next one without waiting for the lease to expire."""
        with contextlib.suppress(LeaseLost, *database.OUTAGES):
            async with self._runtime.units(self._lease.tenant_id) as uow:
                await service.hand_back(uow, self._lease, self._result(service.CRASHED))

    # -- the lease ------------------------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        while True:
            await self._until_checkpoint_is_due()
            try:
                if await self._beat():
                    self._stopping.ask(Stop.CANCEL)
            except LeaseLost:
                self._stopping.ask(Stop.LEASE_LOST)
                return
            except database.OUTAGES as error:
                logger.warning("job %s: no heartbeat: %s", self._lease.job_id, error)
            if estimated_tokens(self._text) > OVERLENGTH * self._work.generation.max_output_tokens:
                self._stopping.ask(Stop.BUDGET)

    async def _until_checkpoint_is_due(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(BEAT_S, self._runtime.lease_s / 4)):
                await self._bulk.wait()
        self._bulk.clear()

    async def _beat(self) -> bool:
        lease, text, generation, taken = self._lease, self._text, self._work.generation, self._taken
        route = self._router.route(taken) if taken is not None and not self._route_kept else None
        async with self._runtime.units(lease.tenant_id) as uow:
            cancel_asked = await uow.jobs.beat(lease, self._runtime.lease_s, self._percent)
            if route is not None:
                await uow.generation.route(generation.id, lease.attempt, route)
            if text:
                await uow.generation.checkpoint(generation.id, lease.attempt, text, self._first_token_at)
        self._checkpointed, self._route_kept = len(text), True
        if self._meter.lacking:
            await self._extend_hold()
        if text and (self._meter.held, self._meter.accrued) != self._metered:
            self._metered = held, accrued = self._meter.held, self._meter.accrued
            self._narrator.say(EventType.METER, {"held": held, "accrued": accrued, "left": max(0, held - accrued)})
        if taken is not None:
            await self._router.renew(taken)
        return cancel_asked

    @property
    def _percent(self) -> int:
        return min(99, word_count(self._text) * 100 // self._work.generation.target_words)

    async def _extend_hold(self) -> None:
        """Reserve what the channel's longest answer may cost more than was held; what the wallet has not is refused."""
        async with self._runtime.units(self._lease.tenant_id) as uow:
            await uow.jobs.beat(self._lease, self._runtime.lease_s, self._percent)
            try:
                held = await extend_hold(uow.billing, self._lease.job_id, self._meter.lacking)
            except QuotaExhausted:
                held = None
        self._meter.extended(held)

    # -- the end --------------------------------------------------------------------------------------------------

    def _result(self, ending: Ending) -> service.Result:
        route = self._router.route(self._taken) if self._taken is not None else None
        return service.Result(
            self._text, ending, self._counted(), self._first_token_at, self._trace, self._finish_reason, route
        )

    def _counted(self) -> Usage:
        """The provider's own count, else an estimate; nothing when not even a call was answered."""
        if (said := self._usage) is not None:
            return Usage(
                said.input_tokens,
                said.output_tokens,
                said.cached_input_tokens,
                said.reasoning_tokens,
                said.source,
                said.cache_write_tokens,
            )
        if not self._text:
            return Usage(0, 0, source=UsageSource.UNKNOWN)
        return Usage(self._work.prompt_tokens, estimated_tokens(self._text), source=UsageSource.ESTIMATE)

    @property
    def _price(self) -> Price:
        taken, asked = self._taken, self._work.generation
        call = (taken.model.name, taken.channel.name) if taken is not None else (asked.model, asked.channel)
        return self._work.prices[call]

    async def _end(self, ending: Ending, flusher: asyncio.Task[None]) -> None:
        result = self._result(ending)

        async def finish() -> object:
            async with self._runtime.units(self._lease.tenant_id) as uow:
                return await service.finish(uow, self._lease, result)

        version_id = await through_restarts(finish, already=self._already_ended)
        flusher.cancel()
        await asyncio.gather(flusher, return_exceptions=True)
        usage = result.usage
        data = {
            "version": str(version_id) if version_id else None,
            "code": ending.code,
            "message": ending.message,
            "reason": ending.truncation,
            "inputTokens": usage.input_tokens,
            "cachedInputTokens": usage.cached_input_tokens,
            "outputTokens": usage.output_tokens,
            "source": usage.source,
            "cost": cost(self._price, usage) if ending.billed else 0,
        }
        count_ending(ending.outcome)
        await self._narrator.end(EventType(ending.state), data)

    async def _already_ended(self) -> object:
        """After an interrupted commit: whether it was ours that went through. Raises LeaseLost when it was not."""
        async with self._runtime.units(self._lease.tenant_id) as uow:
            return await service.ended_version(uow, self._lease)
