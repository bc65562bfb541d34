"""Channels over the API: who may make them, what becomes of their keys, and what is seen of their health."""

from __future__ import annotations

import base64
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from adapters.key_vault import AesKeyVault
from domain.accounts import Role
from domain.channels.health import Outcome
from domain.generation.provider import ProviderErrorCode
from domain.ids import ChannelId
from persistence.channels.reads import CHANNELS_BY_ID
from persistence.database import Database
from schema.ids import decode_id
from tests.conftest import DEMO
from tests.fakes.behaviour import Behaviour
from tests.fakes.openai_server import FakeOpenAI
from tests.graphql.clients import Person, Site
from tests.graphql.test_usage_reports import book
from workers.generation import run_job
from workers.runtime import Runtime

KEY = "sk-planted-0123456789-quillfeather"
SHOWN = "channel { id name provider baseUrl hasKey status weight priority models { name upstream contextWindow } }"


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as one:
        yield one


async def made(person: Person, fake: FakeOpenAI, **more: Any) -> dict[str, Any]:
    values = {"name": "Mine", "provider": "OPENAI_COMPATIBLE", "baseUrl": fake.base_url, "apiKey": KEY, "models": ["m"]}
    answer: dict[str, Any] = await person.mutate("channelCreate", SHOWN, **values | more)
    return answer["channel"]  # type: ignore[no-any-return]


async def test_a_channel_is_made_changed_listed_and_deleted(site: Site, fake: FakeOpenAI) -> None:
    owner = await site.tenant()
    one = await made(owner, fake, weight=3, priority=7)
    assert one == {
        "id": one["id"], "name": "Mine", "provider": "OPENAI_COMPATIBLE", "baseUrl": fake.base_url, "hasKey": True,
        "status": "ON", "weight": 3, "priority": 7,
        "models": [{"name": "m", "upstream": "m", "contextWindow": 32_768}],
    }  # fmt: skip
    changed = await owner.mutate(
        "channelUpdate", SHOWN, id=one["id"], name="Ours", enabled=False, weight=0,
        models=["m", "n"], modelDetails=[{"name": "n", "upstream": "n-2026", "contextWindow": 8_000}],
    )  # fmt: skip
    assert (changed["channel"]["name"], changed["channel"]["status"], changed["channel"]["weight"]) == (
        "Ours", "OFF_MANUAL", 0)  # fmt: skip
    assert changed["channel"]["models"][1] == {"name": "n", "upstream": "n-2026", "contextWindow": 8_000}
    edges = (await owner("{ channels { edges { node { name platform } } } }"))["edges"]
    assert [(edge["node"]["name"], edge["node"]["platform"]) for edge in edges] == [("Ours", False), ("demo", True)]
    assert (await owner.mutate("channelDelete", "deletedId", id=one["id"]))["deletedId"] == one["id"]
    assert await owner("query ($id: ID!) { node(id: $id) { id } }", id=one["id"]) is None
    assert await owner.refusal("channelDelete", id=one["id"]) == ("NOT_FOUND", ["input", "id"])


@pytest.mark.parametrize(
    ("values", "code", "field"),
    [
        ({"name": " "}, "EMPTY", "name"),
        ({"models": []}, "BAD_USER_INPUT", "models"),
        ({"models": ["m", "m"]}, "ALREADY_EXISTS", "models"),
        ({"models": [f"m{n}" for n in range(51)]}, "BAD_USER_INPUT", "models"),
        ({"baseUrl": "ftp://host"}, "BAD_USER_INPUT", "baseUrl"),
        ({"baseUrl": "https://user:pass@host/v1"}, "BAD_USER_INPUT", "baseUrl"),
        ({"baseUrl": "https://host:70000/v1"}, "BAD_USER_INPUT", "baseUrl"),
        ({"baseUrl": "https://[::1/v1"}, "BAD_USER_INPUT", "baseUrl"),
        ({"apiKey": "env:PATH"}, "BAD_USER_INPUT", "apiKey"),
        ({"apiKey": "file:/etc/passwd"}, "BAD_USER_INPUT", "apiKey"),
        ({"apiKey": "two words"}, "INVALID_CHARACTERS", "apiKey"),
        ({"apiKey": "k" * 4_001}, "TOO_LONG", "apiKey"),
        ({"weight": 1_001}, "BAD_USER_INPUT", "weight"),
        ({"weight": -1}, "BAD_USER_INPUT", "weight"),
        ({"concurrency": -1}, "BAD_USER_INPUT", "concurrency"),
        ({"modelDetails": [{"name": "other"}]}, "BAD_USER_INPUT", "modelDetails"),
        ({"provider": "LOCAL", "modelPath": "/etc/passwd"}, "BAD_USER_INPUT", "provider"),
    ],
)
async def test_what_makes_no_channel_is_refused(
    alice: Person, fake: FakeOpenAI, values: dict[str, Any], code: str, field: str
) -> None:
    whole = {"name": "x", "provider": "OPENAI_COMPATIBLE", "baseUrl": fake.base_url, "models": ["m"]} | values
    assert await alice.refusal("channelCreate", **whole) == (code, ["input", field])


