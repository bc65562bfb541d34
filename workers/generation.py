"""Writing a chapter, or a message, under a lease.

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

from domain.billing import QuotaExhausted, extend_hold
from domain.channels.health import BLAMELESS
from domain.errors import LeaseLost
from domain.events import EventType
from domain.generation import attempts
from domain.generation.endings import Ending, NewAttempt, after_error, cancelled, truncated
from domain.generation.entities import AttemptOutcome, GenerationState, Route, TruncationReason
from domain.generation.provider import ProviderError
from domain.generation.work import Work, begin
from domain.ids import JobId, TenantId
from domain.jobs import Lease
from domain.text import estimated_tokens, word_count
from persistence import database
from persistence.streams import Fenced
from workers.alerts import teller
from workers.call import NOTHING, Call
from workers.conversations import follow_up
from workers.meter import Meter
from workers.narrator import Narrator
from workers.restarts import through_restarts
from workers.routing import Router, Taken
from workers.runtime import Runtime
from workers.stopping import Stop, Stopping
from workers.telemetry import attempt_span, count_ending, observe_first_token

BEAT_S = 1.0
CHECKPOINT_CHARS = 2_048
OVERLENGTH = 1.5
"""A provider that ignores the length limit is stopped at this share of it."""
AUTHOR_LEFT = frozenset({Stop.CANCEL, Stop.BUDGET})
"""The text ends here, and the worker goes on."""

logger = logging.getLogger(__name__)


async def run_job(runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    """Claim and run one generation; returns at once when there is nothing to claim."""
    if runtime.stopping.is_set():
        return
    try:
        async with runtime.units(tenant_id) as uow:
            lease = await uow.jobs.claim(job_id, runtime.worker_id, runtime.lease_s)
            work = await begin(uow, lease) if lease is not None else None
    except Exception as error:
        if isinstance(error, LeaseLost) or (isinstance(error, database.OUTAGES) and database.is_outage(error)):
            raise
        logger.exception("job %s cannot be begun, now or ever", job_id)
        await _give_up(runtime, tenant_id, job_id)
        return
    if lease is None or work is None:
        return
    cancel = runtime.cancels.add(job_id)
    try:
        with attempt_span(work, lease):
            await GenerationRun(runtime, lease, work, cancel).run()
    finally:
        runtime.cancels.remove(job_id, cancel)


async def _give_up(runtime: Runtime, tenant_id: TenantId, job_id: JobId) -> None:
    """What cannot be begun would be rung for again and again, with its hold taken and its chapter locked."""
    async with runtime.units(tenant_id) as uow:
        lease = await uow.jobs.claim(job_id, runtime.worker_id, runtime.lease_s)
        if lease is not None:
            await attempts.give_up(uow, lease)


class GenerationRun:
    """One claimed generation, from the announcement to its end."""

    def __init__(self, runtime: Runtime, lease: Lease, work: Work, cancel: asyncio.Event) -> None:
        self._runtime = runtime
        self._lease = lease
        self._lease_in_use = asyncio.Lock()
        self._work = work
        self._cancel = cancel
        self._failures = work.failures
        self._router = Router(runtime.board, work, teller(runtime.units))
        self._meter = Meter(work.held, work.generation.max_cost_micros)
        self._stopping = Stopping()
        self._narrator = Narrator(runtime.log, lease, work.generation)
        self._bulk = asyncio.Event()
        self._metered = (0, 0)
        self._served_by = ""
        self._reset()

    def _reset(self) -> None:
        """A fresh attempt: no text and no usage. Readers hear of it before its first token."""
        self._call: Call | None = None
        self._trace: list[str] = []
        self._began = time.monotonic()
        self._checkpointed = 0
        self._kept_route: Route | None = None
        self._router.begin_attempt()
        self._narrator.begin(self._lease)
        if self._lease.attempt > 1:
            reset = {"attempt": self._lease.attempt, "reason": "The attempt before was interrupted."}
            self._narrator.say(EventType.RESET, reset)
        else:
            self._narrator.say(EventType.CONTEXT, {"promptTokens": self._work.prompt_tokens})

    def _note(self, what: str) -> None:
        self._trace.append(f"{int((time.monotonic() - self._began) * 1000)} ms: {what}")

    @property
    def _text(self) -> str:
        return self._call.text if self._call is not None else ""

    async def run(self) -> None:
        helpers = [
            asyncio.create_task(self._narrate()),
            asyncio.create_task(self._beat_forever()),
            asyncio.create_task(self._stopping.when(self._cancel, Stop.CANCEL)),
            asyncio.create_task(self._stopping.when(self._runtime.stopping, Stop.SHUTDOWN)),
        ]
        try:
            ending = await self._write()
            if ending is not None:
                await self._end(ending, helpers[0])
                await follow_up(self._runtime.units, self._work.generation)
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

    async def _write(self) -> Ending | None:
        """The ending, or None when this worker has nothing more to say about the job."""
        tries = 0
        while True:
            tries += 1
            step = await self._next_call()
            if isinstance(step, Stop):
                return await self._stopped(step)
            if isinstance(step, Ending):
                return step
            elsewhere = await self._stopping.until(self._elsewhere(step))
            if isinstance(elsewhere, Stop):
                return await self._stopped(elsewhere)
            following = after_error(
                step, text=self._text, tries=tries, failures=self._failures, chance=random.random(), elsewhere=elsewhere
            )  # not cryptographic: it only spreads retries
            if isinstance(following, Ending):
                return following
            if isinstance(following, NewAttempt):
                await self._switch(step)
                tries = 0
            self._note(f"next try in {following.delay_s:.1f} s")
            stop = await self._stopping.until(asyncio.sleep(following.delay_s))
            if isinstance(stop, Stop):
                return await self._stopped(stop)

    async def _elsewhere(self, error: ProviderError) -> bool:
        return error.code not in BLAMELESS and await self._router.elsewhere()

    async def _next_call(self) -> Ending | ProviderError | Stop:
        """Take a channel and ask its provider, until that has answered or the run is to stop."""
        taken = await self._stopping.until(self._router.wait(self._note))
        if isinstance(taken, Stop):
            return taken
        if isinstance(taken, Ending):
            self._note(f"no channel: {taken.code}")
            return taken
        call = self._announce(taken)
        running = asyncio.create_task(call.run(self._runtime.provider_for))
        step = await self._stopping.until(running, spare=lambda why: call.drains and why in AUTHOR_LEFT)
        if isinstance(step, Stop) and not running.done():
            call.leave()
            self._note("the provider counts to its end; it is heard out without the author")
            self._runtime.drains.add(call, running, self._lease)
        elif isinstance(step, ProviderError):
            logger.info("job %s: %s through %s: %s", self._lease.job_id, step.code, taken.channel.name, step.detail)
            own = not taken.channel.of_platform  # what a provider told the operator is not the tenant's to read
            self._note(f"{step.code}: {(own and step.detail) or step.message}")
        elif isinstance(step, Ending):
            self._note(f"the model finished: {call.finish_reason}")
        return step

    def _announce(self, taken: Taken) -> Call:
        """Readers hear which channel it is, and when it becomes another."""
        attempt, channel = self._lease.attempt, taken.channel.name
        self._note(f"attempt {attempt} on {channel}")
        if self._served_by not in {"", channel}:
            reason = f"{self._served_by} failed"
            self._narrator.say(EventType.SWITCHED, {"attempt": attempt, "channel": channel, "reason": reason})
        if self._call is None:
            self._narrator.say(EventType.STARTED, {"attempt": attempt, "model": taken.model.name, "channel": channel})
        self._served_by = channel
        self._call = call = Call(self._router, taken, self._work, self._hear, self._spend)
        self._meter.serve(call.price, self._work.prompt_tokens, self._work.generation.max_output_tokens)
        if self._meter.lacking:
            self._bulk.set()
        return call

    def _hear(self, text: str) -> None:
        if self._text == text:
            self._note("first token")
            observe_first_token(self._served_by, time.monotonic() - self._began)
        self._spend(text)
        self._narrator.tell(text)
        if len(self._text) - self._checkpointed >= CHECKPOINT_CHARS:
            self._bulk.set()

    def _spend(self, text: str) -> None:
        """What the model wrote, thoughts included, is to be paid for."""
        self._meter.add(text)
        if self._meter.exhausted:
            self._stopping.ask(Stop.BUDGET)

    async def _switch(self, error: ProviderError) -> None:
        """Give up the text that readers have seen and start again under the next number."""
        ending = Ending(
            GenerationState.STREAMING, AttemptOutcome.CUT, keeps_text=False, code=error.code, message=error.message
        )

        async def switch() -> Lease:
            async with self._runtime.units(self._lease.tenant_id) as uow:
                return await attempts.switch_attempt(uow, self._lease, self._result(ending))

        async def already_switched() -> Lease:
            async with self._runtime.units(self._lease.tenant_id) as uow:
                return await attempts.already_switched(uow, self._lease)

        async with self._lease_in_use:
            self._lease = await through_restarts(switch, already=already_switched)
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
            async with self._lease_in_use, self._runtime.units(self._lease.tenant_id) as uow:
                await attempts.hand_back(uow, self._lease, self._result(attempts.CRASHED))

    # -- the lease ------------------------------------------------------------------------------------------------

    async def _beat_forever(self) -> None:
        while True:
            await self._until_checkpoint_is_due()
            try:
                await self._router.renew()
                async with self._lease_in_use:
                    cancel_asked = await self._beat()
                    if self._meter.lacking:
                        await self._extend_hold()
            except LeaseLost:
                self._stopping.ask(Stop.LEASE_LOST)
                return
            except database.OUTAGES as error:
                if not database.is_outage(error):
                    logger.exception("job %s: its heartbeat is refused; it is given up", self._lease.job_id)
                    self._stopping.ask(Stop.LEASE_LOST)
                    return
                logger.warning("job %s: no heartbeat: %s", self._lease.job_id, error)
                await asyncio.sleep(min(BEAT_S, self._runtime.lease_s / 4))
                continue
            except Exception:
                logger.exception("job %s: its heartbeat failed; it is given up", self._lease.job_id)
                self._stopping.ask(Stop.LEASE_LOST)
                raise
            if cancel_asked:
                self._stopping.ask(Stop.CANCEL)
            self._tell_meter()
            if estimated_tokens(self._text) > OVERLENGTH * self._work.generation.max_output_tokens:
                self._stopping.ask(Stop.BUDGET)

    async def _until_checkpoint_is_due(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(BEAT_S, self._runtime.lease_s / 4)):
                await self._bulk.wait()
        self._bulk.clear()

    async def _beat(self) -> bool:
        """Extend the lease, keep the route and the text so far; whether a cancel was asked."""
        lease, call, generation_id = self._lease, self._call, self._work.generation.id
        text = self._text
        self._checkpointed = len(text)
        route = self._router.route(call.taken) if call is not None else None
        async with self._runtime.units(lease.tenant_id) as uow:
            cancel_asked = await uow.jobs.beat(lease, self._runtime.lease_s, self._percent)
            if route is not None and route != self._kept_route:
                await uow.generation.route(generation_id, lease.attempt, route)
            if call is not None and text:
                await uow.generation.checkpoint(generation_id, lease.attempt, text, call.first_token_at)
        self._kept_route = route
        return cancel_asked

    @property
    def _percent(self) -> int:
        return min(99, word_count(self._text) * 100 // self._work.generation.target_words)

    def _tell_meter(self) -> None:
        held, accrued = self._meter.held, self._meter.accrued
        if self._text and (held, accrued) != self._metered:
            self._metered = held, accrued
            self._narrator.say(EventType.METER, {"held": held, "accrued": accrued, "left": max(0, held - accrued)})

    async def _extend_hold(self) -> None:
        """Reserve what the channel's longest answer may cost more than was held, or as much of it as there is."""
        held, most = None, self._meter.wanted
        try:
            held = await self._hold(most)
        except QuotaExhausted as refusal:
            if refusal.available.micros > 0:
                with contextlib.suppress(QuotaExhausted):
                    held = await self._hold(min(most, self._meter.held + refusal.available.micros))
        self._meter.extended(held)

    async def _hold(self, micros: int) -> int | None:
        """Have so much held in all: an extension whose answer was lost is not made twice. Raises QuotaExhausted."""
        job_id = self._lease.job_id
        async with self._runtime.units(self._lease.tenant_id) as uow:
            await uow.jobs.beat(self._lease, self._runtime.lease_s, self._percent)
            held = await uow.billing.held(job_id)
            return await extend_hold(uow.billing, job_id, micros - held) if micros > held else held

    # -- the end --------------------------------------------------------------------------------------------------

    def _result(self, ending: Ending) -> attempts.Result:
        if (call := self._call) is None:
            return attempts.Result("", ending, NOTHING, None, self._trace)
        return attempts.Result(
            call.text, ending, call.counted, call.first_token_at, self._trace, call.finish_reason,
            self._router.route(call.taken), call.price,
        )  # fmt: skip

    async def _end(self, ending: Ending, flusher: asyncio.Task[None]) -> None:
        result = self._result(ending)

        async def finish() -> attempts.Ended:
            async with self._runtime.units(self._lease.tenant_id) as uow:
                return await attempts.finish(uow, self._lease, result)

        async def already_ended() -> attempts.Ended:
            """After an interrupted commit: whether it was ours that went through."""
            async with self._runtime.units(self._lease.tenant_id) as uow:
                return await attempts.already_ended(uow, self._lease)

        async with self._lease_in_use:
            ended = await through_restarts(finish, already=already_ended)
        flusher.cancel()
        await asyncio.gather(flusher, return_exceptions=True)
        usage = result.usage
        data = {
            "version": str(ended.version_id) if ended.version_id else None,
            "code": ending.code,
            "message": ending.message,
            "reason": ending.truncation,
            "inputTokens": usage.input_tokens,
            "cachedInputTokens": usage.cached_input_tokens,
            "outputTokens": usage.output_tokens,
            "source": usage.source,
            "cost": ended.charged_micros,
        }
        if ended.message_id is not None:
            data["answer"] = str(ended.message_id)
        count_ending(ending.outcome)
        await self._narrator.end(EventType(ending.state), data)
