"""What every target is played on: a PostgreSQL and a Valkey of the bench's own, tenants, authors, running jobs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import redis as blocking
from pydantic import SecretStr
from sqlalchemy import insert

from app.auth import TokenCredentials
from app.embedded import PostgresServer, ValkeyServer
from app.settings import Settings
from domain.accounts import Membership, Role, User, join_tenant
from domain.ids import JobId, TenantId, UserId, new_id
from domain.jobs import QUEUES, JobKind
from persistence.database import create_engine
from persistence.generation.tables import generations
from persistence.jobs.tables import jobs
from persistence.migrate import migrate
from persistence.projects.tables import outline_nodes, projects
from persistence.streams.log import log_key
from persistence.unit_of_work import Units
from schema.ids import encode_id

SUBSCRIPTIONS_PER_CONNECTION = 50
SECRET = "a-secret-of-the-bench-that-is-long-enough"


@dataclass(frozen=True)
class Author:
    tenant_id: TenantId
    token: str


@dataclass(frozen=True)
class Watched:
    """A running generation: its global id for the product, the key of its log for the peers."""

    generation_id: str
    key: str


@dataclass(frozen=True)
class Stage:
    """`streams[n]` belong to the tenant of `authors[n]`: as many as a connection may watch."""

    settings: Settings
    authors: list[Author]
    streams: list[list[Watched]]

    @property
    def redis_url(self) -> str:
        return self.settings.redis_url.get_secret_value()

    def begin(self, subscriptions: int) -> list[list[Watched]]:
        """That many streams by connection, their logs anew with one event each."""
        chosen: list[list[Watched]] = []
        for some in self.streams:
            if subscriptions <= 0:
                break
            chosen.append(some[:subscriptions])
            subscriptions -= len(chosen[-1])
        at = str(int(time.time() * 1000))
        first = {"t": "STARTED", "d": '{"attempt":1,"model":"bench","channel":"bench"}', "a": at}
        with blocking.Redis.from_url(self.redis_url) as client:
            client.flushdb()
            pipe = client.pipeline(transaction=False)
            for one in (one for some in chosen for one in some):
                pipe.xadd(one.key, first, id="1-0")
            pipe.execute()
        return chosen


@contextmanager
def servers(directory: Path) -> Iterator[Settings]:
    """The settings of a process of the product on servers that end with the block."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    directory.chmod(0o711)
    fast = {"fsync": "off", "synchronous_commit": "off"}
    postgres, valkey = PostgresServer(directory / "postgres", options=fast), ValkeyServer(directory / "valkey")
    try:
        postgres.start()
        valkey.start()
        yield Settings(
            database_url=SecretStr(postgres.url()),
            redis_url=SecretStr(valkey.url()),
            app_password=SecretStr("app"),
            relay_password=SecretStr("relay"),
            secret=SecretStr(SECRET),
            dev=True,
        )
    finally:
        valkey.destroy()
        postgres.destroy()


async def furnished(settings: Settings, connections: int) -> Stage:
    """A migrated database with two tenants in rotation: an author and fifty running generations a connection."""
    url = settings.database_url.get_secret_value()
    await migrate(url, app_password="app", relay_password="relay")
    engine = create_engine(settings.database_app_url.get_secret_value())
    admin = create_engine(url, pool_size=0)
    units, credentials = Units(engine), TokenCredentials(SECRET)
    tenants = [await tenant_of(units, number) for number in range(2)]
    authors, streams = [], []
    for number in range(connections):
        tenant_id = tenants[number % 2]
        authors.append(await author_of(units, credentials, tenant_id, number))
        rows = _rows(tenant_id, SUBSCRIPTIONS_PER_CONNECTION)
        async with admin.begin() as connection:
            for table, values in rows:
                await connection.execute(insert(table), values)
        streams.append([_watched(row) for row in rows[-1][1]])
    await engine.dispose()
    await admin.dispose()
    return Stage(settings, authors, streams)


def _watched(generation: dict[str, Any]) -> Watched:
    return Watched(encode_id("Generation", generation["id"]), log_key(JobId(generation["job_id"])))


async def tenant_of(units: Units, number: int) -> TenantId:
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        await join_tenant(
            uow.accounts, email=f"owner{number}@example.org", password_hash="none", display_name="Owner",
            tenant_name=f"Studio {number}", locale="en", tenant_id=tenant_id,
        )  # fmt: skip
    return tenant_id


async def author_of(units: Units, credentials: TokenCredentials, tenant_id: TenantId, number: int) -> Author:
    user = User(UserId(new_id()), f"author{number}@example.org", "Author", "none")
    async with units(tenant_id) as uow:
        await uow.accounts.add_user(user)
        await uow.accounts.add_membership(Membership(tenant_id, user.id, Role.AUTHOR))
        session, issued = credentials.new_session(user, tenant_id, datetime.now(UTC))
        await uow.accounts.add_session(session)
    return Author(tenant_id, issued.access_token)


def _rows(tenant_id: UUID, count: int) -> Sequence[tuple[Any, list[dict[str, Any]]]]:
    """A project with a chapter, and generations of it that a worker holds; in the order of their references."""
    project, chapter = new_id(), new_id()
    lease = datetime.now(UTC) + timedelta(hours=12)
    ids = [(new_id(), new_id()) for _ in range(count)]
    tenant = {"tenant_id": tenant_id}
    return (
        (projects, [tenant | {"id": project, "title": "Bench"}]),
        (outline_nodes, [tenant | {"id": chapter, "project_id": project, "kind": "CHAPTER", "title": "1",
                                   "position": "a", "path": "a"}]),
        (jobs, [tenant | {"id": job, "kind": JobKind.CHAPTER_GENERATE.value, "queue": QUEUES[JobKind.CHAPTER_GENERATE], "state": "RUNNING",
                          "attempt": 1, "lease_token": new_id(), "lease_expires_at": lease} for job, _ in ids]),
        (generations, [tenant | {"id": generation, "job_id": job, "project_id": project, "node_id": chapter,
                                 "instructions": "", "channel_id": new_id(), "channel": "bench", "model": "bench",
                                 "prompt": {}, "receipt": {}, "max_output_tokens": 1000, "target_words": 800,
                                 "state": "STREAMING"} for job, generation in ids]),
    )  # fmt: skip
