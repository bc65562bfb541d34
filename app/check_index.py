"""`check-index` compares the index of search with PostgreSQL; exit code 1 when they differ."""

from __future__ import annotations

import argparse
from collections import Counter

from app.reindex import Tools, run
from app.settings import Settings
from persistence.weaviate.comparing import differences


def main(settings: Settings, args: argparse.Namespace) -> int:
    return run(settings, lambda tools: _compare(tools, args))


async def _compare(tools: Tools, args: argparse.Namespace) -> int:
    """Each difference on a line of its own; what waits to be sent is counted, and is none."""
    faults: Counter[str] = Counter()
    waiting = 0
    tenants = await tools.tenants(args)
    for tenant_id in tenants:
        for one in await differences(tools.feed, tools.store, tenant_id):
            faults[one.fault] += 1
            print(f"{one.fault}: chunk {one.chunk_id} of tenant {tenant_id}, {one.index.model}/{one.index.dimensions}")
        waiting += len(await tools.feed.waiting(tenant_id))
    told = ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items())) or "no difference"
    print(f"{len(tenants)} tenants: {told}; {waiting} changes wait to be sent")
    return 1 if faults else 0
