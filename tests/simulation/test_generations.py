"""Ten thousand generations in simulated time, under crashes, cancels, cuts, duplicates and failovers.

Programs are generators that say how long they wait; a heap of wakings is the clock. What they call is the product's
domain over ports in memory, which keep the database's constraints. Every world has its own seed.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from domain.billing import AccountKind, QuotaExhausted, Usage, extend_hold
from domain.channels.entities import ProviderKind
from domain.channels.offers import Offer
from domain.errors import LeaseLost
from domain.generation import attempts, service
from domain.generation.attempts import Result
from domain.generation.endings import Ending, NewAttempt, TryAgain, after_error, after_finish, cancelled, truncated
from domain.generation.entities import AttemptOutcome, GenerationState, Route, TruncationReason
from domain.generation.provider import FinishReason, ProviderError, ProviderErrorCode, UsageSource
from domain.generation.work import Work, begin
from domain.ids import JobId
from domain.jobs import JobState, Lease
from domain.text import estimated_tokens
from tests.domain.billing.test_wallet_machine import run
from tests.domain.memory import NOW, MemoryUnitOfWork
from tests.domain.world import World
from workers.meter import Meter

WORLDS, GENERATIONS = 100, 100
CREDIT_MICROS = 40_000_000
RATE_S, CHUNK = 50.0, 10
"""Tokens a second, and how many come at once."""
NOTICED_S = 0.2
"""A cancel reaches its worker within this time."""
WORD = "fog "

Program = Generator[float, None, None]


class Simulation:
    """One tenant with two channels, many authors, workers that die, and networks that break."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.world = World(MemoryUnitOfWork())
        self.uow = self.world.uow
        self.clock = 0.0
        self.happened: Counter[str] = Counter()
        self._wakings: list[tuple[float, int, Program]] = []
        self._number = count()
        self.jobs: list[JobId] = []
        self.asked_cancel: dict[JobId, float] = {}
        run(self.world.credit(CREDIT_MICROS))
        self.world.channel(ProviderKind.OPENAI_COMPATIBLE)
        second = self.world.channel(ProviderKind.OPENAI_COMPATIBLE, is_default=False)
        second.name = "spare"
        self.uow.billing.prices["dear"] = replace(
            self.uow.billing.versions[0], channel="spare", output_micros=6_000_000
        )
        self.project = run(self.world.project())

    def spawn(self, program: Program, after_s: float = 0.0) -> None:
        heapq.heappush(self._wakings, (self.clock + after_s, next(self._number), program))

    def play(self) -> None:
        while self._wakings:
            self.clock, _, program = heapq.heappop(self._wakings)
            wait_s = next(program, None)
            if wait_s is not None:
                self.spawn(program, wait_s)

    def chance(self, share: float, what: str) -> bool:
        drawn = self.dice.random() < share
        self.happened[what] += drawn
        return drawn

    # -- authors --------------------------------------------------------------------------------------------------

    def author(self, number: int) -> Program:
        yield self.dice.uniform(0, 60)
        chapter = run(self.world.node(self.project, f"Chapter {number}"))
        limit = self.dice.randrange(300, 900) if self.chance(0.1, "limits") else None
        command = service.StartChapter(chapter.id, "Go on.", f"key-{number}", 400, max_cost_micros=limit)
        started = run(service.start_chapter(self.uow, self.world.author, command, concurrency_max=50))
        assert started.job_id is not None
        self.jobs.append(started.job_id)
        if self.chance(0.2, "repeated starts"):
            again = run(service.start_chapter(self.uow, self.world.author, command, concurrency_max=50))
            assert (again.generation_id, again.replayed) == (started.generation_id, True)
        for _ in range(1 + self.chance(0.2, "duplicate doorbells")):
            self.spawn(self.worker(started.job_id), self.dice.uniform(0, 0.2))
        if self.chance(0.2, "cancels"):
            yield self.dice.uniform(0, 10)
            _, running = run(service.cancel(self.uow, self.world.author, started.job_id))
            if running:
                self.asked_cancel[started.job_id] = self.clock

    # -- workers --------------------------------------------------------------------------------------------------

    def worker(self, job_id: JobId) -> Program:
        lease = run(self.uow.jobs.claim(job_id, "worker", 5.0))
        if lease is not None:
            work = run(begin(self.uow, lease))
            yield from Worker(self, lease, work).write()

    def sweeper(self, job_id: JobId) -> Program:
        """A worker is dead: its lease runs out, and the next doorbell wakes another."""
        yield 5.0
        self.uow.jobs.expire(job_id)
        if run(attempts.recover(self.uow, job_id)) is JobState.QUEUED:
            self.spawn(self.worker(job_id))


