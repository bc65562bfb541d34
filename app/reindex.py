"""`reindex` makes the index of search anew from PostgreSQL, a tenant after the other; meanwhile PostgreSQL searches."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.indexing import index_of
from app.settings import Settings
from domain.ids import TenantId
from persistence.database import OUTAGES, create_engine
from persistence.weaviate.failures import IndexFailed
from persistence.weaviate.feed import Claim, ClaimLost, FeedView, SearchFeed
from persistence.weaviate.store import WeaviateStore
from workers.search_feed import Feeder

POLL_S = 0.5


@dataclass(frozen=True)
class Tools:
    """Both ends of the feed, and the way between them."""

    view: FeedView
    feed: SearchFeed
    store: WeaviateStore

    async def tenants(self, args: argparse.Namespace) -> list[TenantId]:
        """The one that was named, or all."""
        return [TenantId(args.tenant)] if args.tenant else await self.view.tenants()


def main(settings: Settings, args: argparse.Namespace) -> int:
    return run(settings, lambda tools: _rebuild(tools, args))


def run(settings: Settings, work: Callable[[Tools], Awaitable[int]]) -> int:
    """The exit code; 1 as well when a server does not answer."""
    try:
        return asyncio.run(_with_tools(settings, work))
    except (IndexFailed, ClaimLost, *OUTAGES) as error:
        print(f"fabula: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


async def _with_tools(settings: Settings, work: Callable[[Tools], Awaitable[int]]) -> int:
    app = create_engine(settings.database_app_url.get_secret_value(), pool_size=0, application="fabula-index")
    relay = create_engine(settings.database_relay_url.get_secret_value(), pool_size=0, application="fabula-index")
    store = index_of(settings)
    assert store is not None, "the command line has asked for WEAVIATE_URL"
    try:
        return await work(Tools(FeedView(relay), SearchFeed(app), store))
    finally:
        await store.link.close()
        await app.dispose()
        await relay.dispose()


async def _rebuild(tools: Tools, args: argparse.Namespace) -> int:
    tenants = await tools.tenants(args)
    total = 0
    for tenant_id in tenants:
        total += (sent := await _rebuild_tenant(tools, tenant_id))
        print(f"tenant {tenant_id}: {sent} chunks")
    print(f"{total} chunks of {len(tenants)} tenants")
    return 0


async def _rebuild_tenant(tools: Tools, tenant_id: TenantId) -> int:
    """All is noted before anything is dropped, so that whoever is killed in between leaves it to be sent."""
    await tools.feed.open(tenant_id)
    claim = await _claimed(tools.feed, tenant_id)
    await tools.feed.open(tenant_id)
    await tools.store.places.drop(tenant_id)
    for index in await tools.feed.indexes(tenant_id):
        await tools.store.places.make(tenant_id, index)
    sent = await Feeder(tools.view, tools.feed, tools.store).send_all(claim)
    await tools.feed.release(claim)
    return sent


async def _claimed(feed: SearchFeed, tenant_id: TenantId) -> Claim:
    """Waits for a relay that feeds the tenant."""
    while True:
        claim = await feed.claim(tenant_id, now=True)
        if claim is not None:
            return claim
        await asyncio.sleep(POLL_S)
