"""Which channel serves a generation: chosen afresh for every call, and told how each call went.

A channel that has failed this generation is not taken again before all others have been tried.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from domain.channels.decision import Candidate, Choice, Decision, RejectionReason, RouteRequest
from domain.channels.entities import Channel, ChannelModel
from domain.channels.health import Outcome
from domain.channels.offers import Offer
from domain.channels.routing import route
from domain.generation.endings import Ending, failed
from domain.generation.entities import Route
from domain.generation.provider import ProviderErrorCode
from domain.generation.work import Work
from domain.ids import ChannelId
from persistence.channels.board import Board
from persistence.channels.load import Lease, Limits

FULL = frozenset({RejectionReason.CONCURRENCY, RejectionReason.RPM, RejectionReason.TPM})
"""Reasons that pass by themselves, as other calls end."""
POLL_S = 0.5
PATIENCE_S = 60.0
"""For so long a generation waits for a channel when all are full, or rest after failures."""
_turns = count(random.randrange(1_000))


@dataclass(frozen=True, slots=True)
class Taken:
    """A place on a channel, to be given back with `Router.ended`."""

    offer: Offer
    lease: Lease
    probe: int

    @property
    def channel(self) -> Channel:
        return self.offer.channel

    @property
    def model(self) -> ChannelModel:
        return self.offer.model


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No channel can be taken now. `wait_s` is until one may be, None when none ever will; `error` is why, if known."""

    reason: RejectionReason
    wait_s: float | None
    error: str | None = None


@dataclass
class Router:
    """The routing of one generation."""

    board: Board
    work: Work
    _failed: set[ChannelId] = field(default_factory=set)
    _calls: list[dict[str, Any]] = field(default_factory=list)
    _decision: Decision | None = None
    _last_error: str | None = None
    _renewed_at: float = 0.0

    async def wait(self, note: Callable[[str], None]) -> Taken | Ending:
        """A place on a channel, waiting for one if need be; an ending where waiting is in vain."""
        patience = time.monotonic() + PATIENCE_S
        while True:
            taken = await self.take()
            if isinstance(taken, Taken):
                return taken
            wait_s = POLL_S if taken.reason in FULL else taken.wait_s
            if wait_s is None:
                return failed(ProviderErrorCode.MODEL_NOT_FOUND, "The model's channel is no longer set up.")
            wait_s = max(wait_s, POLL_S)
            if time.monotonic() + wait_s > patience:
                message = "Every channel of this model is busy or rests after failures. Try again later."
                return failed(taken.error or ProviderErrorCode.OVERLOADED, message)
            note(f"no channel ({taken.reason.name.lower()}); next look in {wait_s:.1f} s")
            await asyncio.sleep(wait_s)

    async def take(self) -> Taken | Nowhere:
        decision = await self._decide()
        if not decision.choices and self._failed:
            self._failed.clear()
            decision = await self._decide()
        for choice in decision.choices:
            taken = await self._claimed(choice)
            if taken is not None:
                self._calls.append({"channel": taken.channel.name, "model": taken.model.name})
                return taken
        reason = decision.reason or RejectionReason.CONCURRENCY  # others were quicker
        if reason in FULL or decision.choices:
            return Nowhere(reason, 0.0)
        retry_at = decision.retry_at
        wait_s = None if retry_at is None else max(0.0, retry_at - self.board.health.now())
        return Nowhere(reason, wait_s, self._last_error)

    async def elsewhere(self) -> bool:
        """Whether another channel could be taken than those that have failed this generation."""
        return bool((await self._decide()).choices)

    async def first_token(self, taken: Taken, ttft_s: float) -> None:
        """A probe that answers closes its breaker at once: nobody has to wait for its end."""
        if taken.probe:
            await self.board.health.record(*_key(taken), Outcome(ttft_s=ttft_s, probe=taken.probe))

    async def renew(self, taken: Taken) -> None:
        """Keep the place; to be called every few seconds."""
        if time.monotonic() - self._renewed_at > self.board.load.lease_s / 3:
            self._renewed_at = time.monotonic()
            await self.board.load.renew([taken.lease])

    async def ended(self, taken: Taken, outcome: Outcome, tokens: int | None) -> None:
        """How the call ended; `tokens` is what it used, where that is known."""
        await self.board.load.release(taken.lease, tokens)
        await self.board.health.record(*_key(taken), outcome)
        self._calls[-1]["outcome"] = outcome.error or ("STOPPED" if outcome.stopped else "OK")
        if outcome.error is not None:
            self._failed.add(taken.channel.id)
        elif outcome.ok:
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

    async def _decide(self) -> Decision:
        work, board = self.work, self.board
        generation = work.generation
        keys = [(one.channel.id, one.model.upstream) for one in work.offers]
        known = await board.health.read(keys)
        loads = await board.load.read(one.channel.id for one in work.offers if _limited(one.channel))
        affine = await board.affinities.read(self._affinity_key) if work.policy.sticky and len(keys) > 1 else None
        request = RouteRequest(
            generation.model, excluded=frozenset(self._failed), needed_tokens=work.needed_tokens,
            affinity_key=self._affinity_key, affine_channel=affine.channel_id if affine else None,
            affine_until=affine.until if affine else 0.0, pinned=generation.channel_id if generation.pinned else None,
        )  # fmt: skip
        candidates = [_candidate(one, work, loads) for one in work.offers]
        self._last_error = next((one.last_error for one in known.values() if one.openings), None)
        self._decision = route(
            work.policy, candidates, known, request, board.health.now(), random.random(), next(_turns)
        )  # not cryptographic: it only spreads load
        return self._decision

    async def _claimed(self, choice: Choice) -> Taken | None:
        candidate, health = choice.candidate, self.board.health
        offer = next(
            one for one in self.work.offers
            if (one.channel.id, one.model.upstream) == candidate.key and one.model.name == candidate.model
        )  # fmt: skip
        probe = await health.claim_probe(*candidate.key) if choice.probe else 0
        if probe is None:
            return None
        channel = offer.channel
        limits = Limits(channel.concurrency, channel.requests_per_minute, channel.tokens_per_minute)
        lease = await self.board.load.acquire(channel.id, limits, self.work.needed_tokens)
        if lease is None:
            await health.record(*candidate.key, Outcome(stopped=True, probe=probe))
            return None
        self._renewed_at = time.monotonic()
        return Taken(offer, lease, probe)


def _key(taken: Taken) -> tuple[ChannelId, str]:
    return taken.channel.id, taken.model.upstream


def _limited(channel: Channel) -> bool:
    return any((channel.concurrency, channel.requests_per_minute, channel.tokens_per_minute))


def _candidate(offer: Offer, work: Work, loads: Mapping[ChannelId, Any]) -> Candidate:
    channel, model = offer.channel, offer.model
    price, load = work.prices[model.name, channel.name], loads.get(channel.id)
    return Candidate(
        channel.id, channel.name, model.name, model.upstream, channel.provider, frozenset(channel.groups),
        channel.region or None, channel.weight, channel.priority, model.context_window,
        cost_micros=work.cost_micros(model.name, channel.name), input_price=price.input_micros,
        cached_input_price=price.cached_input_micros, in_flight=load.in_flight if load else 0,
        requests=load.requests if load else 0, tokens=load.tokens if load else 0,
        concurrency_max=channel.concurrency, rpm_max=channel.requests_per_minute, tpm_max=channel.tokens_per_minute,
    )  # fmt: skip