class Worker:
    def __init__(self, simulation: Simulation, lease: Lease, work: Work) -> None:
        self.sim, self.lease, self.work = simulation, lease, work
        self.failures = work.failures
        self.meter = Meter(work.held, work.generation.max_cost_micros)
        self.text = ""
        self.offer: Offer = work.offers[0]

    def write(self) -> Program:
        tries, elsewhere = 0, True
        while True:
            tries += 1
            step = yield from self.call()
            if step is None:
                return
            following = (
                after_error(step, text=self.text, tries=tries, failures=self.failures, chance=0.5, elsewhere=elsewhere)
                if isinstance(step, ProviderError)
                else step
            )
            match following:
                case Ending():
                    self.finish(following)
                    return
                case TryAgain(delay_s):
                    self.sim.happened["tries again"] += 1
                    yield delay_s
                case NewAttempt(delay_s):
                    self.sim.happened["new attempts"] += 1
                    cut = Ending(
                        GenerationState.STREAMING, AttemptOutcome.CUT, keeps_text=False, code="CUT", message=""
                    )
                    self.lease = run(attempts.switch_attempt(self.sim.uow, self.lease, self.result(cut)))
                    self.failures, self.text, tries = self.failures + 1, "", 0
                    yield delay_s
            self.offer, elsewhere = self.work.offers[-1], False

    def call(self) -> Generator[float, None, Ending | ProviderError | None]:
        """One answer, token by token; None when this worker is dead or has lost its job."""
        sim, dice = self.sim, self.sim.dice
        self.meter.serve(
            self.work.price_of(self.offer), self.work.prompt_tokens, self.work.generation.max_output_tokens
        )
        self.counted = not sim.chance(0.2, "answers without a count")
        self.finish_reason: FinishReason | None = None
        if sim.chance(0.1, "failures before the first token"):
            yield dice.uniform(0, 1)
            return ProviderError(ProviderErrorCode.OVERLOADED, "Busy.")
        if sim.chance(0.02, "refusals"):
            return ProviderError(ProviderErrorCode.CONTENT_BLOCKED, "No.")
        tokens, ends_after = dice.randrange(1, 400), {"cut": 0.08, "crash": 0.08, "shutdown": 0.02}
        fate = next((how for how, share in ends_after.items() if sim.chance(share, how)), "whole")
        last = tokens if fate == "whole" else dice.randrange(0, tokens)
        for begin_at in range(0, last, CHUNK):
            words = WORD * min(CHUNK, last - begin_at)
            yield CHUNK / RATE_S
            if (stopped := self.stopped()) is not None:
                return stopped
            self.text += words
            self.meter.add(words)
            if begin_at % 50 == 0 and not self.beat():
                return None
            if self.meter.exhausted:
                return truncated(TruncationReason.BUDGET)
        match fate:
            case "cut":
                return ProviderError(ProviderErrorCode.CUT, "It broke off.")
            case "crash":
                self.die()
                return None
            case "shutdown":
                run(attempts.hand_back(sim.uow, self.lease, self.result(attempts.CRASHED)))
                sim.spawn(sim.worker(self.lease.job_id), 0.1)
                return None
        self.finish_reason = FinishReason.STOP
        return after_finish(FinishReason.STOP, self.text)

    def stopped(self) -> Ending | None:
        asked = self.sim.asked_cancel.get(self.lease.job_id)
        if asked is None or self.sim.clock < asked + NOTICED_S:
            return None
        return cancelled(self.text)

    def beat(self) -> bool:
        uow = self.sim.uow
        try:
            run(uow.jobs.beat(self.lease, 5.0, 1))
        except LeaseLost:
            return False
        run(uow.generation.checkpoint(self.work.generation.id, self.lease.attempt, self.text, NOW))
        if self.meter.lacking:
            try:
                self.meter.extended(run(extend_hold(uow.billing, self.lease.job_id, self.meter.lacking)))
            except QuotaExhausted:
                self.meter.extended(None)
        return True

    def die(self) -> None:
        """Without a word; some are only asleep, and wake when the job is another's."""
        self.sim.spawn(self.sim.sweeper(self.lease.job_id))
        if self.sim.chance(0.5, "zombies"):
            self.sim.spawn(self.zombie(), 6.0)

    def zombie(self) -> Program:
        yield 0.0
        with pytest.raises(LeaseLost):
            run(attempts.finish(self.sim.uow, self.lease, self.result(after_finish(FinishReason.STOP, "ghost"))))

    def finish(self, ending: Ending) -> None:
        uow, result = self.sim.uow, self.result(ending)
        ended = run(attempts.finish(uow, self.lease, result))
        if self.sim.chance(0.1, "commits without an answer"):
            with pytest.raises(LeaseLost):
                run(attempts.finish(uow, self.lease, result))
            assert run(attempts.already_ended(uow, self.lease)) == ended

    def result(self, ending: Ending) -> Result:
        sent = len(self.text) // len(WORD)
        if self.finish_reason is not None and self.counted:
            usage = Usage(self.work.prompt_tokens, sent, source=UsageSource.PROVIDER_FINAL)
        elif self.text:
            usage = Usage(self.work.prompt_tokens, estimated_tokens(self.text), source=UsageSource.ESTIMATE)
        else:
            usage = Usage(0, 0, source=UsageSource.UNKNOWN)
        channel, model = self.offer.channel, self.offer.model
        route = Route(channel.id, channel.name, model.name, {})
        return Result(self.text, ending, usage, NOW, ["0 ms: call"], None, route, self.work.price_of(self.offer))


