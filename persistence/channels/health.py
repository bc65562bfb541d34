"""The circuit breakers of all processes: one JSON document per channel and model, changed by compare-and-set.

A change of state is published by the very script that stores it, so that whoever listens hears of each in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, replace
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
    after,
    claim,
    from_json,
    to_json,
)
from domain.ids import ChannelId
from persistence.channels.shared import AWAY_S, TAG, Shared
from persistence.streams.log import OUTAGES

TTL_S = 24 * 3600
"""A channel that nobody has called for so long is not known any more."""
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


class ChannelHealth:
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
        values = await self._shared.ask(lambda: self._read([_key(*one) for one in wanted]), nothing)
        return {key: _health_of(raw, key) for key, raw in zip(wanted, values, strict=False) if raw is not None}

    async def record(self, channel_id: ChannelId, model: str, outcome: Outcome) -> None:
        """Tell how a call ended, or that the first token of a probe came. Dropped while Redis is away."""
        await self._change(channel_id, model, lambda health, now: after(health, outcome, now, self.rules))

    async def claim_probe(self, channel_id: ChannelId, model: str) -> int | None:
        """Take the one probe of a half-open breaker: its number, for `Outcome.probe`. None when it is not to be had.

        0 when none is needed: the breaker has been closed since, or Redis is away. A probe that is neither recorded
        nor heard of again is free after `BreakerRules.probe_s`.
        """
        known = await self._change(channel_id, model, lambda health, now: claim(health, now, self.rules))
        if known is None:
            return 0
        health, changed = known
        if changed:
            return health.probe
        usable = health.breaker(self._shared.now()) is BreakerState.CLOSED
        return 0 if usable else None

    async def forget(self, channel_id: ChannelId, model: str) -> None:
        """Nothing is known any more: after a change of the channel's key or address."""
        await self._change(channel_id, model, lambda health, now: replace(UNKNOWN, changed_at=now, probe=health.probe))

    async def transitions(self) -> AsyncGenerator[Transition, None]:
        """Changes of state from now on, for ever. Those that come while Redis is away are lost: read again then."""
        while True:
            try:
                async with self._shared.redis.pubsub(ignore_subscribe_messages=True) as listener:
                    await listener.subscribe(TRANSITIONS)
                    while True:
                        message = await listener.get_message(timeout=LISTEN_S)
                        if message is not None and (heard := _transition_of(message["data"])) is not None:
                            yield heard
            except OUTAGES as error:
                logger.warning("transitions of channels are not heard: %s", error)
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
    ) -> tuple[Health, bool] | None:
        """What is known now, and whether `change` made it so (it may return None); None while Redis is away."""

        async def work() -> tuple[Health, bool] | None:
            return await self._compare_and_set((channel_id, model), change)

        async with self._one_writer:  # tasks of one process would only get in each other's way
            return await self._shared.ask(work, None)

    async def _compare_and_set(
        self, key: HealthKey, change: Callable[[Health, float], Health | None]
    ) -> tuple[Health, bool] | None:
        name = _key(*key)
        raw = (await self._read([name]))[0] or b""
        for _ in range(TRIES_MAX):
            health = _health_of(raw, key)
            changed = change(health, self._shared.now())
            if changed is None or changed == health:
                return health, False
            told = b"" if changed.state is health.state else _told(key, changed)
            document = orjson.dumps(to_json(changed))
            kept = await self._store(keys=[name, TRANSITIONS], args=[raw, document, TTL_S, told])
            if kept is None:
                return changed, True
            raw = kept
        logger.warning("the health of channel %s is changed by others all the time", key[0])
        return None


def _key(channel_id: ChannelId, model: str) -> str:
    return f"{TAG}:health:{channel_id}:{model}"


def _health_of(raw: bytes, key: HealthKey) -> Health:
    """What cannot be read, of another release perhaps, is not known."""
    if raw:
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            return from_json(orjson.loads(raw))
        logger.warning("the health of channel %s cannot be read", key[0])
    return UNKNOWN


def _told(key: HealthKey, health: Health) -> bytes:
    return Transition(*key, health.state, health.changed_at, health.admitted_at, health.last_error).json()


def _transition_of(raw: bytes) -> Transition | None:
    try:
        return Transition.of_json(raw)
    except (LookupError, TypeError, ValueError):
        logger.warning("a transition of a channel cannot be read")
        return None
