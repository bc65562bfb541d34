"""The channels room, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.channels.entities import Channel
from domain.ids import ChannelId, TenantId


class MemoryChannels:
    """Implements `domain.channels.service.ChannelStore`."""

    def __init__(self, tenant_id: TenantId) -> None:
        self._tenant_id = tenant_id
        self.channels: dict[ChannelId, Channel] = {}
        self.routing_policy: dict[str, Any] | None = None

    async def add(self, channel: Channel) -> None:
        if channel.is_default and any(one.is_default and not one.deleted_at for one in self._own()):
            raise ValueError("channels_default_idx")
        self.channels[channel.id] = channel

    async def channel(self, channel_id: ChannelId) -> Channel | None:
        found = self.channels.get(channel_id)
        return found if found is not None and found.deleted_at is None and self._sees(found) else None

    async def offered(self) -> Sequence[Channel]:
        seen = [one for one in self.channels.values() if one.enabled and one.deleted_at is None and self._sees(one)]
        return sorted(seen, key=lambda one: (one.of_platform, one.name, one.id))

    async def count(self) -> int:
        return sum(one.deleted_at is None for one in self._own())

    async def policy(self) -> dict[str, Any] | None:
        return self.routing_policy

    async def set_policy(self, policy: dict[str, Any]) -> None:
        self.routing_policy = policy

    async def drop_default(self, except_id: ChannelId) -> None:
        for one in self._own():
            if one.id != except_id:
                one.is_default = False

    def _own(self) -> list[Channel]:
        return [one for one in self.channels.values() if one.tenant_id == self._tenant_id]

    def _sees(self, channel: Channel) -> bool:
        return channel.of_platform or channel.tenant_id == self._tenant_id
