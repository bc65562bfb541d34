"""Which channel has served a prompt's prefix last, and may still hold it in its cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.ids import ChannelId
from persistence.channels.shared import TAG, Shared

AFFINITY_S = 300.0
"""What providers' caches live for after their last use, at the least."""


@dataclass(frozen=True, slots=True)
class Affinity:
    """`until` is in the time of `Shared.now`."""

    channel_id: ChannelId
    until: float


class Affinities:
    """Kept by the hash of a prefix; `Board.look` reads them."""

    def __init__(self, shared: Shared, *, ttl_s: float = AFFINITY_S) -> None:
        self._shared = shared
        self.ttl_s = ttl_s

    async def served(self, key: str, channel_id: ChannelId) -> None:
        """The channel has just read this prefix: for `ttl_s` from now it is expected to hold it."""
        await self._shared.ask(lambda: self._write(affinity_key(key), channel_id), None)

    async def _write(self, name: str, channel_id: ChannelId) -> Any:
        return await self._shared.redis.set(name, channel_id.bytes, px=round(self.ttl_s * 1000))


def affinity_key(key: str) -> str:
    return f"{TAG}:affinity:{key}"
