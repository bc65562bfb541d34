"""What is used, while it is used: to whom it is told, when, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from domain.accounts import Role
from domain.ids import TenantId, new_id
from persistence.database import Database
from tests.graphql.clients import Person, Site
from tests.graphql.generations import start
from tests.graphql.test_stream_rights import revoke_session
from tests.graphql.test_usage_reports import REPORT, book
from workers.generation import run_job
from workers.runtime import Runtime

METER = """subscription { usageMeter {
  rows { day model inputTokens outputTokens cost { amount } count }
  wallet { available { amount } held { amount } spent { amount } }
} }"""
WALLET = "{ wallet { available { amount } held { amount } spent { amount } } }"


@pytest.fixture(scope="module", autouse=True)
async def listening(site: Site) -> AsyncIterator[None]:
    """The bell's line is open, so that no meter looks again only because it opened."""
    with site.api.services.bell.heard(TenantId(new_id())) as rung:
        await rung.wait()
        yield


@pytest.fixture
async def owner(site: Site) -> Person:
    return await site.tenant()


class Meter:
    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def event(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            message = await self._socket.receive()
        assert message["type"] == "next", message
        return message["payload"]["data"]["usageMeter"]  # type: ignore[no-any-return]

    async def is_silent(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._socket.receive()
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def watching(person: Person) -> AsyncIterator[Meter]:
    async with person.socket() as socket:
        await socket.subscribe("1", METER)
        yield Meter(socket)


async def test_a_generation_is_told_once_it_is_booked(owner: Person, runtime: Runtime) -> None:
    one = await start(owner)
    async with watching(owner) as meter:
        before = await meter.event()
        assert before == {"rows": [], "wallet": await owner(WALLET)}
        await run_job(runtime, owner.tenant_id, one.job_id)
        while not (event := await meter.event())["rows"]:
            pass
    [row] = event["rows"]
    [booked] = (await owner(REPORT, by=["DAY", "MODEL"]))["rows"]
    assert row == {name: booked[name] for name in row}
    assert event["wallet"]["spent"] == row["cost"]
    assert float(event["wallet"]["held"]["amount"]) == 0


async def test_who_comes_later_is_told_of_today_at_once(owner: Person, runtime: Runtime) -> None:
    await run_job(runtime, owner.tenant_id, (await start(owner)).job_id)
    async with watching(owner) as meter:
        assert [row["count"] for row in (await meter.event())["rows"]] == [1]


async def test_a_top_up_is_told_without_rows(owner: Person) -> None:
    async with watching(owner) as meter:
        before = await meter.event()
        await owner.mutate("creditTopUp", "wallet { available { amount } }", amount="5", idempotencyKey="meter")
        after = await meter.event()
    gained = float(after["wallet"]["available"]["amount"]) - float(before["wallet"]["available"]["amount"])
    assert (after["rows"], gained) == ([], 5)


async def test_what_comes_fast_is_told_together(owner: Person) -> None:
    """Ten bookings within a second are one event, or two where they straddle one."""
    async with watching(owner) as meter:
        await meter.event()
        for _ in range(10):
            await book(owner, at=datetime.now(UTC))
        counts: list[int] = []
        while not counts or counts[-1] < 10:
            counts.append((await meter.event())["rows"][0]["count"])
        assert len(counts) <= 2
        assert await meter.is_silent(1.5)


async def test_another_tenant_is_told_nothing(owner: Person, site: Site, runtime: Runtime) -> None:
    stranger = await site.tenant()
    one = await start(owner)
    async with watching(stranger) as meter:
        assert (await meter.event())["rows"] == []
        await run_job(runtime, owner.tenant_id, one.job_id)
        assert await meter.is_silent(2)


@pytest.mark.parametrize("role", [Role.AUTHOR, Role.EDITOR, Role.VIEWER, Role.ADMIN])
async def test_who_keeps_no_books_is_refused(owner: Person, site: Site, role: Role) -> None:
    member = await site.member(owner, role)
    async with member.socket() as socket:
        await socket.subscribe("1", METER)
        message = await socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_who_keeps_the_books_is_told(owner: Person, site: Site) -> None:
    async with watching(await site.member(owner, Role.BILLING)) as meter:
        assert (await meter.event())["rows"] == []


async def test_a_right_that_ends_ends_the_meter(owner: Person, site: Site, admin: Database) -> None:
    member = await site.member(owner, Role.BILLING)
    async with member.socket() as socket:
        await socket.subscribe("1", METER)
        await socket.receive()
        await revoke_session(admin, member)
        async with asyncio.timeout(8):
            message = await socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_who_keeps_the_books_no_longer_is_told_no_more(owner: Person, site: Site, admin: Database) -> None:
    member = await site.member(owner, Role.BILLING)
    async with member.socket() as socket:
        await socket.subscribe("1", METER)
        await socket.receive()
        async with admin.engine.begin() as connection:
            await connection.execute(
                text("update app.memberships set role = 'VIEWER' where user_id = :u"), {"u": member.user_id}
            )
        async with asyncio.timeout(8):
            message = await socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_a_line_that_opens_again_makes_everybody_look(site: Site, owner: Person, redis: Any) -> None:
    """What was rung while it was down, nobody heard."""
    with site.api.services.bell.heard(owner.tenant_id) as rung:
        rung.clear()
        await redis.client_kill_filter(_type="pubsub")
        async with asyncio.timeout(10):
            await rung.wait()
