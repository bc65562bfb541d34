"""A tenant whose chunks are on their way to Weaviate."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from persistence.database import Database
from persistence.weaviate.comparing import Difference, differences
from persistence.weaviate.feed import Claim, SearchFeed
from persistence.weaviate.store import WeaviateStore
from tests.fakes.weaviate_server import FakeWeaviate
from tests.persistence.vector_store_suite import Shelf
from workers.search_feed import Feeder


@dataclass
class Bench:
    """A tenant whose chunks are in PostgreSQL, and the way from there to a server."""

    shelf: Shelf
    fake: FakeWeaviate
    feed: SearchFeed
    feeder: Feeder
    store: WeaviateStore
    admin: Database

    async def claim(self) -> Claim:
        claim = await self.feed.claim(self.shelf.tenant_id, now=True)
        assert claim is not None
        return claim

    async def send(self) -> int:
        """All that waits."""
        claim = await self.claim()
        count = await self.feeder.send_all(claim)
        await self.feed.release(claim)
        return count

    async def wrong(self) -> list[Difference]:
        return await differences(self.feed, self.store, self.shelf.tenant_id)

    async def waiting(self) -> int:
        return len(await self.feed.waiting(self.shelf.tenant_id))

    async def lapse(self) -> None:
        """The claim is as old as that of a process that hangs."""
        async with self.admin.engine.begin() as connection:
            await connection.execute(text("update app.search_feeds set claimed_until = now() - interval '1 s'"))

    async def sql(self, statement: str, **values: object) -> None:
        async with self.admin.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def pause(self) -> tuple[int, float, str | None]:
        """How often the tenant was tried in vain, how long it waits for the next time, and why."""
        asked = (
            "select tries, extract(epoch from next_try_at - now())::float8 as pause_s, last_error"
            " from app.search_feeds where tenant_id = :tenant"
        )
        [row] = await self.admin.platform_rows(text(asked).bindparams(tenant=self.shelf.tenant_id))
        return row.tries, row.pause_s, row.last_error

    @property
    def enabled(self) -> dict[str, bool]:
        return {uid: one.properties["enabled"] for uid, one in self.fake.stored(self.shelf.tenant_id).items()}
