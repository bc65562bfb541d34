"""The relay process: outbox, sweeper, mail, webhooks, the index of search, schedules."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from adapters.key_vault import WebhookVault
from adapters.mail import mailer_for
from adapters.webhooks import HttpCaller
from app import telemetry
from app.file_services import blobs_of, desk_of
from app.indexing import index_of
from app.payments import payment_duties, payments_of
from app.settings import Settings
from domain.billing.alerts import expire_and_tell
from domain.billing.service import FORGOTTEN_AT_ONCE, forget_usage
from domain.conversations.deleting import PURGED_AFTER, PURGED_AT_ONCE, purge
from domain.files.blobs import BlobStore
from domain.files.desk import ORPHANS_KEPT, UPLOADS_KEPT, FileDesk
from domain.ids import TenantId
from domain.invoices import InvoiceTerms
from domain.invoices.dunning import EARLIEST, remind
from domain.invoices.monthly import bill_month, last_month
from domain.knowledge.documents import forget_deleted
from domain.operations import audit
from domain.plans.collecting import PaymentCollector
from domain.plans.fees import FeeCollector
from domain.plans.renewals import renew
from domain.unit_of_work import OpenUnitOfWork
from persistence.bell import FEEDS, MONEY, Bell
from persistence.database import create_engine
from persistence.jobs.relay import RelayView
from persistence.operations.due import DueTenants
from persistence.operations.housekeeping import KEPT, Housekeeping, Kept
from persistence.operations.relay import OperationsView
from persistence.operations.schedules import Schedules
from persistence.payments.due import DuePayments
from persistence.streams import StreamLog, connect
from persistence.unit_of_work import Units
from persistence.weaviate.feed import FeedView, SearchFeed
from workers.doorbell import DramatiqDoorbell, redis_broker
from workers.jobs import Clock, Duty, in_batches, in_each, in_lanes
from workers.operations import CALLS_AT_ONCE_MAX, MAILS_AT_ONCE_MAX, Courier, mail_delivery, webhook_delivery
from workers.relay import Relay
from workers.search_feed import Feeder

logger = logging.getLogger(__name__)


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
    redis = connect(settings.redis_url.get_secret_value())
    rings = Bell(redis, MONEY).ring, Bell(redis, FEEDS).ring
    view, post = OperationsView(relay_engine), Units(post_engine, *rings)
    mailer = mailer_for(settings.smtp_url.get_secret_value(), settings.mail_from)
    caller = HttpCaller(any_address=settings.dev)
    relay = Relay(
        RelayView(relay_engine),
        Units(app_engine, *rings),
        DramatiqDoorbell(redis_broker(settings.broker_url.get_secret_value())),
        StreamLog(redis),
        tenant_concurrency=settings.tenant_concurrency,
        tenant_ingestions=settings.tenant_ingestions,
    )
    feeders: list[Part] = []
    if (index := index_of(settings)) is not None:
        feeders.append(Feeder(FeedView(relay_engine), SearchFeed(post_engine), index))
    payments, blobs = payments_of(settings, post), blobs_of(settings)
    fees = PaymentCollector(post, payments, settings.invoice_terms)
    return [
        relay,
        Courier(view.due_mails, mail_delivery(post, mailer), at_once_max=MAILS_AT_ONCE_MAX),
        Clock(
            Schedules(relay_engine),
            duties(Housekeeping(relay_engine, post_engine))
            | money_duties(DueTenants(relay_engine), post, settings.usage_days)
            | plan_duties(DueTenants(relay_engine), post, fees)
            | invoice_duties(DueTenants(relay_engine), post, settings.invoice_terms)
            | payment_duties(DuePayments(relay_engine, post_engine), payments)
            | file_duties(DueTenants(relay_engine), desk_of(settings, post, blobs), blobs)
            | knowledge_duties(DueTenants(relay_engine), post)
            | conversation_duties(DueTenants(relay_engine), post)
            | audit_duties(DueTenants(relay_engine), post, settings.audit_days),
        ),
        Courier(
            view.due_deliveries,
            webhook_delivery(post, caller, WebhookVault(settings.master_keys)),
            at_once_max=CALLS_AT_ONCE_MAX,
        ),
        *feeders,
    ]


def money_duties(due: DueTenants, units: OpenUnitOfWork, usage_days: int) -> dict[str, Duty]:
    """What expires, and what is forgotten of the money room."""

    async def expire(tenant_id: TenantId) -> int:
        async with units(tenant_id) as uow:
            return await expire_and_tell(uow)

    async def forget(tenant_id: TenantId) -> int:
        async def some() -> int:
            async with units(tenant_id) as uow:
                return await forget_usage(uow, usage_days)

        return await in_batches(some, FORGOTTEN_AT_ONCE)

    async def expire_all() -> int:
        return await in_each(await due.with_expired_grants(), expire)

    async def forget_all() -> int:
        return await in_each(await due.with_old_usage(usage_days), forget)

    return {"grants.expire": Duty("7 * * * *", expire_all), "usage.forget": Duty("47 3 * * *", forget_all)}


def plan_duties(due: DueTenants, units: OpenUnitOfWork, fees: FeeCollector) -> dict[str, Duty]:
    """Subscriptions whose period has ended, or whose payment nobody heard of again. One that fails stops no other."""

    async def renew_one(tenant_id: TenantId) -> int:
        async with units(tenant_id) as uow:
            invoice_id = await renew(uow, fees.terms)
        if invoice_id is not None:
            await fees.pay(tenant_id, invoice_id)
        return 1

    async def run() -> int:
        return await in_lanes(await due.with_due_subscriptions(), renew_one)

    return {"subscriptions.renew": Duty("*/5 * * * *", run)}


def invoice_duties(due: DueTenants, units: OpenUnitOfWork, terms: InvoiceTerms) -> dict[str, Duty]:
    """Invoices of the month that has ended, and reminders of those that are not paid."""

    async def bill(tenant_id: TenantId) -> int:
        async with units(tenant_id) as uow:
            return await bill_month(uow, last_month(uow.now), terms) is not None

    async def bill_all() -> int:
        month = last_month(datetime.now(UTC))
        return await in_each(await due.without_invoice(month), bill)

    async def remind_one(tenant_id: TenantId) -> int:
        async with units(tenant_id) as uow:
            return await remind(uow)

    async def remind_all() -> int:
        return await in_each(await due.with_unpaid_invoices(-EARLIEST), remind_one)

    return {"invoices.issue": Duty("20 0 * * *", bill_all), "invoices.remind": Duty("37 * * * *", remind_all)}


def conversation_duties(due: DueTenants, units: OpenUnitOfWork) -> dict[str, Duty]:
    """Which conversations are taken away for good."""

    async def forget(tenant_id: TenantId) -> int:
        async def some() -> int:
            async with units(tenant_id) as uow:
                return await purge(uow)

        return await in_batches(some, PURGED_AT_ONCE)

    async def forget_all() -> int:
        return await in_each(await due.with_conversations_to_purge(PURGED_AFTER), forget)

    return {"conversations.forget": Duty("37 3 * * *", forget_all)}


def audit_duties(due: DueTenants, units: OpenUnitOfWork, audit_days: int) -> dict[str, Duty]:
    """What is forgotten of the audit log."""

    async def forget(tenant_id: TenantId) -> int:
        async def some() -> int:
            async with units(tenant_id) as uow:
                return await audit.forget(uow, audit_days)

        return await in_batches(some, audit.FORGOTTEN_AT_ONCE)

    async def forget_all() -> int:
        return await in_each(await due.with_old_audit(audit_days), forget)

    return {"audit_entries.forget": Duty("27 3 * * *", forget_all)}


def file_duties(due: DueTenants, desk: FileDesk, blobs: BlobStore) -> dict[str, Duty]:
    """Uploads that nobody completed, bytes that no file holds, and what killed writers left."""

    async def sweep(tenant_id: TenantId) -> int:
        return await in_batches(partial(desk.sweep, tenant_id), 1)

    async def sweep_all() -> int:
        tidied = await blobs.tidy(UPLOADS_KEPT)
        return tidied + await in_each(await due.with_left_files(UPLOADS_KEPT, ORPHANS_KEPT), sweep)

    return {"files.sweep": Duty("*/10 * * * *", sweep_all)}


def knowledge_duties(due: DueTenants, units: OpenUnitOfWork) -> dict[str, Duty]:
    """Chunks and texts of deleted documents."""

    async def forget(tenant_id: TenantId) -> int:
        async def some() -> int:
            async with units(tenant_id) as uow:
                return await forget_deleted(uow)

        return await in_batches(some, 1)

    async def forget_all() -> int:
        return await in_each(await due.with_deleted_documents(), forget)

    return {"documents.forget": Duty("* * * * *", forget_all)}


def duties(housekeeping: Housekeeping) -> dict[str, Duty]:
    """What runs by the clock, by the names of its schedules."""

    async def forget(kept: Kept) -> int:
        return await in_each(await housekeeping.tenants(kept), partial(housekeeping.forget, kept))

    return {f"{kept.table}.forget": Duty(f"{17 + n} * * * *", partial(forget, kept)) for n, kept in enumerate(KEPT)}
