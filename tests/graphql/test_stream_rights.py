"""A stream is watched as long as the right to watch it lasts, wherever that ends."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import text

from domain.accounts import Role
from domain.events import EventType, Position
from domain.ids import JobId
from persistence.database import Database
from persistence.streams import StreamLog, StreamWriter
from tests.documents import EVENTS
from tests.graphql.clients import Person, Site
from tests.graphql.generations import over_ws, shown, start


async def revoke_session(admin: Database, person: Person) -> None:
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("update app.sessions set revoked_at = now() where id = :s"), {"s": person.session_id}
        )


async def revoke_membership(admin: Database, person: Person) -> None:
    async with admin.engine.begin() as connection:
        for table in ("sessions", "memberships"):
            await connection.execute(text(f"delete from app.{table} where user_id = :u"), {"u": person.user_id})


async def seconds_to_the_end(
    site: Site, alice: Person, admin: Database, log: StreamLog, revoke: Any, *, talks: bool, after_s: float
) -> float:
    """How long a member still watches after a right was taken, who asks for other things all the while."""
    one = await start(alice)
    member = await site.member(alice, Role.VIEWER)
    busy = [asyncio.create_task(_asking(member))]
    if talks:
        busy.append(asyncio.create_task(_words(log, one.job_id)))
    async with member.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        await asyncio.sleep(after_s)
        await revoke(admin, member)
        began = asyncio.get_running_loop().time()
        events = [event async for event in ws.events("1")]
        took_s = asyncio.get_running_loop().time() - began
    for task in busy:
        task.cancel()
    assert (events[-1]["__typename"], events[-1]["revoked"]) == ("StreamRevoked", "UNAUTHENTICATED")
    return took_s


async def _asking(person: Person) -> None:
    while True:
        await person.ask("{ me { role } }")
        await asyncio.sleep(0.2)


async def test_a_right_that_ends_elsewhere_ends_the_stream_within_five_seconds(
    site: Site, alice: Person, admin: Database, log: StreamLog
) -> None:
    """Elsewhere: no process tells this one; it looks for itself, and must not believe for too long what it saw."""
    cases = [
        (revoke_session, True, 0.3),
        (revoke_membership, False, 0.3),
        (revoke_session, False, 1.6),
        (revoke_membership, True, 3.2),
    ]
    times = await asyncio.gather(
        *(
            seconds_to_the_end(site, alice, admin, log, revoke, talks=talks, after_s=after_s)
            for revoke, talks, after_s in cases
        )
    )
    assert max(times) < 5.0


async def _words(log: StreamLog, job_id: JobId) -> None:
    writer = StreamWriter(log, job_id, 1)
    while True:
        await writer.write(EventType.DELTA, {"text": "w "}, text="w ")
        await asyncio.sleep(0.05)


async def test_a_right_to_watch_in_another_tenant_stands_and_falls_with_membership_and_session(
    site: Site, alice: Person, admin: Database
) -> None:
    auth = site.api.authenticator
    for revoke in (revoke_session, revoke_membership):
        both = await site.tenant()
        await site.also_in(both, alice, Role.VIEWER)
        actor = await auth.authenticate(both.authorization, alice.tenant_gid)
        assert actor is not None and await auth.still_valid(actor)
        if revoke is revoke_session:
            await revoke_session(admin, both)
        else:
            async with admin.engine.begin() as connection:
                gone = text("delete from app.memberships where user_id = :u and tenant_id = :t")
                await connection.execute(gone, {"u": both.user_id, "t": alice.tenant_id})
        auth.forget()
        assert not await auth.still_valid(actor)


async def test_a_revoked_stream_can_be_resumed_where_it_ended(
    site: Site, alice: Person, admin: Database, log: StreamLog
) -> None:
    one = await start(alice)
    writer = StreamWriter(log, one.job_id, 1)
    await writer.write(EventType.DELTA, {"text": "before "}, text="before ")
    member = await site.member(alice, Role.VIEWER)
    async with member.socket() as ws:
        await ws.subscribe("1", EVENTS, id=one.id)
        first = next(iter((await ws.receive())["payload"]["data"].values()))
        await revoke_session(admin, member)
        rest = [event async for event in ws.events("1")]
    assert [event["__typename"] for event in rest] == ["StreamRevoked"]
    await writer.write(EventType.DELTA, {"text": "after"}, text="after")
    await writer.end(EventType.FAILED, {"code": "X", "message": "x"})
    events = await over_ws(alice, one.id, rest[-1]["cursor"])
    assert shown([first, *events]) == "before after"
    assert Position(1, 0).seq == first["seq"]
