"""`channels rekey`: another master key, and every channel still opens."""

from __future__ import annotations

import asyncio
import base64

import pytest
from pydantic import SecretStr
from sqlalchemy import delete, update

from adapters.key_vault import AesKeyVault, WebhookVault
from app import rekey
from app.cli import parser
from app.settings import Settings
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from domain.errors import ErrorCode, Rejected
from domain.ids import ChannelId, EndpointId, TenantId, new_id
from domain.operations.webhooks import WebhookEndpoint
from persistence.accounts.tables import tenants
from persistence.channels.tables import channels
from persistence.database import Database
from persistence.operations.tables import webhook_endpoints
from persistence.unit_of_work import Units

OLD, NEW, STRANGE = (bytes([n]) * 32 for n in (1, 2, 3))
PLACE = TenantId(new_id()), ChannelId(new_id())
ARGS = parser().parse_args(["channels", "rekey"])


def told(settings: Settings, *masters: bytes, references_only: bool = False) -> Settings:
    keys = tuple(SecretStr(base64.b64encode(one).decode()) for one in masters)
    return settings.model_copy(update={"channel_keys": keys, "channel_key_references_only": references_only})


async def kept(units: Units, master: bytes, name: str, *, spoilt: bool = False) -> Channel:
    tenant_id = TenantId(new_id())
    model = ChannelModel("m", "m")
    one = Channel.offering(name, ProviderKind.OPENAI_COMPATIBLE, model, tenant_id=tenant_id)
    one.sealed_key = AesKeyVault([master]).seal(tenant_id, one.id, f"key of {name}".replace(" ", "-"))
    if spoilt:
        one.sealed_key = one.sealed_key[:-1] + bytes([one.sealed_key[-1] ^ 1])
    async with units(tenant_id) as uow:
        await uow.channels.add(one)
    return one


@pytest.fixture(autouse=True)
async def nothing_sealed(admin: Database) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(update(channels).values(sealed_key=None))
        await connection.execute(delete(webhook_endpoints))


async def test_every_key_is_sealed_by_the_new_one_and_opens(
    units: Units, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    channels = [await kept(units, OLD, "first"), await kept(units, OLD, "second"), await kept(units, NEW, "third")]
    await kept(units, STRANGE, "stranger")
    assert await asyncio.to_thread(rekey.main, told(settings, NEW, OLD), ARGS) == 1
    output = capsys.readouterr()
    assert output.out == "2 sealed anew, 1 that no key opens\n"
    assert output.err.startswith("lost: stranger (")
    for before in channels:
        async with units(before.tenant_id) as uow:
            after = await uow.channels.channel(before.id)
        assert after is not None and after.sealed_key is not None
        opened = AesKeyVault([NEW]).open(before.tenant_id, before.id, after.sealed_key)
        assert opened == f"key-of-{before.name}"


async def test_keys_from_before_references_alone_were_allowed_are_sealed_anew(
    units: Units, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await kept(units, OLD, "old")
    strict = told(settings, NEW, OLD, references_only=True)
    assert await asyncio.to_thread(rekey.main, strict, ARGS) == 0
    assert capsys.readouterr() == ("1 sealed anew, 0 that no key opens\n", "")


@pytest.mark.parametrize(("masters", "lost"), [((NEW,), ["spoilt"]), ((), ["sound", "spoilt"])])
async def test_what_does_not_open_is_named_though_it_needs_no_other_key(
    units: Units, settings: Settings, capsys: pytest.CaptureFixture[str], masters: tuple[bytes, ...], lost: list[str]
) -> None:
    await kept(units, NEW, "sound")
    await kept(units, NEW, "spoilt", spoilt=True)
    assert await asyncio.to_thread(rekey.main, told(settings, *masters), ARGS) == 1
    output = capsys.readouterr()
    assert output.out == f"0 sealed anew, {len(lost)} that no key opens\n"
    assert sorted(line.split()[1] for line in output.err.splitlines()) == lost


async def with_endpoint(units: Units, url: str, secret: bytes, previous: bytes | None) -> WebhookEndpoint:
    one = WebhookEndpoint(TenantId(new_id()), EndpointId(new_id()), url, ["webhook.test"], secret)
    one.previous_secret = previous
    async with units(one.tenant_id) as uow:
        session = uow.accounts._session
        await session.execute(tenants.insert().values(tenant_id=one.tenant_id, slug=str(one.tenant_id), name="t"))
        await uow.webhooks.add_endpoint(one)
    return one


async def test_secrets_of_webhooks_are_sealed_also_those_in_the_clear(
    units: Units, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    clear = await with_endpoint(units, "https://clear.example/x", b"whsec_one", b"whsec_two")
    lost = await with_endpoint(units, "https://lost.example/secret", AesKeyVault([STRANGE]).seal(*PLACE, "x"), None)
    strict = told(settings, NEW, references_only=True)
    for sealed in (1, 0):
        assert await asyncio.to_thread(rekey.main, strict, ARGS) == 1
        output = capsys.readouterr()
        assert output.out.startswith(f"{sealed} sealed anew, ")
        assert f"lost: lost.example ({lost.id})" in output.err and "lost.example/secret" not in output.err
    async with units(clear.tenant_id) as uow:
        after = await uow.webhooks.endpoint(clear.id)
    assert after is not None and after.previous_secret is not None
    vault = WebhookVault([NEW])
    opened = [vault.open(clear.tenant_id, clear.id, each) for each in (after.secret, after.previous_secret)]
    assert opened == ["whsec_one", "whsec_two"]
    with pytest.raises(ValueError, match="sealed"):
        vault.open(clear.tenant_id, lost.id, after.secret)


def test_without_a_key_to_seal_with_a_secret_is_refused() -> None:
    with pytest.raises(Rejected, match="FABULA_CHANNEL_KEYS") as refused:
        WebhookVault([]).seal(TenantId(new_id()), EndpointId(new_id()), "whsec_x")
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_STATE, ())


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