async def test_the_platforms_channels_are_its_administrators(site: Site, alice: Person, fake: FakeOpenAI) -> None:
    assert await alice.code(
        "mutation ($i: ChannelCreateInput!) { channelCreate(input: $i) { channel { id } } }",
        i={"name": "x", "provider": "DEMO", "models": ["m"], "platform": True},
    ) == "FORBIDDEN"  # fmt: skip
    admin = await site.tenant(platform_admin=True)
    one = await made(admin, fake, name="For all", platform=True, apiKey="env:FABULA_TEST_KEY", enabled=False)
    query = "query ($id: ID!) { node(id: $id) { ... on Channel { name platform hasKey baseUrl } } }"
    seen = {"name": "For all", "platform": True, "hasKey": True, "baseUrl": None}
    assert await alice(query, id=one["id"]) == seen, "where it leads is the operator's"
    assert await admin(query, id=one["id"]) == seen | {"baseUrl": fake.base_url}
    update = "mutation ($i: ChannelUpdateInput!) { channelUpdate(input: $i) { channel { id } } }"
    assert await alice.code(update, i={"id": one["id"], "baseUrl": "https://elsewhere.example"}) == "FORBIDDEN"
    await admin.mutate("channelDelete", id=one["id"])


async def test_a_members_role_decides(site: Site, alice: Person, fake: FakeOpenAI) -> None:
    one = await made(alice, fake)
    author = await site.member(alice, Role.AUTHOR)
    update = "mutation ($i: ChannelUpdateInput!) { channelUpdate(input: $i) { channel { id } } }"
    assert await author.code(update, i={"id": one["id"], "name": "y"}) == "FORBIDDEN"
    await alice.mutate("channelDelete", id=one["id"])


async def test_a_key_is_not_taken_along_to_another_server(site: Site, fake: FakeOpenAI) -> None:
    owner = await site.tenant()
    one = await made(owner, fake)
    elsewhere = {"id": one["id"], "baseUrl": "https://elsewhere.example/v1"}
    assert await owner.refusal("channelUpdate", **elsewhere) == ("BAD_USER_INPUT", ["input", "apiKey"])
    moved = await owner.mutate("channelUpdate", "channel { baseUrl hasKey }", **elsewhere, apiKey="another")
    assert moved["channel"] == {"baseUrl": "https://elsewhere.example/v1", "hasKey": True}
    bare = await owner.mutate("channelUpdate", "channel { hasKey }", id=one["id"], apiKey="")
    assert bare["channel"] == {"hasKey": False}


async def test_a_trial_calls_the_server_with_the_key(site: Site, fake: FakeOpenAI) -> None:
    owner = await site.tenant()
    one = await made(owner, fake)
    asked = "ok text firstTokenMs totalMs errorCode errorMessage"
    good = await owner.mutate("channelTest", asked, id=one["id"])
    assert (good["ok"], good["errorCode"], good["text"][:5]) == (True, None, "w0001")
    assert fake.exchanges[-1].headers["Authorization"] == f"Bearer {KEY}"
    fake.behaviour = Behaviour().for_model("status:status=401")
    bad = await owner.mutate("channelTest", asked, id=one["id"])
    assert (bad["ok"], bad["errorCode"]) == (False, "AUTHENTICATION")
    assert await owner.refusal("channelTest", id=one["id"], model="unknown") == ("NOT_FOUND", ["input", "model"])


async def test_health_is_heard_of_as_it_changes(site: Site, fake: FakeOpenAI) -> None:
    owner = await site.tenant()
    one = await made(owner, fake)
    board = site.api.services.channels.health
    key = ChannelId(decode_id("Channel", one["id"])), "m"
    query = (
        "subscription ($ids: [ID!]) { channelHealth(channelIds: $ids) { channel { name } health { state lastError } } }"
    )
    async with owner.socket() as socket:
        await socket.subscribe("1", query, ids=[one["id"]])
        first = (await socket.receive())["payload"]["data"]["channelHealth"]
        assert first == {"channel": {"name": "Mine"}, "health": {"state": "HEALTHY", "lastError": None}}
        for _ in range(5):
            await board.record(*key, Outcome(error=ProviderErrorCode.OVERLOADED))
        states = [(await socket.receive())["payload"]["data"]["channelHealth"]["health"]["state"] for _ in range(2)]
    assert states[-1] == "OPEN"
    shown = await owner(
        "query ($id: ID!) { node(id: $id) { ... on Channel { status health { state } } } }", id=one["id"]
    )
    assert shown == {"status": "OFF_AUTO", "health": {"state": "OPEN"}}
    status = "query ($id: ID!) { node(id: $id) { ... on Channel { status } } }"
    await owner.mutate("channelUpdate", id=one["id"], weight=5, name="Still mine", enabled=True)
    assert await owner(status, id=one["id"]) == {"status": "OFF_AUTO"}, "its calls would go as they went"
    await owner.mutate("channelUpdate", id=one["id"], apiKey="renewed")
    assert await owner(status, id=one["id"]) == {"status": "ON"}


