"""The relay process: outbox and sweeper."""

from __future__ import annotations

import argparse
import asyncio
import signal

from app import telemetry
from app.settings import Settings
from persistence.database import create_engine
from persistence.jobs.relay import RelayView
from persistence.streams import StreamLog, connect
from persistence.unit_of_work import Units
from workers.doorbell import DramatiqDoorbell, redis_broker
from workers.relay import Relay


def main(settings: Settings, args: argparse.Namespace) -> int:
    telemetry.configure("relay", settings)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await build_relay(settings).run(stopping)


def build_relay(settings: Settings) -> Relay:
    app_engine = create_engine(settings.database_app_url.get_secret_value(), pool_size=4, application="fabula-relay")
    relay_engine = create_engine(
        settings.database_relay_url.get_secret_value(), pool_size=2, application="fabula-relay"
    )
    return Relay(
        RelayView(relay_engine),
        Units(app_engine),
        DramatiqDoorbell(redis_broker(settings.broker_url.get_secret_value())),
        StreamLog(connect(settings.redis_url.get_secret_value())),
        tenant_concurrency=settings.tenant_concurrency,
    )
