"""The relay process: outbox and sweeper."""

from __future__ import annotations

import argparse
import asyncio
import signal

from app import telemetry
from app.settings import Settings
from app.wiring import build_relay


def main(settings: Settings, args: argparse.Namespace) -> int:
    telemetry.configure("relay", log_level=settings.log_level, otlp=settings.otlp)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await build_relay(settings).run(stopping)
