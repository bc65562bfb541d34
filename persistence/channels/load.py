"""How busy channels are over all processes: calls in flight, and requests and tokens of the last minute.

A call in flight is a member of a sorted set that runs out unless it is renewed: what a killed worker held is free
after `LEASE_S`. The last minute is the present one and as much of the one before as reaches into the last 60 seconds.
The clock is that of Redis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from domain.ids import ChannelId
from persistence.channels.shared import TAG, Shared

LEASE_S = 30.0
"""A call that has not been renewed for so long is taken for dead."""

PRELUDE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local minute = math.floor(now / 60)
local before = 1 - (now / 60 - minute)
local function counts(key)
  local kept = redis.call('HMGET', key, 'minute', 'requests', 'tokens', 'last_requests', 'last_tokens')
  local age = minute - tonumber(kept[1] or -9)
  local r, t = tonumber(kept[2] or 0), tonumber(kept[3] or 0)
  if age == 0 then return r, t, tonumber(kept[4] or 0), tonumber(kept[5] or 0) end
  if age == 1 then return 0, 0, r, t end
  return 0, 0, 0, 0
end
local function keep(key, r, t, last_r, last_t)
  redis.call('HSET', key, 'minute', minute, 'requests', r, 'tokens', t, 'last_requests', last_r, 'last_tokens', last_t)
  redis.call('EXPIRE', key, 120)
end
"""
"""What scripts share: the time, and a channel's requests and tokens by the minute."""

_ACQUIRE = (
    PRELUDE
    + """
local concurrency, rpm, tpm, tokens = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if concurrency >= 0 and redis.call('ZCARD', KEYS[1]) >= concurrency then return 0 end
local r, t, last_r, last_t = counts(KEYS[2])
if rpm >= 0 and math.ceil(r + last_r * before) >= rpm then return 0 end
local used = math.ceil(t + last_t * before)
if tpm >= 0 and used > 0 and used + tokens > tpm then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[2]) + 60)
keep(KEYS[2], r + 1, t + tokens, last_r, last_t)
return 1
"""
)
"""Takes a place (ARGV: member, seconds, limits or -1, tokens) if the limits allow it, and counts the request."""

_RENEW = (
    PRELUDE
    + """
for i, key in ipairs(KEYS) do
  if redis.call('ZADD', key, 'XX', 'CH', now + ARGV[1], ARGV[i + 1]) == 1 then
    redis.call('EXPIRE', key, math.ceil(ARGV[1]) + 60)
  end
end
"""
)

_RELEASE = (
    PRELUDE
    + """
redis.call('ZREM', KEYS[1], ARGV[1])
local r, t, last_r, last_t = counts(KEYS[2])
keep(KEYS[2], r, math.max(0, t + ARGV[2]), last_r, last_t)
"""
)
"""Gives a place back, and puts the tokens right: ARGV[2] is what was used beyond the estimate, or less than it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one channel over all processes; None is without limit."""

    concurrency: int | None = None
    rpm: int | None = None
    tpm: int | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """Calls in flight, and requests and tokens of the last minute, as `Candidate` has them."""

    in_flight: int = 0
    requests: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """A place among the calls in flight, and the tokens that were reckoned with."""

    channel_id: ChannelId
    member: str
    tokens: int


class ChannelLoad:
    """Leases of places. While Redis is away every place is granted, and no load is known."""

    def __init__(self, shared: Shared, *, lease_s: float = LEASE_S) -> None:
        register = shared.redis.register_script
        self._shared = shared
        self._acquire, self._renew = register(_ACQUIRE), register(_RENEW)
        self._release = register(_RELEASE)
        self.lease_s = lease_s

    async def acquire(self, channel_id: ChannelId, limits: Limits, tokens: int) -> Lease | None:
        """Take a place and count a request of about so many tokens; None when a limit of the channel forbids it.

        Checked and taken in one step: all processes together never have more in flight than the limit. The place is
        to be renewed within `lease_s`, and given back.
        """
        lease = Lease(channel_id, uuid4().hex, tokens)
        most = [-1 if one is None else one for one in (limits.concurrency, limits.rpm, limits.tpm)]
        arguments = [lease.member, self.lease_s, *most, tokens]
        granted = await self._shared.ask(lambda: self._acquire(keys=keys_of(channel_id), args=arguments), 1)
        return lease if granted else None

    async def renew(self, leases: Sequence[Lease]) -> None:
        """Keep these places, in one round trip. One that was given back meanwhile, or forgotten, is not taken again."""
        if leases:
            keys = [keys_of(one.channel_id)[0] for one in leases]
            arguments = [self.lease_s, *(one.member for one in leases)]
            await self._shared.ask(lambda: self._renew(keys=keys, args=arguments), None)

    async def release(self, lease: Lease, tokens: int | None = None) -> None:
        """Give the place back. `tokens` is what the call used in truth, when that is known."""
        beyond = 0 if tokens is None else tokens - lease.tokens
        arguments = [lease.member, beyond]
        await self._shared.ask(lambda: self._release(keys=keys_of(lease.channel_id), args=arguments), None)


def keys_of(channel_id: ChannelId) -> list[str]:
    """Its calls in flight, and its counts by the minute."""
    return [f"{TAG}:in-flight:{channel_id}", f"{TAG}:minute:{channel_id}"]
