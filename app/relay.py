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
from domain.billing.service import expire_grants, forget_usage
from domain.unit_of_work import OpenUnitOfWork
from persistence.database import create_engine
from persistence.jobs.relay import RelayView
from persistence.operations.due import DueTenants
from persistence.operations.housekeeping import KEPT, Housekeeping
from persistence.operations.relay import OperationsView
from persistence.operations.schedules import Schedules
from persistence.streams import StreamLog, connect
from persistence.unit_of_work import Units
from workers.doorbell import DramatiqDoorbell, redis_broker
from workers.jobs import Clock, Duty
from workers.operations import CALLS_AT_ONCE_MAX, MAILS_AT_ONCE_MAX, Courier, mail_delivery, webhook_delivery
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
    app_url = settings.database_app_url.get_secret_value()
    app_engine = create_engine(app_url, pool_size=4, application="fabula-relay")
    post_engine = create_engine(app_url, pool_size=8, application="fabula-relay")  # so that jobs wait for no mail
    relay_engine = create_engine(
        settings.database_relay_url.get_secret_value(), pool_size=6, application="fabula-relay"
    )
    view, post = OperationsView(relay_engine), Units(post_engine)
    mailer = mailer_for(settings.smtp_url.get_secret_value(), settings.mail_from)
    caller = HttpCaller(any_address=settings.dev)
    relay = Relay(
        RelayView(relay_engine),
        Units(app_engine),
        DramatiqDoorbell(redis_broker(settings.broker_url.get_secret_value())),
        StreamLog(connect(settings.redis_url.get_secret_value())),
        tenant_concurrency=settings.tenant_concurrency,
    )
    return [
        relay,
        Courier(view.due_mails, mail_delivery(post, mailer), at_once_max=MAILS_AT_ONCE_MAX),
        Clock(
            Schedules(relay_engine),
            duties(Housekeeping(relay_engine, post_engine))
            | money_duties(DueTenants(relay_engine), post, settings.usage_days),
        ),
        Courier(view.due_deliveries, webhook_delivery(post, caller), at_once_max=CALLS_AT_ONCE_MAX),
    ]


def money_duties(due: DueTenants, units: OpenUnitOfWork, usage_days: int) -> dict[str, Duty]:
    """What expires, and what is forgotten of the money room."""

    async def expire() -> int:
        total = 0
        for tenant_id in await due.with_expired_grants():
            async with units(tenant_id) as uow:
                total += await expire_grants(uow, uow.now)
        return total

    async def forget() -> int:
        total = 0
        for tenant_id in await due.with_old_usage(usage_days):
            async with units(tenant_id) as uow:
                total += await forget_usage(uow, usage_days)
        return total

    return {"grants.expire": Duty("7 * * * *", expire), "usage.forget": Duty("47 3 * * *", forget)}


def duties(housekeeping: Housekeeping) -> dict[str, Duty]:
    """What runs by the clock, by the names of its schedules."""
    return {
        f"{kept.table}.forget": Duty(f"{17 + n} * * * *", partial(housekeeping.forget, kept))
        for n, kept in enumerate(KEPT)
    }
