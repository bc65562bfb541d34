"""Brings what has changed in PostgreSQL to Weaviate, tenant by tenant.

    claim    the tenant, for oneself
    read     the oldest changes, and the rows as they are now
    write    those into Weaviate, and delete there what is gone
    forget   the changes that were read, but for what changed meanwhile

A process that is killed anywhere leaves changes to be sent again, which does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from opentelemetry import metrics

from domain.ids import TenantId
from domain.knowledge.vectors import IndexKey
from persistence import database
from persistence.weaviate.failures import IndexAway, IndexFailed, IndexMissing
from persistence.weaviate.feed import Claim, ClaimLost, Entry, FeedView, Lag, SearchFeed
from persistence.weaviate.store import WeaviateStore

POLL_S = 0.3
OUTAGE_S = 0.5
LOOK_S = 5.0
"""How often tenants that are not fed yet are looked for, and the lag is measured."""
LATE_S = 60.0
"""A lag that is worth a warning."""
PAGE = 200
AT_ONCE = 4
FOUND_AT_ONCE = 32
PAUSE_S, PAUSE_MAX_S = 1.0, 60.0
WRITE_S = 60.0
"""For a page, less than a claim lasts: what was sent under a claim has arrived, or never will, before the next one."""

logger = logging.getLogger(__name__)


class Feeder:
    """`lag` is the last that was measured."""

    def __init__(self, view: FeedView, feed: SearchFeed, store: WeaviateStore) -> None:
        self._view = view
        self._feed = feed
        self._store = store
        self._looked = 0.0
        self._room = asyncio.Semaphore(AT_ONCE)
        self.lag = Lag(0, 0.0)
        meter = metrics.get_meter("fabula.workers")
        meter.create_observable_gauge(
            "fabula.search.feed.entries", [lambda _: [metrics.Observation(self.lag.entries)]],
            description="Changes of chunks that wait to be sent to Weaviate.",
        )  # fmt: skip
        meter.create_observable_gauge(
            "fabula.search.feed.age", [lambda _: [metrics.Observation(self.lag.age_s)]], unit="s",
            description="How long the oldest of them has waited.",
        )  # fmt: skip

    async def run(self, stopping: asyncio.Event) -> None:
        """Until told to stop. An outage of PostgreSQL is waited out."""
        try:
            while not stopping.is_set():
                try:
                    if time.monotonic() - self._looked >= LOOK_S:
                        await self.look()
                        self._looked = time.monotonic()
                    sent = await self.round()
                except database.OUTAGES as error:
                    logger.warning("the search feed waits: %s", error)
                    await asyncio.sleep(OUTAGE_S)
                else:
                    await asyncio.sleep(0 if sent else POLL_S)
        finally:
            await self._store.link.close()

    async def look(self) -> None:
        """Open the feeds of tenants that have none, and measure the lag."""
        for tenant_id in await self._view.unfed(FOUND_AT_ONCE):
            await self._feed.open(tenant_id)
        self.lag = await self._view.lag()
        if self.lag.age_s > LATE_S:
            logger.warning("%d changes wait for Weaviate, the oldest for %.0f s", self.lag.entries, self.lag.age_s)

    async def round(self) -> int:
        """Send a page for every tenant that has something to send. How many changes that were."""
        due = await self._view.due(FOUND_AT_ONCE)
        return sum(await asyncio.gather(*(self._in_turn(tenant_id) for tenant_id in due)))

    async def _in_turn(self, tenant_id: TenantId) -> int:
        async with self._room:
            claim = await self._feed.claim(tenant_id)
            return 0 if claim is None else await self._sent(claim)

    async def _sent(self, claim: Claim) -> int:
        """A page. Never raises but for an outage of PostgreSQL: an error is kept with the feed, and tried again."""
        try:
            count = await self.send_page(claim)
        except ClaimLost:
            logger.warning("tenant %s: another process feeds it now", claim.tenant_id)
            return 0
        except IndexFailed as error:
            logger.warning("tenant %s: not sent to Weaviate: %s", claim.tenant_id, error)
            await self._feed.release(claim, str(error), PAUSE_S, PAUSE_MAX_S)
            return 0
        except database.OUTAGES:
            raise
        except Exception as error:
            logger.exception("tenant %s: not sent to Weaviate", claim.tenant_id)
            await self._feed.release(claim, repr(error), PAUSE_S, PAUSE_MAX_S)
            return 0
        await self._feed.release(claim)
        return count

    async def send_all(self, claim: Claim) -> int:
        """Page after page until nothing waits. Raises ClaimLost and IndexFailed."""
        total = 0
        while count := await self.send_page(claim):
            total += count
        return total

    async def send_page(self, claim: Claim) -> int:
        """Raises ClaimLost and IndexFailed."""
        entries = await self._feed.page(claim, PAGE)
        if entries:
            try:
                async with asyncio.timeout(WRITE_S):
                    for index in dict.fromkeys(one.index for one in entries):
                        await self._apply(claim.tenant_id, index, [one for one in entries if one.index == index])
            except TimeoutError as error:
                raise IndexAway(f"a page took longer than {WRITE_S:.0f} s") from error
            await self._feed.done(claim, entries)
        return len(entries)

    async def _apply(self, tenant_id: TenantId, index: IndexKey, entries: Sequence[Entry]) -> None:
        rows = [one.row for one in entries if one.row is not None]
        try:
            await self._store.write(tenant_id, index, rows)
        except IndexMissing:
            # New, or lost with its server: whatever should be there is to be sent, before there is a place that looks whole.
            await self._feed.open(tenant_id, index)
            await self._store.places.make(tenant_id, index)
            await self._store.write(tenant_id, index, rows)
        await self._store.remove(tenant_id, index, [one.chunk_id for one in entries if one.row is None])
