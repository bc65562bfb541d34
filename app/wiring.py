"""The API process's parts: ports meet their implementations here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.auth import Argon2Passwords, Authenticator, TokenCredentials
from app.settings import Settings
from persistence.bucket import Buckets, Budget
from persistence.database import Database, create_engine
from persistence.streams import OUTAGES, CancelFlags, Hub, connect
from persistence.unit_of_work import Units
from resolvers.event_source import EventSource
from resolvers.services import Services
from workers.doorbell import DramatiqDoorbell, redis_broker

BUCKET_ANSWER_S = 0.25
"""Longer no operation waits for Redis to grant its cost."""
SIGN_INS_MAX = 60
SIGN_IN_WINDOW_S = 300


@dataclass
class Api:
    """What the API process holds open."""

    services: Services
    authenticator: Authenticator
    hub: Hub
    redis: Any
    database: Database
    buckets: Buckets

    async def close(self) -> None:
        await self.buckets.stop()
        await self.hub.stop()
        await self.redis.aclose()
        await self.database.close()


class SignInLimit:
    """So many tries a name in five minutes. Counts in Redis; while that is away, nobody is kept out."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis

    async def __call__(self, name: str) -> bool:
        key = f"sign-in:{name}"
        try:
            count = int(await self._redis.incr(key))
            if count == 1:
                await self._redis.expire(key, SIGN_IN_WINDOW_S)
        except OUTAGES:
            return True
        return count <= SIGN_INS_MAX


def build_api(settings: Settings) -> Api:
    database = Database(create_engine(settings.database_app_url.get_secret_value(), application="fabula-api"))
    redis = connect(settings.redis_url.get_secret_value())
    hub = Hub(settings.redis_url.get_secret_value())
    credentials = TokenCredentials(settings.secret.get_secret_value())
    authenticator = Authenticator(database, credentials)
    services = Services(
        database=database,
        units=Units(database.engine),
        events=EventSource(database, hub, authenticator.still_valid),
        cancels=CancelFlags(redis),
        doorbell=DramatiqDoorbell(redis_broker(settings.broker_url.get_secret_value())),
        credentials=credentials,
        passwords=Argon2Passwords(),
        may_sign_in=SignInLimit(redis),
        forget_standing=authenticator.forget,
        tenant_concurrency=settings.tenant_concurrency,
        starting_credit_micros=settings.starting_credit_micros,
    )
    limits = settings.limits
    buckets = Buckets(
        connect(settings.redis_url.get_secret_value(), answer_s=BUCKET_ANSWER_S),
        Budget(limits.cost_bucket_max, limits.cost_restored_per_s),
    )
    return Api(services, authenticator, hub, redis, database, buckets)
