"""`market`: the platform reads what is reported, and takes an assistant off the market."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import SecretStr

from app import market
from app.cli import parser
from app.settings import Settings
from domain.ids import new_id
from schema.ids import decode_id
from tests.graphql.assistants import VERSION_NODE, publish, published, seen
from tests.graphql.clients import Site


async def run(settings: Settings, *words: str) -> int:
    args = parser().parse_args(["market", *words])
    return await asyncio.to_thread(market.main, settings, args)


async def test_what_is_reported_is_taken_off_the_market_and_stays_off(
    settings: Settings, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    maker, reader = await site.tenant(), await site.tenant()
    assistant = await published(maker, "Leaky")
    version = (await seen(reader, assistant))["currentVersion"]["id"]
    await reader.mutate("assistantInstall", assistantId=assistant)
    await reader.mutate("assistantReport", assistantId=assistant, reason="PRIVACY", words="Tells my\naddress.")
    id_ = str(decode_id("Assistant", assistant))

    assert await run(settings, "reports") == 0
    [line] = [one for one in capsys.readouterr().out.splitlines() if id_ in one]
    assert line.endswith(
        f" PRIVACY {id_} 'Leaky' of tenant {maker.tenant_id}, by user {reader.user_id}: Tells my address."
    )

    assert await run(settings, "withdraw", id_) == 0
    assert capsys.readouterr().out == f"{id_} is off the market\n"
    assert await seen(reader, assistant) is None
    assert await reader(VERSION_NODE, id=version) is None
    assert await maker.refusal("assistantPublish", assistantId=assistant, visibility="PUBLIC") == (
        "FORBIDDEN", ["input", "assistantId"])  # fmt: skip
    await publish(maker, assistant, "TENANT")
    assert await run(settings, "reports") == 0
    assert id_ not in capsys.readouterr().out

    assert await run(settings, "allow", id_) == 0
    assert capsys.readouterr().out == f"{id_} may be published again\n"
    assert await seen(reader, assistant) is None
    await publish(maker, assistant)
    assert (await seen(reader, assistant))["name"] == "Leaky"


async def test_what_was_never_published_is_named(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    id_ = str(new_id())
    assert await run(settings, "withdraw", id_) == 1
    assert capsys.readouterr().err == f"fabula: no assistant {id_} was ever published\n"


async def test_without_a_database_it_says_what_it_needs(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = settings.model_copy(update={"database_url": SecretStr(""), "data_dir": tmp_path})
    assert await run(nowhere, "reports") == 2
    assert "market needs DATABASE_URL" in capsys.readouterr().err
