"""Token buckets in Redis, from which processes lease credit in slices, so that most requests ask nobody.

A bucket belongs to a principal; it holds `limit` credits and is restored at so many a second. A process takes a slice
(a tenth of the bucket, or what one operation costs) and spends it without a word to Redis. A lease lives no longer
than its slice takes to be restored, two seconds by default, and what is left of an idle one is given back before:
therefore all processes together never grant more than the bucket and what is restored, and one slice.

While Redis is away everything is let through, and nothing waits for it twice in a second: a limit that guards against
too much work must not become a reason to do none. The clock is that of Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from dataclasses import dataclass, field
from typing import Any

from persistence.streams.log import OUTAGES

SLICES = 10
"""A bucket is taken in so many slices at least."""
AWAY_S = 1.0
"""For so long after an outage Redis is not asked."""
GIVEN_BACK_AT_ONCE = 500

logger = logging.getLogger(__name__)

_TAKE = """
local limit, rate, back, least, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]),
  tonumber(ARGV[5])
local now = redis.call('TIME')
now = now[1] + now[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = limit
if kept[1] then level = kept[1] + math.max(0, now - kept[2]) * rate end
level = math.min(limit, level + back)
local granted = 0
if level >= least then granted = math.floor(math.min(most, level)) end
level = level - granted
redis.call('HSET', KEYS[1], 'level', string.format('%.3f', level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(limit / rate * 1000) + 1000)
return {granted, math.floor(level)}
"""
"""Gives back `back` and takes between `least` and `most`, or nothing. Returns what was taken and what is left."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The size of a bucket in credits, and how many are restored a second."""

    limit: int
    restored_per_s: float

    @property
    def slice(self) -> int:
        return max(1, self.limit // SLICES)

    @property
    def lease_s(self) -> float:
        return self.slice / self.restored_per_s

    def limited_to(self, limit: int | None) -> Budget:
        """A bucket of another size that is restored in the same time."""
        if limit is None or limit == self.limit:
            return self
        return Budget(limit, self.restored_per_s * limit / self.limit)


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether credit was granted; if not, after how many seconds there will be enough. `remaining` is an estimate."""

    granted: bool
    budget: Budget
    remaining: int
    retry_after_s: float = 0.0


@dataclass(slots=True)
class _Lease:
    """Credit of one principal in this process; `level` is what the bucket had beside it when it was taken."""

    budget: Budget
    credit: int = 0
    level: float = 0.0
    taken_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def spend(self, cost: int, now: float) -> bool:
        if self.credit < cost or now - self.taken_at >= self.budget.lease_s:
            return False
        self.credit -= cost
        return True

    def leftover(self, now: float) -> int:
        """What may be given back: nothing once the lease has run out, because as much has been restored since."""
        return self.credit if now - self.taken_at < self.budget.lease_s else min(0, self.credit)

    def remaining(self, now: float) -> int:
        restored = (now - self.taken_at) * self.budget.restored_per_s
        return max(0, int(min(self.budget.limit, self.level + self.credit + restored)))


class Buckets:
    """The buckets of all principals, as one process sees them. Between `start` and `stop` idle leases are returned."""

    def __init__(self, redis: Any, budget: Budget) -> None:
        self._redis = redis
        self._script = redis.register_script(_TAKE)
        self._leases: dict[str, _Lease] = {}
        self._away_until = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.budget = budget
        self.round_trips = 0

    async def take(self, principal: str, cost: int, limit: int | None = None) -> Taken:
        """Spend `cost` of a principal's bucket, whose size is `limit` when it has one of its own. Never raises."""
        now = time.monotonic()
        lease = self._leases.get(principal)
        if lease is not None and lease.spend(cost, now):
            return Taken(True, lease.budget, lease.remaining(now))
        if lease is None:
            lease = self._leases[principal] = _Lease(self.budget.limited_to(limit))
        async with lease.lock:
            now = time.monotonic()
            if lease.spend(cost, now):
                return Taken(True, lease.budget, lease.remaining(now))
            if now < self._away_until:
                return Taken(True, lease.budget, lease.budget.limit)
            try:
                return await self._renew(lease, principal, cost)
            except OUTAGES as error:
                logger.warning("costs are not limited: %s", error)
                now = time.monotonic()
                self._away_until = now + AWAY_S
                lease.level, lease.taken_at = lease.budget.limit, now
                return Taken(True, lease.budget, lease.budget.limit)

    async def _renew(self, lease: _Lease, principal: str, cost: int) -> Taken:
        budget, back = lease.budget, lease.leftover(time.monotonic())
        lease.credit = 0
        most = max(budget.slice, cost)
        self.round_trips += 1
        granted, level = await self._script(keys=[_key(principal)], args=_arguments(budget, back, cost, most))
        now = time.monotonic()
        lease.credit += int(granted)
        lease.level, lease.taken_at = float(level), now
        if not lease.spend(cost, now):
            return Taken(False, budget, lease.remaining(now), (cost - level) / budget.restored_per_s)
        return Taken(True, budget, lease.remaining(now))

    def give_back(self, principal: str, credit: int, limit: int | None = None) -> None:
        """Return what an operation did not use; what it used beyond, when negative."""
        now = time.monotonic()
        lease = self._leases.get(principal)
        if lease is None:
            lease = self._leases[principal] = _Lease(self.budget.limited_to(limit))
        if now - lease.taken_at >= lease.budget.lease_s and not lease.lock.locked():
            lease.credit, lease.taken_at = min(0, lease.credit), now  # a new lease, to be returned soon
        lease.credit += credit

    # -- returning what lies idle ---------------------------------------------------------------------------------

    async def start(self) -> None:
        self._task = asyncio.create_task(self._sweep(), name="cost-leases")

    async def stop(self) -> None:
        """Give everything back."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(*OUTAGES):
            await self.return_idle(idle_s=0.0)
        await self._redis.aclose()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self.budget.lease_s / 4)
            try:
                await self.return_idle(idle_s=self.budget.lease_s / 2)
            except OUTAGES as error:
                logger.warning("leases were not returned: %s", error)

    async def return_idle(self, *, idle_s: float) -> None:
        """Give back what is left of leases that were taken so long ago."""
        now = time.monotonic()
        old = [name for name, one in self._leases.items() if now - one.taken_at >= idle_s and not one.lock.locked()]
        leases = [(name, self._leases.pop(name)) for name in old]
        owed = [(name, one.budget, back) for name, one in leases if (back := one.leftover(now))]
        for start in range(0, len(owed), GIVEN_BACK_AT_ONCE):
            async with self._redis.pipeline(transaction=False) as pipe:
                for name, budget, back in owed[start : start + GIVEN_BACK_AT_ONCE]:
                    await self._script(keys=[_key(name)], args=_arguments(budget, back, 0, 0), client=pipe)
                await pipe.execute()


def _key(principal: str) -> str:
    return f"cost:{principal}"


def _arguments(budget: Budget, back: int, least: int, most: int) -> list[Any]:
    return [budget.limit, budget.restored_per_s, back, least, most]


def retry_after_s(taken: Taken) -> int:
    """Whole seconds, as the header Retry-After has them."""
    return max(1, math.ceil(taken.retry_after_s))
