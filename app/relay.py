"""The relay process: outbox, sweeper, mail, webhooks, schedules."""

from __future__ import annotations

import argparse
import asyncio
import signal
from functools import partial
from typing import Protocol

from adapters.mail import mailer_for
from adapters.webhooks import HttpCaller
from app import telemetry
from app.settings import Settings
from persistence.database import create_engine
from persistence.jobs.relay import RelayView
from persistence.operations.housekeeping import KEPT, Housekeeping
from persistence.operations.relay import OperationsView
from persistence.operations.schedules import Schedules
from persistence.streams import StreamLog, connect
from persistence.unit_of_work import Units
from workers.doorbell import DramatiqDoorbell, redis_broker
from workers.jobs import Clock, Duty
from workers.operations import Courier, mail_delivery, webhook_delivery
from workers.relay import Relay


def main(settings: Settings, args: argparse.Namespace) -> int:
    telemetry.configure("relay", settings)
    asyncio.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with asyncio.TaskGroup() as group:
        for part in build_parts(settings):
            group.create_task(part.run(stopping))


class Part(Protocol):
    async def run(self, stopping: asyncio.Event) -> None: ...


def build_parts(settings: Settings) -> list[Part]:
    """What runs in this process, each for itself."""
    app_engine = create_engine(settings.database_app_url.get_secret_value(), pool_size=8, application="fabula-relay")
    relay_engine = create_engine(
        settings.database_relay_url.get_secret_value(), pool_size=6, application="fabula-relay"
    )
    units, view = Units(app_engine), OperationsView(relay_engine)
    mailer = mailer_for(settings.smtp_url.get_secret_value(), settings.mail_from)
    relay = Relay(
        RelayView(relay_engine),
        units,
        DramatiqDoorbell(redis_broker(settings.broker_url.get_secret_value())),
        StreamLog(connect(settings.redis_url.get_secret_value())),
        tenant_concurrency=settings.tenant_concurrency,
    )
    return [
        relay,
        Courier(view.due_mails, mail_delivery(units, mailer)),
        Clock(Schedules(relay_engine), duties(Housekeeping(relay_engine, app_engine))),
        Courier(view.due_deliveries, webhook_delivery(units, HttpCaller(any_address=settings.dev))),
    ]


def duties(housekeeping: Housekeeping) -> dict[str, Duty]:
    """What runs by the clock, by the names of its schedules."""
    return {
        f"{kept.table}.forget": Duty(f"{17 + n} * * * *", partial(housekeeping.forget, kept))
        for n, kept in enumerate(KEPT)
    }
