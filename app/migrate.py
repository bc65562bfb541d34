"""Bring the database up to date, its channels in line with the environment, its documents with the schema."""

from __future__ import annotations

import argparse
import asyncio
import sys

from app import documents
from app.channels import channels_of
from app.manifest import ManifestError
from app.settings import Settings
from persistence.channels.sync import sync_channels
from persistence.database import create_engine
from persistence.migrate import migrate


def main(settings: Settings, args: argparse.Namespace) -> int:
    try:
        return asyncio.run(_run(settings))
    except ManifestError as error:
        print(f"fabula: {error}", file=sys.stderr)
        return 1


async def _run(settings: Settings) -> int:
    """The exit code: 1 when the new schema breaks a trusted document."""
    url = settings.database_url.get_secret_value()
    await migrate(
        url,
        app_password=settings.app_password.get_secret_value(),
        relay_password=settings.relay_password.get_secret_value(),
    )
    engine = create_engine(url, pool_size=0, application="fabula-migrate")
    try:
        await sync_channels(engine, await channels_of(settings))
        return await documents.check(engine, settings)
    finally:
        await engine.dispose()
