"""The circuit breakers of all processes: one JSON document per channel and model, changed by compare-and-set.

A change of state is published by the very script that stores it, so that whoever listens hears of each in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from domain.channels.decision import HealthKey
from domain.channels.health import (
    DEFAULT_RULES,
    UNKNOWN,
    BreakerRules,
    BreakerState,
    Health,
    HealthState,
    Outcome,
    Turn,
    after,
    claim,
    from_json,
    to_json,
    turned,
)
from domain.ids import ChannelId, TenantId
from persistence.channels.shared import AWAY_S, TAG, Shared
from persistence.streams.log import OUTAGES

TTL_S = 24 * 3600
"""A channel that nobody has called for so long is not known any more."""
TOLD_S = 3600
"""A channel that comes and goes is told of once in so long."""
TRIES_MAX = 50
"""Only other processes come between: of those that try at once, one succeeds each time."""
TRANSITIONS = f"{TAG}:transitions"
LISTEN_S = 5.0

_STORE = """
local kept = redis.call('GET', KEYS[1]) or ''
if kept ~= ARGV[1] then return kept end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
if ARGV[4] ~= '' then redis.call('PUBLISH', KEYS[2], ARGV[4]) end
return false
"""
"""Stores ARGV[2] where ARGV[1] is still kept, and returns nothing; else what is kept instead."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Transition:
    """A channel and model are shown in another state since `at`; `until` is when calls may be made again."""

    channel_id: ChannelId
    model: str
    state: HealthState
    at: float
    until: float
    error_code: str | None

    def json(self) -> bytes:
        return orjson.dumps(
            {"channel_id": str(self.channel_id), "model": self.model, "state": self.state.value, "at": self.at,
             "until": self.until, "error_code": self.error_code}
        )  # fmt: skip

    @classmethod
    def of_json(cls, raw: bytes) -> Transition:
        data = orjson.loads(raw)
        return cls(
            ChannelId(UUID(data["channel_id"])), data["model"], HealthState(data["state"]), data["at"], data["until"],
            data["error_code"],
        )  # fmt: skip


