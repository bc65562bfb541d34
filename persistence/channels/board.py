"""What all processes know together of channels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.channels.decision import HealthKey
from domain.channels.health import Health
from domain.ids import ChannelId
from persistence.channels.affinity import Affinities, Affinity, affinity_key
from persistence.channels.health import Breakers, health_key, health_of
from persistence.channels.load import PRELUDE, ChannelLoad, Load, keys_of
from persistence.channels.shared import Shared

_LOOK = (
    PRELUDE
    + """
local breakers, busy = tonumber(ARGV[1]), tonumber(ARGV[2])
local health, load = {}, {}
for i = 1, breakers do health[i] = redis.call('GET', KEYS[i]) end
for i = breakers + 1, breakers + 2 * busy, 2 do
  local r, t, last_r, last_t = counts(KEYS[i + 1])
  table.insert(load, redis.call('ZCOUNT', KEYS[i], '(' .. string.format('%.6f', now), '+inf'))
  table.insert(load, math.ceil(r + last_r * before))
  table.insert(load, math.ceil(t + last_t * before))
end
local prefix = KEYS[breakers + 2 * busy + 1]
if prefix then return {time, health, load, redis.call('GET', prefix), redis.call('PTTL', prefix)} end
return {time, health, load}
"""
)
"""Reads ARGV[1] health documents, the calls and counts of ARGV[2] channels, and who served a prefix."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known of channels in one moment. What is missing is not known."""

    health: dict[HealthKey, Health]
    loads: dict[ChannelId, Load]
    affinity: Affinity | None = None


class Board:
    """Health, load and affinities over one connection. Nothing of it raises because Redis is away."""

    def __init__(self, redis: Any) -> None:
        self._shared = Shared(redis)
        self._look = redis.register_script(_LOOK)
        self.health = Breakers(self._shared)
        self.load = ChannelLoad(self._shared)
        self.affinities = Affinities(self._shared)

    async def look(
        self, breakers: Iterable[HealthKey], busy: Iterable[ChannelId] = (), prefix: str | None = None
    ) -> View:
        """The health of these, the load of these, and who served a prompt's prefix last, in one round trip."""
        wanted, limited = [*dict.fromkeys(breakers)], [*dict.fromkeys(busy)]
        names = [health_key(*one) for one in wanted] + [key for one in limited for key in keys_of(one)]
        if prefix is not None:
            names.append(affinity_key(prefix))
        answer = await self._shared.ask(lambda: self._look(keys=names, args=[len(wanted), len(limited)]), None)
        if answer is None:
            return View({}, {})
        at, documents, numbers, *served = answer
        now = self._shared.heard((int(at[0]), int(at[1])))
        loads = [Load(*numbers[i : i + 3]) for i in range(0, len(numbers), 3)]
        return View(
            {key: health_of(raw, key) for key, raw in zip(wanted, documents, strict=True) if raw is not None},
            dict(zip(limited, loads, strict=True)),
            _affinity(now, *served),
        )


def _affinity(now: float, channel_id: bytes | None = None, left_ms: int = 0) -> Affinity | None:
    return None if channel_id is None else Affinity(ChannelId(UUID(bytes=channel_id)), now + left_ms / 1000)
