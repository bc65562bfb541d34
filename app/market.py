"""`market reports|withdraw|allow`: what people report of published assistants, and taking one off the market.

Works as the migrator's role: DATABASE_URL, or the server that `up` has started in the data directory.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from sqlalchemy.ext.asyncio import AsyncEngine

from app.explain import server_url
from app.settings import Settings
from domain.ids import AssistantId
from persistence.assistants import moderation
from persistence.database import OUTAGES, create_engine

REPORTS_MAX = 200


def main(settings: Settings, args: argparse.Namespace) -> int:
    url = server_url(settings)
    if not url:
        print(f"fabula: market needs DATABASE_URL, or a running `up` in {settings.data_dir}", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(url, args))
    except OUTAGES as error:
        print(f"fabula: {error}", file=sys.stderr)
        return 1


async def _run(url: str, args: argparse.Namespace) -> int:
    engine = create_engine(url, pool_size=0, application="fabula-market")
    try:
        return await (_reports(engine) if args.action == "reports" else _withdraw(engine, args))
    finally:
        await engine.dispose()


async def _reports(engine: AsyncEngine) -> int:
    """The newest first, one a line: what people have written keeps to its line."""
    for one in await moderation.reports(engine, REPORTS_MAX):
        words = " ".join(one.words.split())
        print(
            f"{one.created_at:%Y-%m-%d %H:%M} {one.reason} {one.assistant_id} {one.name!r} "
            f"of tenant {one.publisher_id}, by user {one.user_id}: {words}"
        )
    return 0


async def _withdraw(engine: AsyncEngine, args: argparse.Namespace) -> int:
    removed = args.action == "withdraw"
    if not await moderation.withdraw(engine, AssistantId(args.assistant), removed=removed):
        print(f"fabula: no assistant {args.assistant} was ever published", file=sys.stderr)
        return 1
    print(f"{args.assistant} {'is off the market' if removed else 'may be published again'}")
    return 0
