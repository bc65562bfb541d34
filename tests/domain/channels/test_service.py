"""What makes a channel, and what changes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from domain.channels.entities import PLATFORM_TENANT, Channel, ChannelModel, ProviderKind
from domain.channels.service import ChannelDraft, Keeper, clean_url, update_channel
from domain.errors import ErrorCode, Rejected
from tests.domain.memory.channels import MemoryChannels

NONE: Any = None
KEEPER = Keeper(NONE, NONE, lambda _provider, _url: "CANCEL")
NOW = datetime(2026, 7, 1, tzinfo=UTC)
URL = "https://api.example/v1"


async def changed(channel: Channel, draft: ChannelDraft) -> Channel:
    store: Any = MemoryChannels(PLATFORM_TENANT)
    await store.add(channel)
    return (await update_channel(store, PLATFORM_TENANT, KEEPER, channel.id, draft, NOW))[0]


async def test_azure_keeps_an_address() -> None:
    azure = Channel.offering("a", ProviderKind.AZURE_OPENAI, ChannelModel("m", "m"), base_url=URL)
    with pytest.raises(Rejected, match="Azure has an address") as refusal:
        await changed(azure, ChannelDraft(base_url=""))
    assert refusal.value.field == ("input", "baseUrl")
    other = Channel.offering("o", ProviderKind.OPENAI, ChannelModel("m", "m"), base_url=URL)
    assert (await changed(other, ChannelDraft(base_url=""))).base_url is None


@pytest.mark.parametrize(
    "url",
    ["https://api.example:0/v1", "https://api.example:70000/v1", "https://api.example:abc/v1", "https://[::1/v1",
     "https://::1]/v1", "https://[not-an-address]/v1", "https://a..example/v1", f"https://{'a' * 64}.example/v1",
     "https://%31%32%37.0.0.1/v1", "https://user@api.example/v1", "https://user:pass@api.example/v1",
     "https://@api.example/v1", "https://api.example\\@elsewhere.example/v1", "https://api.example/v1?a=b",
     "https://api.example/v1#part", "https://api.example/v1#", "https://api.example/a path", "https://api. example",
     "https://api.example/\tv1", "https://", "https:///v1", "ftp://api.example", "api.example/v1", "https://\u2024/v1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Rejected) as refusal:
        clean_url(url, None)
    assert (refusal.value.code, refusal.value.field) == (ErrorCode.BAD_USER_INPUT, ("input", "baseUrl"))


@pytest.mark.parametrize(
    "url",
    ["https://api.example", "https://api.example:1/v1", "http://api.example:65535/v1", "http://127.0.0.1:8000/v1",
     "http://[::1]:11434/v1", "https://my_host.example./v1", "https://模型.example/v1", f"https://{'a' * 63}.example"],
)  # fmt: skip
def test_an_address_is_kept_as_it_is(url: str) -> None:
    assert clean_url(url + "/", None) == url
