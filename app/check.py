"""Check that the environment names servers that answer."""

from __future__ import annotations

import argparse
import asyncio

from app.operations import readiness
from app.settings import Settings
from app.wiring import build_api


def main(settings: Settings, args: argparse.Namespace) -> int:
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    api = build_api(settings)
    try:
        checks = await readiness(api)
    finally:
        await api.close()
    for name, result in checks.items():
        print(f"{name}: {result.get('error', 'ok')}")
    return 1 if any("error" in result for result in checks.values()) else 0
