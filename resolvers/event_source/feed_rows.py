"""A feed as a subscriber sees it: what it has missed, then what comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from domain.errors import ErrorCode, Rejected, Unauthenticated
from domain.feeds import FeedEvent, feed_position
from persistence.feeds import reads
from resolvers.services import Services
from schema.context import Context

READ_MAX = 500
LOOK_S = 2.5
"""How often the right to watch is looked at."""
READ_S = 15.0
"""How often a feed is read though nobody rang."""

AFRESH = "Read the thing itself, and watch without a cursor."

MayWatch = Callable[[], Awaitable[bool]]
"""Whether the thing can still be seen by who watches it; beyond their session, which is looked at anyway."""


async def feed_events(
    context: Context, feed_id: UUID, after: str | None, may_watch: MayWatch
) -> AsyncIterator[FeedEvent]:
    """Events behind a cursor, from the first that is kept for None, until the right to watch ends.

    Raises Rejected for a cursor that is of no use, and Unauthenticated once the right has ended.
    """
    services: Services = context.services
    position = feed_position(after, feed_id)
    if position and position > await _end(context, feed_id):
        raise Rejected(ErrorCode.INVALID_STATE, "The cursor is ahead of what has happened. " + AFRESH, "after")
    with services.feed_bell.heard(feed_id) as rung:
        while True:
            rung.clear()
            while found := await _read(context, feed_id, position):
                if position and found[0].seq != position + 1:
                    raise Rejected(ErrorCode.INVALID_STATE, "What followed is no longer kept. " + AFRESH, "after")
                for event in found:
                    yield event
                position = found[-1].seq
                context.reads.forget()
            await _until_rung(context, rung, may_watch)


async def _end(context: Context, feed_id: UUID) -> int:
    rows = await context.services.database.shaped(context.actor.tenant_id, reads.ENDS, ids=[feed_id])
    return rows[0].last_seq if rows else 0


async def _read(context: Context, feed_id: UUID, after: int) -> list[FeedEvent]:
    rows = await context.services.database.shaped(
        context.actor.tenant_id, reads.EVENTS, feed=feed_id, after=after, first=READ_MAX
    )
    return [FeedEvent(feed_id, row.seq, row.type, row.data, row.created_at) for row in rows]


async def _until_rung(context: Context, rung: asyncio.Event, may_watch: MayWatch) -> None:
    """Return when the feed may have grown. Raises Unauthenticated once the right to watch has ended."""
    loop = asyncio.get_running_loop()
    until = loop.time() + READ_S
    while True:
        context.reads.forget()
        if not await context.services.events.still_valid(context.actor) or not await may_watch():
            raise Unauthenticated("The right to watch this has ended.")
        if rung.is_set() or loop.time() >= until:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await rung.wait()