class Breakers:
    """Breakers as one process sees and feeds them. Nothing here raises because Redis is away."""

    def __init__(self, shared: Shared, rules: BreakerRules = DEFAULT_RULES) -> None:
        self._shared = shared
        self._store = shared.redis.register_script(_STORE)
        self._one_writer = asyncio.Lock()
        self.rules = rules

    def now(self) -> float:
        """The time of Redis as it was last heard, in seconds since 1970."""
        return self._shared.now()

    async def read(self, keys: Iterable[HealthKey]) -> dict[HealthKey, Health]:
        """What is known of these, in one round trip. A key of which nothing is known is not in it."""
        wanted = [*dict.fromkeys(keys)]
        if not wanted:
            return {}
        nothing: list[bytes | None] = []
        values = await self._shared.ask(lambda: self._read([health_key(*one) for one in wanted]), nothing)
        return {key: health_of(raw, key) for key, raw in zip(wanted, values, strict=False) if raw is not None}

    async def record(self, channel_id: ChannelId, model: str, outcome: Outcome) -> Turn | None:
        """Tell how a call ended, or that the first token of a probe came; what that made of the breaker.

        Dropped while Redis is away.
        """
        known = await self._change(channel_id, model, lambda health, now: after(health, outcome, now, self.rules))
        return turned(*known) if known is not None else None

    async def to_be_told(self, channel_id: ChannelId, model: str, turn: Turn) -> bool:
        """Whether people should hear of a turn: of one that opens once, until it is closed for good; of its end once.

        For good is an hour: a channel that comes and goes within it is told of no more, and again after it.
        """
        name = f"{TAG}:told:{channel_id}:{model}"
        if turn is Turn.OPENED:
            first = await self._shared.ask(lambda: self._shared.redis.set(name, turn, nx=True, ex=TOLD_S), None)
            if not first and await self._shared.ask(lambda: self._shared.redis.get(name), None) == turn.encode():
                await self._shared.ask(lambda: self._shared.redis.expire(name, TOLD_S), None)
            return bool(first)
        before = await self._shared.ask(
            lambda: self._shared.redis.set(name, turn, xx=True, keepttl=True, get=True), None
        )
        return bool(before == Turn.OPENED.encode())

    async def claim_probe(self, channel_id: ChannelId, model: str) -> int | None:
        """Take the one probe of a half-open breaker: its number, for `Outcome.probe`. None when it is not to be had.

        0 when none is needed: the breaker has been closed since, or Redis is away. A probe that is neither recorded
        nor heard of again is free after `BreakerRules.probe_s`.
        """
        known = await self._change(channel_id, model, lambda health, now: claim(health, now, self.rules))
        if known is None:
            return 0
        before, health = known
        if health is not before:
            return health.probe
        usable = health.breaker(self._shared.now()) is BreakerState.CLOSED
        return 0 if usable else None

    async def forget(self, channel_id: ChannelId, model: str) -> None:
        """Nothing is known any more: after a change of the channel's key or address."""
        await self._change(channel_id, model, lambda health, now: replace(UNKNOWN, changed_at=now, probe=health.probe))

    async def tell_of_new(self, tenant_id: TenantId) -> None:
        """Let whoever watches know that the tenant has another channel."""
        await self._shared.ask(lambda: self._shared.redis.publish(_news_of(tenant_id), b""), None)

    async def transitions(self, *tenant_ids: TenantId) -> AsyncGenerator[Transition | None, None]:
        """Changes of state from now on, for ever.

        None comes first, and again when one of the tenants has a new channel or some changes may not have been heard:
        what there is, is to be read then.
        """
        topics = [TRANSITIONS, *map(_news_of, tenant_ids)]
        told = False
        while True:
            try:
                async with self._shared.redis.pubsub() as listener:
                    await listener.subscribe(*topics)
                    while True:
                        message = await listener.get_message(timeout=LISTEN_S)
                        for change in _heard(message, len(topics)):
                            told = True
                            yield change
            except OUTAGES as error:
                logger.warning("transitions of channels are not heard: %s", error)
                if not told:
                    told = True
                    yield None
                await asyncio.sleep(AWAY_S)

    # -- documents --------------------------------------------------------------------------------------------------

    async def _read(self, keys: list[str]) -> list[bytes | None]:
        async with self._shared.redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.mget(keys)
            at, values = await pipe.execute()
        self._shared.heard(at)
        return list(values)

    async def _change(
        self, channel_id: ChannelId, model: str, change: Callable[[Health, float], Health | None]
    ) -> tuple[Health, Health] | None:
        """What was known and what is now: the same, where `change` left it so or returned None.

        None while Redis is away.
        """

        async def work() -> tuple[Health, Health] | None:
            return await self._compare_and_set((channel_id, model), change)

        async with self._one_writer:  # tasks of one process would only get in each other's way
            return await self._shared.ask(work, None)

    async def _compare_and_set(
        self, key: HealthKey, change: Callable[[Health, float], Health | None]
    ) -> tuple[Health, Health] | None:
        name = health_key(*key)
        raw = (await self._read([name]))[0] or b""
        for _ in range(TRIES_MAX):
            health = health_of(raw, key)
            changed = change(health, self._shared.now())
            if changed is None or changed == health:
                return health, health
            told = b"" if changed.state is health.state else _told(key, changed)
            document = orjson.dumps(to_json(changed))
            kept = await self._store(keys=[name, TRANSITIONS], args=[raw, document, TTL_S, told])
            if kept is None:
                return health, changed
            raw = kept
        logger.warning("the health of channel %s is changed by others all the time", key[0])
        return None


def health_key(channel_id: ChannelId, model: str) -> str:
    return f"{TAG}:health:{channel_id}:{model}"


def health_of(raw: bytes, key: HealthKey) -> Health:
    """What cannot be read, of another release perhaps, is not known."""
    if raw:
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            return from_json(orjson.loads(raw))
        logger.warning("the health of channel %s cannot be read", key[0])
    return UNKNOWN


def _told(key: HealthKey, health: Health) -> bytes:
    return Transition(*key, health.state, health.changed_at, health.admitted_at, health.last_error).json()


def _news_of(tenant_id: TenantId) -> str:
    return f"{TAG}:new:{tenant_id}"


def _heard(message: Mapping[str, Any] | None, topics: int) -> list[Transition | None]:
    """What `transitions` makes of a message. A line is whole once the last of its topics is confirmed, as it is again
    when the library has connected anew by itself.
    """
    if message is None:
        return []
    if message["type"] == "subscribe":
        return [None] if message["data"] == topics else []
    if message["channel"] != TRANSITIONS.encode():
        return [None]
    change = _transition_of(message["data"])
    return [change] if change is not None else []


def _transition_of(raw: bytes) -> Transition | None:
    try:
        return Transition.of_json(raw)
    except (LookupError, TypeError, ValueError):
        logger.warning("a transition of a channel cannot be read")
        return None
