"""The API process's parts: ports meet their implementations here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from graphql import GraphQLSchema

from adapters.key_vault import WebhookVault
from app.auth import Argon2Passwords, Authenticator, TokenCredentials
from app.channel_services import channel_services
from app.file_services import blobs_of, desk_of, links_of
from app.graphql.cost import Costs
from app.graphql.documents import Documents
from app.graphql.engine import Engine
from app.graphql.explain import Explainer, Planning
from app.graphql.gate import Gate
from app.graphql.measure import Measures
from app.graphql.sqlplan import SqlPlans
from app.graphql.trusted import Registry
from app.graphql.usage import UseCounter, Write
from app.indexing import index_of, retriever_of
from app.invoice_files import SignedInvoiceFiles
from app.manifest import first_party_documents
from app.origins import AppOrigins
from app.payments import payments_of
from app.settings import Settings
from domain.ids import TenantId
from domain.plans.collecting import PaymentCollector
from domain.plans.entitlements import EVERYTHING, NOTHING, Gatekeeper
from persistence.bell import FEEDS, MONEY, Bell
from persistence.bucket import Buckets, Budget
from persistence.database import Database, create_engine
from persistence.integrations.usage import Use, write_uses
from persistence.streams import OUTAGES, CancelFlags, Hub, connect
from persistence.unit_of_work import Units
from persistence.weaviate.store import WeaviateStore
from resolvers.event_source import EventSource
from resolvers.reads import LOOKUPS
from resolvers.root import build_schema
from resolvers.services import Services
from workers.doorbell import DramatiqDoorbell, redis_broker

BUCKET_ANSWER_S = 0.25
"""Longer no operation waits for Redis to grant its cost."""
SIGN_INS_MAX = 60
CODES_MAX = 20
ATTEMPTS_WINDOW_S = 300


@dataclass
class Api:
    """What the API process holds open."""

    services: Services
    authenticator: Authenticator
    hub: Hub
    redis: Any
    database: Database
    buckets: Buckets
    schema: GraphQLSchema
    documents: Registry
    gate: Gate
    uses: UseCounter
    origins: AppOrigins
    search_index: WeaviateStore | None

    async def close(self) -> None:
        if self.search_index is not None:
            await self.search_index.link.close()
        await self.uses.stop()
        await self.buckets.stop()
        await self.hub.stop()
        await self.redis.aclose()
        await self.database.close()


class AttemptLimit:
    """So many tries a name in five minutes. Counts in Redis; while that is away, nobody is kept out."""

    def __init__(self, redis: Any, what: str, most: int) -> None:
        self._redis = redis
        self._what = what
        self._most = most

    async def __call__(self, name: str) -> bool:
        key = f"{self._what}:{name}"
        try:
            count = int(await self._redis.incr(key))
            if count == 1:
                await self._redis.expire(key, ATTEMPTS_WINDOW_S)
        except OUTAGES:
            return True
        return count <= self._most


def build_api(settings: Settings) -> Api:
    database = Database(create_engine(settings.database_app_url.get_secret_value(), application="fabula-api"))
    redis = connect(settings.redis_url.get_secret_value())
    bell, feed_bell = Bell(redis, MONEY), Bell(redis, FEEDS)
    hub = Hub(settings.redis_url.get_secret_value(), mailbox_max=settings.limits.subscription_queue_max)
    credentials = TokenCredentials(settings.secret.get_secret_value())
    authenticator = Authenticator(database, credentials)
    schema = build_schema()._schema
    documents = Documents(schema, settings.limits)
    measures = Measures(schema, documents)
    uses = UseCounter(schema, _writer(database))
    registry = Registry(
        documents, measures, database, authenticator.terms_of, uses, first_party_documents(settings),
        settings.first_party_mode,
    )  # fmt: skip
    origins = AppOrigins(database)
    limits = settings.limits
    buckets = Buckets(
        connect(settings.redis_url.get_secret_value(), answer_s=BUCKET_ANSWER_S),
        Budget(limits.cost_bucket_max, limits.cost_restored_per_s),
    )
    costs = Costs(schema)
    plans = SqlPlans(schema, costs, LOOKUPS) if settings.sql_plans else None
    engine = Engine(schema, limits, compiled=settings.compiled_execution, plans=plans)
    gate = Gate(costs, engine, limits, buckets, settings.introspection)
    planning = Planning(schema, costs, plans, compiled=settings.compiled_execution)

    def forget_documents() -> None:
        registry.forget()
        origins.forget()

    units = Units(database.engine, bell.ring, feed_bell.ring)
    payments = payments_of(settings, units)
    blobs, index = blobs_of(settings), index_of(settings)
    services = Services(
        database=database,
        units=units,
        events=EventSource(database, hub, authenticator.still_valid),
        cancels=CancelFlags(redis),
        doorbell=DramatiqDoorbell(redis_broker(settings.broker_url.get_secret_value())),
        credentials=credentials,
        passwords=Argon2Passwords(),
        may_sign_in=AttemptLimit(redis, "sign-in", SIGN_INS_MAX),
        forget_standing=authenticator.forget,
        forget_documents=forget_documents,
        measure=measures,
        explain=Explainer(planning, registry, gate, database),
        bell=bell,
        feed_bell=feed_bell,
        payments=payments,
        fees=PaymentCollector(units, payments, settings.invoice_terms),
        may_redeem=AttemptLimit(redis, "coupon", CODES_MAX),
        gatekeeper=Gatekeeper(EVERYTHING if settings.entitlements == "open" else NOTHING),
        webhook_secrets=WebhookVault(settings.master_keys),
        retriever=retriever_of(settings, units, database, index),
        channels=channel_services(settings, redis),
        invoice_files=SignedInvoiceFiles(units, settings.secret.get_secret_value(), settings.invoice_font),
        blobs=blobs,
        files=desk_of(settings, units, blobs),
        file_links=links_of(settings, blobs),
        tenant_concurrency=settings.tenant_concurrency,
        tenant_ingestions=settings.tenant_ingestions,
        starting_credit_micros=settings.starting_credit_micros,
        any_webhook_address=settings.dev,
    )
    return Api(services, authenticator, hub, redis, database, buckets, schema, registry, gate, uses, origins, index)


def _writer(database: Database) -> Write:
    async def write(tenant_id: TenantId, uses: Mapping[Use, int], at: datetime) -> None:
        await write_uses(database, tenant_id, uses, at)

    return write
