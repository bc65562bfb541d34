"""From a channel's row to its provider: whose channel may lead where, with which secret, and how it is tried."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from app.channel_services import ChannelServices
from app.channels import provider_factory
from app.settings import SECRET_FILE_BYTES_MAX, Settings, secret_named
from domain.channels.entities import PLATFORM_TENANT, Channel, ChannelModel, ProviderKind
from domain.generation.provider import CompletionRequest, ProviderError, ProviderErrorCode, ProviderEvent, TextChunk
from domain.ids import TenantId, new_id
from tests.adapters.calls import ask, completion
from tests.fakes.openai_server import FakeOpenAI

TENANT = TenantId(new_id())


@pytest.mark.parametrize(
    ("tenant_id", "private_channels", "calls"), [(TENANT, False, 0), (TENANT, True, 1), (PLATFORM_TENANT, False, 1)]
)
async def test_a_tenants_channel_leads_to_public_addresses_alone_and_the_operators_anywhere(
    tenant_id: TenantId, private_channels: bool, calls: int
) -> None:
    settings: Any = Settings(private_channels=private_channels)
    async with FakeOpenAI() as fake:
        kind, model = ProviderKind.OPENAI_COMPATIBLE, ChannelModel("m", "m")
        channel = Channel.offering("c", kind, model, tenant_id=tenant_id, base_url=fake.base_url)
        reading = await ask(provider_factory(settings)(channel), completion("ok"))
        assert (len(fake.exchanges), reading.error is None) == (calls, bool(calls))


def test_a_secret_is_read_from_a_file_of_64_kib_at_most(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("k" * SECRET_FILE_BYTES_MAX)
    assert secret_named(f"file:{file}") == "k" * SECRET_FILE_BYTES_MAX
    file.write_text("k" * (SECRET_FILE_BYTES_MAX + 1))
    with pytest.raises(ValueError, match="leads to a file of more than 64 KiB"):
        secret_named(f"file:{file}")


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "leads to no file"), (b" \n", "leads to nothing"), (b"\xff", "leads to a file that is no text")],
)
def test_what_is_wrong_with_a_secrets_file_is_said(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=why):
        secret_named(f"file:{file}")


def test_a_device_is_not_read() -> None:
    with pytest.raises(ValueError, match="leads to no file"):
        secret_named("file:/dev/zero")


class Talker:
    """Says more than was asked for, and ends badly."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        for _ in range(3):
            yield TextChunk("t" * 150)
        raise ProviderError(ProviderErrorCode.UNKNOWN, "m" * 5_000)

    async def aclose(self) -> None: ...


async def test_of_a_trial_the_beginning_is_kept() -> None:
    nothing: Any = None
    services = ChannelServices(nothing, nothing, lambda _channel: Talker())
    channel = Channel.offering("c", ProviderKind.DEMO)
    found = await services.try_out(channel, ChannelModel("m", "m"))
    assert (found.text, found.error_message) == ("t" * 200, "m" * 200)
