"""`channels rekey`: another master key, and every channel still opens."""

from __future__ import annotations

import asyncio
import base64

import pytest
from pydantic import SecretStr

from adapters.key_vault import AesKeyVault
from app import rekey
from app.cli import parser
from app.settings import Settings
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from domain.ids import TenantId, new_id
from persistence.unit_of_work import Units

OLD, NEW, STRANGE = (bytes([n]) * 32 for n in (1, 2, 3))
ARGS = parser().parse_args(["channels", "rekey"])


async def kept(units: Units, master: bytes, name: str) -> Channel:
    tenant_id = TenantId(new_id())
    model = ChannelModel("m", "m")
    one = Channel.offering(name, ProviderKind.OPENAI_COMPATIBLE, model, tenant_id=tenant_id)
    one.sealed_key = AesKeyVault([master]).seal(tenant_id, one.id, f"key of {name}".replace(" ", "-"))
    async with units(tenant_id) as uow:
        await uow.channels.add(one)
    return one


async def test_every_key_is_sealed_by_the_new_one_and_opens(
    units: Units, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    channels = [await kept(units, OLD, "first"), await kept(units, OLD, "second"), await kept(units, NEW, "third")]
    await kept(units, STRANGE, "stranger")
    keys = tuple(SecretStr(base64.b64encode(one).decode()) for one in (NEW, OLD))
    told = settings.model_copy(update={"channel_keys": keys})
    assert await asyncio.to_thread(rekey.main, told, ARGS) == 1
    output = capsys.readouterr()
    assert output.out == "2 sealed anew, 1 that no key opens\n"
    assert output.err.startswith("lost: stranger (")
    for before in channels:
        async with units(before.tenant_id) as uow:
            after = await uow.channels.channel(before.id)
        assert after is not None and after.sealed_key is not None
        opened = AesKeyVault([NEW]).open(before.tenant_id, before.id, after.sealed_key)
        assert opened == f"key-of-{before.name}"


def test_a_sealed_key_opens_in_its_own_place_only() -> None:
    vault, other = AesKeyVault([OLD]), AesKeyVault([NEW])
    here, there = Channel.offering("a", ProviderKind.DEMO), Channel.offering("b", ProviderKind.DEMO)
    sealed = vault.seal(here.tenant_id, here.id, "key")
    assert vault.open(here.tenant_id, here.id, sealed) == "key"
    assert sealed != vault.seal(here.tenant_id, here.id, "key"), "each time with another nonce"
    for opener, channel, what in (
        (vault, there, sealed),
        (vault, here, sealed[:-1] + bytes([sealed[-1] ^ 1])),
        (other, here, sealed),
        (vault, here, b""),
    ):
        with pytest.raises(ValueError, match="sealed"):
            opener.open(channel.tenant_id, channel.id, what)
