"""Bring the database up to date, and its channels in line with the environment."""

from __future__ import annotations

import argparse
import asyncio

from app.channels import channels_of
from app.settings import Settings
from persistence.database import create_engine
from persistence.generation.channels import sync_channels
from persistence.migrate import migrate


def main(settings: Settings, args: argparse.Namespace) -> int:
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    url = settings.database_url.get_secret_value()
    await migrate(
        url,
        app_password=settings.app_password.get_secret_value(),
        relay_password=settings.relay_password.get_secret_value(),
    )
    engine = create_engine(url, pool_size=0, application="fabula-migrate")
    try:
        await sync_channels(engine, await channels_of(settings))
    finally:
        await engine.dispose()
