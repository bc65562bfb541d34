"""Which channel serves a generation: chosen afresh for every call, and told how each call went.

A channel that has failed this generation is not taken again before all others have been tried.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from domain.channels.decision import Candidate, Choice, Decision, HealthKey, RejectionReason, RouteRequest
from domain.channels.entities import Channel, ChannelModel
from domain.channels.health import Outcome, Turn
from domain.channels.offers import Offer
from domain.channels.routing import route
from domain.generation.endings import Ending, failed
from domain.generation.entities import Route
from domain.generation.provider import ProviderErrorCode
from domain.generation.work import Work
from persistence.channels.board import Board, View
from persistence.channels.load import Lease, Limits, Load

POLL_S = 0.5
PATIENCE_S = 60.0
"""For so long a generation waits for a channel when all are full, or rest after failures."""
OF_THE_CHANNEL = frozenset({ProviderErrorCode.AUTHENTICATION, ProviderErrorCode.QUOTA_EXHAUSTED})
"""What fails with one model fails with the channel's others."""
_turns = count(random.randrange(1_000))


@dataclass(frozen=True, slots=True)
class Taken:
    """A place on a channel, to be given back with `Router.ended`. Where nothing is limited, no place is counted."""

    offer: Offer
    lease: Lease | None
    probe: int

    @property
    def channel(self) -> Channel:
        return self.offer.channel

    @property
    def model(self) -> ChannelModel:
        return self.offer.model

    @property
    def key(self) -> HealthKey:
        return self.channel.id, self.model.upstream


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No channel can be taken now. `wait_s` is until one may be, None when none ever will; `error` is why, if known."""

    reason: RejectionReason
    wait_s: float | None
    error: str | None = None


_IN_VAIN = {
    RejectionReason.CONTEXT_WINDOW: (
        ProviderErrorCode.CONTEXT_TOO_LONG, "The prompt and its answer fit no channel's context window.",
    ),
    RejectionReason.MODEL: (ProviderErrorCode.MODEL_NOT_FOUND, "The model's channel is no longer set up."),
}  # fmt: skip
_LEFT_OUT = ProviderErrorCode.MODEL_NOT_FOUND, "The routing policy leaves no channel for this model."


TellTurn = Callable[[Channel, str, Turn, str | None], Awaitable[None]]
"""Told of a channel and model whose breaker has turned, and of the error behind it."""


@dataclass
class Router:
    """The routing of one generation. It holds one place at a time."""

    board: Board
    work: Work
    tell: TellTurn
    _failed: set[HealthKey] = field(default_factory=set)
    _calls: list[dict[str, Any]] = field(default_factory=list)
    _decision: Decision | None = None
    _place: Lease | None = None
    _renewed_at: float = 0.0
    _candidates: list[Candidate] = field(init=False)

    def __post_init__(self) -> None:
        self._candidates = _candidates(self.work)

    def begin_attempt(self) -> None:
        """What is explained from now on is of a new attempt. What has failed is still known."""
        self._calls.clear()

    async def wait(self, note: Callable[[str], None]) -> Taken | Ending:
        """A channel, after waiting for one if need be; an ending where waiting is in vain."""
        patience = time.monotonic() + PATIENCE_S
        while True:
            taken = await self.take()
            if isinstance(taken, Taken):
                return taken
            if taken.wait_s is None:
                return failed(*_IN_VAIN.get(taken.reason, _LEFT_OUT))
            wait_s = max(taken.wait_s, POLL_S)
            if time.monotonic() + wait_s > patience:
                if self._failed:  # none of the others came free: those that failed may have recovered
                    self._failed.clear()
                    continue
                message = "Every channel of this model is busy or rests after failures. Try again later."
                return failed(taken.error or ProviderErrorCode.OVERLOADED, message)
            note(f"no channel ({taken.reason.name.lower()}); next look in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    async def take(self) -> Taken | Nowhere:
        view = await self._look()
        self._decision = decision = self._decide(view, next(_turns))
        if self._failed and not decision.choices and not decision.passing:
            self._failed.clear()
            self._decision = decision = self._decide(view, next(_turns))
        for choice in decision.choices:
            taken = await self._claimed(choice)
            if taken is not None:
                self._calls.append({"channel": taken.channel.name, "model": taken.model.name})
                return taken
        reason = decision.reason or RejectionReason.CONCURRENCY  # others were quicker
        if decision.passing or decision.choices:
            return Nowhere(reason, 0.0)
        wait_s = None if decision.retry_at is None else max(0.0, decision.retry_at - self.board.health.now())
        error = next((one.last_error for one in view.health.values() if one.openings), None)
        return Nowhere(reason, wait_s, error)

    async def elsewhere(self) -> bool:
        """Whether another channel can be taken, now or once it has room, than those that have failed this generation."""
        decision = self._decide(await self._look(), turn=0)
        return bool(decision.choices) or decision.passing

    async def first_token(self, taken: Taken, ttft_s: float) -> None:
        """A probe that answers closes its breaker at once: nobody has to wait for its end."""
        if taken.probe:
            await self._record(taken, Outcome(ttft_s=ttft_s, probe=taken.probe))

    async def _record(self, taken: Taken, outcome: Outcome) -> None:
        turn = await self.board.health.record(*taken.key, outcome)
        if turn is not None and await self.board.health.to_be_told(*taken.key, turn):
            await self.tell(taken.channel, taken.model.name, turn, outcome.error)

    async def renew(self) -> None:
        """Keep the place, if there is one; to be called every few seconds."""
        if self._place is not None and time.monotonic() - self._renewed_at > self.board.load.lease_s / 3:
            self._renewed_at = time.monotonic()
            await self.board.load.renew([self._place])

    async def ended(self, taken: Taken, outcome: Outcome, tokens: int | None) -> None:
        """How the call ended; `tokens` is what it used, where that is known."""
        self._place = None
        self._calls[-1]["outcome"] = outcome.error or ("STOPPED" if outcome.stopped else "OK")
        if outcome.error in OF_THE_CHANNEL:
            self._failed.update(one.key for one in self._candidates if one.channel_id == taken.channel.id)
        elif outcome.error is not None:
            self._failed.add(taken.key)
        if taken.lease is not None:
            await self.board.load.release(taken.lease, tokens)
        await self._record(taken, outcome)
        if outcome.ok:
            await self.board.affinities.served(self._affinity_key, taken.channel.id)

    def route(self, taken: Taken) -> Route:
        """For the attempt's record: the last decision, and what became of each call."""
        decided = self._decision.explain() if self._decision is not None else {}
        explained = {**decided, "calls": [dict(one) for one in self._calls]}
        return Route(taken.channel.id, taken.channel.name, taken.model.name, explained)

    @property
    def _affinity_key(self) -> str:
        generation = self.work.generation
        return f"{generation.tenant_id}:{generation.model}:{generation.receipt['prefix_hash']}"

    async def _look(self) -> View:
        sticky = self.work.policy.sticky and len(self._candidates) > 1
        return await self.board.look(
            [one.key for one in self._candidates],
            [one.channel_id for one in self._candidates if one.limited],
            self._affinity_key if sticky else None,
        )

    def _decide(self, view: View, turn: int) -> Decision:
        work, affine = self.work, view.affinity
        request = RouteRequest(
            work.generation.model, failed=frozenset(self._failed), needed_tokens=work.needed_tokens,
            affinity_key=self._affinity_key, affine_channel=affine.channel_id if affine else None,
            affine_until=affine.until if affine else 0.0,
        )  # fmt: skip
        candidates = [_loaded(one, view.loads.get(one.channel_id)) for one in self._candidates]
        return route(
            work.policy, candidates, view.health, request, self.board.health.now(), random.random(), turn
        )  # not cryptographic: it only spreads load

    async def _claimed(self, choice: Choice) -> Taken | None:
        candidate, health = choice.candidate, self.board.health
        offer = next(
            one for one in self.work.offers
            if (one.channel.id, one.model.upstream, one.model.name) == (*candidate.key, candidate.model)
        )  # fmt: skip
        probe = await health.claim_probe(*candidate.key) if choice.probe else 0
        if probe is None:
            return None
        if not candidate.limited:
            return Taken(offer, None, probe)
        lease = None
        try:
            lease = await self._acquire(offer.channel)
        finally:  # a probe that is not used would keep others from the channel
            if lease is None and probe:
                await health.record(*candidate.key, Outcome(stopped=True, probe=probe))
        if lease is None:
            return None
        self._place, self._renewed_at = lease, time.monotonic()
        return Taken(offer, lease, probe)

    async def _acquire(self, channel: Channel) -> Lease | None:
        limits = Limits(channel.concurrency, channel.requests_per_minute, channel.tokens_per_minute)
        return await self.board.load.acquire(channel.id, limits, self.work.needed_tokens)


def _candidates(work: Work) -> list[Candidate]:
    """As they are while nothing goes through them. Most channels share one price, which is reckoned with once."""
    costs: dict[int, int] = {}
    found = []
    for offer in work.offers:
        channel, model, price = offer.channel, offer.model, work.price_of(offer)
        if id(price) not in costs:
            costs[id(price)] = work.cost_micros(price)
        found.append(
            Candidate(
                channel.id, channel.name, model.name, model.upstream, frozenset(channel.groups),
                channel.region or None, channel.weight, channel.priority, model.context_window,
                cost_micros=costs[id(price)], input_price=price.input_micros,
                cached_input_price=price.cached_input_micros, concurrency_max=channel.concurrency,
                rpm_max=channel.requests_per_minute, tpm_max=channel.tokens_per_minute,
            )
        )  # fmt: skip
    return found


def _loaded(candidate: Candidate, load: Load | None) -> Candidate:
    if load is None:
        return candidate
    return replace(candidate, in_flight=load.in_flight, requests=load.requests, tokens=load.tokens)