def check(simulation: Simulation) -> None:
    world, billing = simulation.world, simulation.uow.billing
    for entry in billing.entries:
        assert sum(one.micros for one in entry.postings) == 0
    assert sum(billing.balance.values()) == 0
    assert billing.balance[AccountKind.HELD] == 0
    assert not any(hold.open for hold in billing.holds.values())
    closed = Counter(one.job_id for one in billing.entries if one.kind in {"SETTLE", "RELEASE"})
    assert closed == Counter(simulation.jobs)
    held: Counter[Any] = Counter()
    for entry in billing.entries:
        if entry.kind in {"HOLD", "EXTEND"}:
            held[entry.job_id] += next(one.micros for one in entry.postings if one.account is AccountKind.HELD)
    owed = 0
    for job_id in simulation.jobs:
        generation = world.generation(job_id)
        assert JobState(world.job(job_id).state).terminal, generation.state
        tried = world.attempts(generation.id)
        assert [one.number for one in tried] == [*range(1, len(tried) + 1)]
        records = [billing.usage[job_id, one.number, "LLM"] for one in tried]
        for record, attempt in zip(records, tried, strict=True):
            received = attempt.text.count(WORD.strip())
            known = {
                UsageSource.PROVIDER_FINAL: received, UsageSource.ESTIMATE: estimated_tokens(attempt.text),
                UsageSource.UNKNOWN: 0,
            }  # fmt: skip
            assert record.usage.output_tokens == known[record.usage.source]
            assert record.cost_micros == attempt.cost_micros
        billed = [record for record in records if record.billed]
        assert len(billed) <= 1
        charged = run(billing.charged(job_id))
        assert charged == min(held[job_id], sum(record.cost_micros for record in billed))
        if generation.max_cost_micros is not None:
            assert charged <= generation.max_cost_micros
        owed += charged
    assert billing.balance[AccountKind.SPENT] == owed
    assert billing.balance[AccountKind.AVAILABLE] == CREDIT_MICROS - owed
    assert sum(one.left_micros for one in billing.grants.values()) == CREDIT_MICROS - owed
    kept = [version for version in simulation.uow.projects.versions.values() if version.generation_id is not None]
    assert len({version.generation_id for version in kept}) == len(kept)


def test_ten_thousand_generations_leave_straight_books() -> None:
    happened: Counter[str] = Counter()
    states: Counter[Any] = Counter()
    for seed in range(WORLDS):
        simulation = Simulation(seed)
        for number in range(GENERATIONS):
            simulation.spawn(simulation.author(number))
        simulation.play()
        assert len(simulation.jobs) == GENERATIONS
        check(simulation)
        happened += simulation.happened
        states += Counter(one.state for one in simulation.uow.generation.generations.values())
    print(dict(states), dict(happened))
    assert states.total() == WORLDS * GENERATIONS
    assert set(states) == {"COMPLETED", "CANCELLED", "TRUNCATED", "FAILED"}
    assert min(happened.values()) >= 20, "each kind of trouble has to happen, and often"
