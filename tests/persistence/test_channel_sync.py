"""The environment's channels as rows: what a start may change of them, and what is their administrators' to decide."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from adapters.key_vault import AesKeyVault
from domain.channels.entities import PLATFORM_TENANT, Channel, ChannelModel, ProviderKind
from domain.channels.service import ChannelDraft, Keeper, update_channel
from domain.ids import TenantId, new_id
from persistence.channels.store import provider_kinds
from persistence.channels.sync import sync_channels
from persistence.channels.tables import channels
from persistence.database import Database
from persistence.unit_of_work import Units

URL = "https://models.example/v1"
KEEPER = Keeper(AesKeyVault(()), lambda _url: None, lambda _kind, _url: "UNKNOWN")


@pytest.fixture
async def one(admin: Database) -> AsyncIterator[Channel]:
    """What the environment says; nothing of it is left afterwards."""
    channel = Channel.offering("from outside", ProviderKind.OPENAI_COMPATIBLE, ChannelModel("m", "m"), base_url=URL)
    await sync_channels(admin.engine, [channel])
    yield channel
    async with admin.engine.begin() as connection:
        await connection.execute(delete(channels).where(channels.c.id == channel.id))


async def by_hand(admin: Database, channel: Channel, **values: Any) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(update(channels).where(channels.c.id == channel.id).values(**values))


async def kept(admin: Database, channel: Channel, *names: str) -> tuple[Any, ...]:
    async with admin.engine.connect() as connection:
        wanted = (channels.c[name] for name in names)
        row = (await connection.execute(select(*wanted).where(channels.c.id == channel.id))).one()
        return tuple(row)


async def test_a_key_of_the_environment_takes_the_place_of_one_given_by_hand(admin: Database, one: Channel) -> None:
    await by_hand(admin, one, sealed_key=b"sealed")
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "sealed_key", "secret_ref") == (b"sealed", None)
    one.secret_ref = "env:KEY"
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "sealed_key", "secret_ref") == (None, "env:KEY")


async def test_a_key_given_by_hand_does_not_go_along_to_another_server(admin: Database, one: Channel) -> None:
    await by_hand(admin, one, sealed_key=b"sealed")
    one.base_url = "https://elsewhere.example/v1"
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "sealed_key", "base_url") == (None, one.base_url)


async def test_what_an_administrator_switched_off_stays_off(admin: Database, one: Channel) -> None:
    await by_hand(admin, one, enabled=False)
    for wanted in ([one], [], [one]):
        await sync_channels(admin.engine, wanted)
        assert await kept(admin, one, "enabled") == (False,)


async def test_what_was_gone_is_switched_on_again_when_it_is_back(admin: Database, one: Channel) -> None:
    await sync_channels(admin.engine, [])
    assert await kept(admin, one, "enabled") == (False,)
    await sync_channels(admin.engine, [])
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "enabled", "options") == (True, {"from": "environment"})


async def test_a_word_of_an_administrators_holds_while_the_environment_is_silent(admin: Database, one: Channel) -> None:
    """Switched off by a start, then on and off again by hand: it does not come back with the environment."""
    await sync_channels(admin.engine, [])
    async with Units(admin.engine)(PLATFORM_TENANT) as uow:
        for enabled in (True, False):
            draft = ChannelDraft(enabled=enabled)
            await update_channel(uow.channels, PLATFORM_TENANT, KEEPER, one.id, draft, uow.now)
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "enabled", "options") == (False, {"from": "environment"})


async def test_options_are_the_environments(admin: Database, one: Channel) -> None:
    one.options = {"any_model": "true"}
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "options") == ({"any_model": "true", "from": "environment"},)
    one.options = {}
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "options") == ({"from": "environment"},)


async def test_what_an_administrator_deleted_stays_deleted(admin: Database, one: Channel) -> None:
    gone = datetime(2026, 7, 1, tzinfo=UTC)
    await by_hand(admin, one, deleted_at=gone, secret_ref=None)
    one.secret_ref = "env:KEY"
    await sync_channels(admin.engine, [one])
    assert await kept(admin, one, "deleted_at", "secret_ref") == (gone, None)


async def test_a_worker_learns_which_protocols_all_tenants_channels_speak(units: Units, database: Database) -> None:
    one = Channel.offering("own", ProviderKind.GEMINI, ChannelModel("m", "m"), tenant_id=TenantId(new_id()))
    off = Channel.offering(
        "off", ProviderKind.ANTHROPIC, ChannelModel("m", "m"), tenant_id=TenantId(new_id()), enabled=False
    )
    for channel in (one, off):
        async with units(channel.tenant_id) as uow:
            await uow.channels.add(channel)
    kinds = await provider_kinds(database.engine)
    assert "GEMINI" in kinds
    assert "ANTHROPIC" not in kinds