async def test_a_strangers_channel_is_not_looked_up_and_a_new_one_is_told_of(
    site: Site, fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, stranger = await site.tenant(), await site.tenant()
    mine, theirs = await made(owner, fake), await made(stranger, fake)
    board, database = site.api.services.channels.health, site.api.database
    lookups, shaped = list[UUID](), database.shaped

    async def looked_up(tenant_id: Any, statement: Any, **values: Any) -> Any:
        if statement is CHANNELS_BY_ID:
            lookups.extend(values["ids"])
        return await shaped(tenant_id, statement, **values)

    monkeypatch.setattr(database, "shaped", looked_up)

    async def fails(channel: dict[str, Any]) -> None:
        for _ in range(5):
            await board.record(
                ChannelId(decode_id("Channel", channel["id"])), "m", Outcome(error=ProviderErrorCode.OVERLOADED)
            )

    async with owner.socket() as socket:

        async def heard() -> tuple[str, str]:
            event = (await socket.receive())["payload"]["data"]["channelHealth"]
            return event["channel"]["name"], event["health"]["state"]

        await socket.subscribe("1", "subscription { channelHealth { channel { name } health { state } } }")
        assert {await heard(), await heard()} == {("Mine", "HEALTHY"), ("demo", "HEALTHY")}
        await fails(theirs)
        await fails(mine)
        assert [await heard(), await heard()] == [("Mine", "DEGRADED"), ("Mine", "OPEN")]
        assert lookups == [decode_id("Channel", mine["id"])] * 2
        await made(owner, fake, name="New")
        told = {await heard(), await heard(), await heard()}
        assert told == {("Mine", "OPEN"), ("New", "HEALTHY"), ("demo", "HEALTHY")}


async def test_what_is_done_to_channels_is_in_the_log_of_who_did_it(site: Site, fake: FakeOpenAI) -> None:
    owner = await site.tenant()
    one = await made(owner, fake, weight=3)
    await owner.mutate("channelUpdate", id=one["id"], enabled=False, apiKey="")
    assert await owner.refusal("channelUpdate", id=one["id"], weight=-1) == ("BAD_USER_INPUT", ["input", "weight"])
    await owner.mutate("channelTest", id=one["id"])
    await owner.mutate("routingPolicySet", policy={"strategy": "RANDOM"})
    await owner.mutate("channelDelete", id=one["id"])
    assert await logged(owner) == [
        ("channel.delete", {"name": "Mine"}),
        ("routing_policy.set", {"platform": False, "policy": {"strategy": "RANDOM"}}),
        ("channel.test", {"model": "m"}),
        ("channel.update", {"enabled": False, "credential": False}),
        ("channel.create", {
            "name": "Mine", "provider": "OPENAI_COMPATIBLE", "models": ["m"], "weight": 3, "enabled": True,
            "is_default": False, "platform": False, "host": fake.base_url.split("/")[2], "credential": True,
        }),
    ]  # fmt: skip


async def test_what_is_done_to_the_platforms_channels_is_in_its_administrators_log(
    site: Site, fake: FakeOpenAI
) -> None:
    admin = await site.tenant(platform_admin=True)
    one = await made(admin, fake, name="For all", platform=True, enabled=False)
    await admin.mutate("channelDelete", id=one["id"])
    assert [action for action, _ in await logged(admin)] == ["channel.delete", "channel.create"]


async def logged(person: Person) -> list[tuple[str, Any]]:
    edges = (await person("{ auditEntries { edges { node { action details } } } }"))["edges"]
    return [(edge["node"]["action"], edge["node"]["details"]) for edge in edges]


STATISTICS = """query ($days: Int! = 30) { channels { edges { node { name
  statistics(days: $days) { calls inputTokens outputTokens cachedShare cost { amount } } } } } }"""


async def test_a_page_of_channels_tells_in_one_statement_what_the_tenant_used_of_them(
    site: Site, fake: FakeOpenAI
) -> None:
    owner, stranger = await site.tenant(), await site.tenant()
    today = datetime.now(UTC)
    mine = ChannelId(decode_id("Channel", (await made(owner, fake))["id"]))
    await book(owner, at=today, channel_id=mine, cached_input_tokens=4)
    await book(owner, "another", at=today, channel_id=mine, billed=False)
    await book(owner, at=today - timedelta(days=1), channel_id=mine)
    await book(owner, at=today, channel_id=DEMO.id)
    await book(stranger, at=today, channel_id=DEMO.id)
    demo = {"calls": 1, "inputTokens": 10, "outputTokens": 5, "cachedShare": 0.0, "cost": {"amount": "0.000007"}}
    both = {"calls": 2, "inputTokens": 20, "outputTokens": 10, "cachedShare": 0.2, "cost": {"amount": "0.000014"}}
    assert await statistics(owner, days=1) == {"Mine": both, "demo": demo}
    before = site.api.database.statements
    thrice = {"calls": 3, "inputTokens": 30, "outputTokens": 15, "cachedShare": 0.1333, "cost": {"amount": "0.000021"}}
    assert await statistics(owner, days=2) == {"Mine": thrice, "demo": demo}
    assert site.api.database.statements - before <= 3, "who asks, the channels, and what was used of all of them"
    nothing = {"calls": 0, "inputTokens": 0, "outputTokens": 0, "cachedShare": 0.0, "cost": {"amount": "0"}}
    assert await statistics(await site.tenant()) == {"demo": nothing}


async def test_statistics_are_for_administrators_and_their_costs_for_who_looks_after_bills(site: Site) -> None:
    owner = await site.tenant()
    unpriced = {"calls": 0, "inputTokens": 0, "outputTokens": 0, "cachedShare": 0.0, "cost": None}
    assert await statistics(await site.member(owner, Role.ADMIN)) == {"demo": unpriced}
    assert await statistics(await site.member(owner, Role.AUTHOR)) == {"demo": None}
    assert await owner.code(STATISTICS, days=0) == "BAD_USER_INPUT"
    assert await owner.code(STATISTICS, days=367) == "BAD_USER_INPUT"
    assert await statistics(owner, days=366)


async def statistics(person: Person, **values: Any) -> dict[str, Any]:
    edges = (await person(STATISTICS, **values))["edges"]
    return {edge["node"]["name"]: edge["node"]["statistics"] for edge in edges}


async def test_a_planted_key_is_found_nowhere(
    site: Site, runtime: Runtime, admin: Database, fake: FakeOpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in an answer, an error, a log line, an event, nor in any row of the database: used well, and used badly."""
    caplog.set_level(logging.DEBUG)
    owner = await site.tenant()
    told = []
    one = await made(owner, fake, isDefault=True)
    told.append(one)
    for behaviour in ("ok", "echo_error", "status:status=401", "reset"):
        fake.behaviour = Behaviour().for_model(behaviour)
        told.append(await owner.mutate("channelTest", "ok text errorCode errorMessage", id=one["id"]))
        project = (await owner.mutate("projectCreate", "project { id }", title="x"))["project"]["id"]
        chapter = (await owner.mutate("chapterCreate", "chapter { id }", projectId=project, title="x"))["chapter"]["id"]
        started = await owner(
            "mutation ($i: ChapterGenerateInput!) { chapterGenerate(input: $i) "
            "{ ... on GenerationStarted { generation { id job { id } } } } }",
            i={"chapterId": chapter, "instructions": "x", "idempotencyKey": behaviour, "channelId": one["id"]},
        )
        job = started["generation"]["job"]["id"]
        await run_job(runtime, owner.tenant_id, decode_id("Job", job))  # type: ignore[arg-type]
        told.append(
            await owner(
                "query ($id: ID!) { node(id: $id) { ... on Generation { errorCode errorMessage attempts { trace errorMessage "
                "routing { calls { channel outcome } } } events(first: 100) { events { __typename cursor } } } } }",
                id=started["generation"]["id"],
            )
        )
    assert fake.exchanges[0].headers["Authorization"] == f"Bearer {KEY}", "it was used"
    sealed = await admin.platform_rows(text("select sealed_key from app.channels where sealed_key is not null"))
    assert any(AesKeyVault([b"a master key of thirty-two bytes"]).current(row.sealed_key) for row in sealed)
    tables = await admin.platform_rows(
        text("select format('%I.%I', table_schema, table_name) as name from information_schema.tables "
             "where table_schema = 'app' and table_type = 'BASE TABLE'")
    )  # fmt: skip
    needles = (KEY, base64.b64encode(KEY.encode()).decode().rstrip("="), KEY.encode().hex())
    places = {"answers": str(told), "logs": caplog.text}
    for table in tables:
        rows = await admin.platform_rows(text(f"select t::text as row from {table.name} as t"))
        places[table.name] = "\n".join(row.row for row in rows)
    assert [name for name, content in places.items() if any(needle in content for needle in needles)] == []
    assert "app.channels" in places and "Mine" in places["app.channels"], "the search finds what is there"
