"""Connections to embedding models: kept while they are asked, and never closed under a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.embedders import KEPT_MAX, TenantEmbedders
from domain.channels.entities import Channel, ChannelModel, Modality, ProviderKind
from domain.generation.provider import Embeddings
from domain.ids import TenantId, new_id

TENANT = TenantId(new_id())
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Connection:
    """Answers when it is let; what it is asked after it was closed fails."""

    go: asyncio.Event
    embedding_batch_max: int = 16
    closed: bool = False

    async def embed(self, texts: Sequence[str], model: str, dimensions: int | None = None) -> Embeddings:
        await self.go.wait()
        assert not self.closed
        return Embeddings(tuple((1.0, 0.0) for _ in texts))

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class World:
    """Channels of one model each, and every connection that was opened. It is its own unit of work."""

    known: dict[str, Channel] = field(default_factory=dict)
    opened: list[Connection] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def channel(self, name: str) -> Channel:
        model = ChannelModel(name, name, modalities=(Modality.EMBEDDING.value,))
        made = Channel.offering(name, ProviderKind.OPENAI_COMPATIBLE, model, updated_at=NOW)
        return self.known.setdefault(name, made)

    def embedders(self) -> TenantEmbedders:
        units: Any = self.unit
        return TenantEmbedders(units, self.reach)

    def reach(self, channel: Channel) -> Any:
        self.opened.append(Connection(self.go))
        return self.opened[-1]

    @asynccontextmanager
    async def unit(self, tenant_id: TenantId) -> AsyncIterator[World]:
        yield self

    @property
    def channels(self) -> World:
        return self

    async def offered(self) -> list[Channel]:
        await asyncio.sleep(0)
        return list(self.known.values())


async def test_two_who_ask_at_once_share_a_connection_and_a_pace() -> None:
    world = World()
    world.channel("far")
    world.go.set()
    embedders = world.embedders()
    one, two = await asyncio.gather(*(embedders.find(TENANT, "far", 2) for _ in range(2)))
    assert one is two
    await asyncio.gather(*(one.embed(["a"], query=False) for _ in range(3)))
    assert len(world.opened) == 1
    await embedders.aclose()
    assert world.opened[0].closed


async def test_those_that_were_asked_for_last_are_kept_and_no_call_loses_its_connection() -> None:
    world = World()
    embedders = world.embedders()
    for n in range(KEPT_MAX + 1):
        world.channel(f"m{n}")
    first, second = [await embedders.find(TENANT, name, 2) for name in ("m0", "m1")]
    calls = [asyncio.create_task(one.embed(["a"], query=False)) for one in (first, second)]
    await asyncio.sleep(0)
    for n in range(2, KEPT_MAX):
        await embedders.find(TENANT, f"m{n}", 2)
    assert await embedders.find(TENANT, "m0", 2) is first
    await embedders.find(TENANT, f"m{KEPT_MAX}", 2)
    assert await embedders.find(TENANT, "m0", 2) is first
    assert await embedders.find(TENANT, "m1", 2) is not second
    assert [one.closed for one in world.opened] == [False, False]
    world.go.set()
    await asyncio.gather(*calls)
    assert [one.closed for one in world.opened] == [False, True]
    # Whoever still has the one that was given up is answered, and leaves nothing open.
    await second.embed(["b"], query=False)
    assert [one.closed for one in world.opened] == [False, True, True]


async def test_a_channel_that_was_changed_is_reached_anew_and_its_former_connection_is_closed() -> None:
    world = World()
    channel = world.channel("far")
    world.go.set()
    embedders = world.embedders()
    await (await embedders.find(TENANT, "far", 2)).embed(["a"], query=False)
    world.known["far"] = replace(channel, updated_at=NOW + timedelta(seconds=1))
    await (await embedders.find(TENANT, "far", 2)).embed(["a"], query=False)
    assert [one.closed for one in world.opened] == [True, False]
