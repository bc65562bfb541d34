"""A channel to a model file is the operator's: the file lies on the operator's machine."""

from __future__ import annotations

from typing import Any

import pytest

from domain.channels.entities import PLATFORM_TENANT, ChannelModel, ProviderKind
from domain.channels.service import ChannelDraft, Keeper, create_channel
from domain.errors import Rejected
from domain.ids import TenantId, new_id

DRAFT = ChannelDraft(
    name="Here", provider=ProviderKind.LOCAL, models=[ChannelModel("m", "m")], options={"model_path": "/etc/passwd"}
)


NONE: Any = None
KEEPER = Keeper(NONE, NONE, lambda _provider, _url: "CANCEL")


class Shelf:
    """An empty store of channels."""

    def __init__(self) -> None:
        self.channels: list[Any] = []

    async def count(self) -> int:
        return len(self.channels)

    async def add(self, channel: Any) -> None:
        self.channels.append(channel)


async def test_a_tenant_cannot_have_a_file_loaded() -> None:
    shelf: Any = Shelf()
    with pytest.raises(Rejected, match="Models on this machine are the operator's"):
        await create_channel(shelf, TenantId(new_id()), KEEPER, DRAFT)
    assert shelf.channels == []


async def test_the_operator_can() -> None:
    shelf: Any = Shelf()
    await create_channel(shelf, PLATFORM_TENANT, KEEPER, DRAFT)
    assert [channel.options for channel in shelf.channels] == [{"model_path": "/etc/passwd"}]
