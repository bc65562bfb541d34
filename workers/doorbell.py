"""Dramatiq as a doorbell: a message says "this job waits", and losing or repeating it does no harm.

Retries, delays, limits and cancelling belong to PostgreSQL, so none of Dramatiq's middleware for them is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO

from domain.ids import JobId, TenantId
from domain.jobs import QUEUES

HEARTBEAT_MS = 10_000
MAINTENANCE_CHANCE = 20_000
"""In a million: an idle worker fetches twenty times a second, so a dead worker's messages come back within seconds."""

RunJob = Callable[[TenantId, JobId], Awaitable[None]]


def redis_broker(url: str) -> RedisBroker:
    """The broker needs a Redis database of its own: its maintenance lists all keys."""
    return RedisBroker(  # type: ignore[no-untyped-call]
        url=url,
        namespace="fabula",
        middleware=[AsyncIO()],
        heartbeat_timeout=HEARTBEAT_MS,
        maintenance_chance=MAINTENANCE_CHANCE,
        socket_timeout=5.0,
        socket_connect_timeout=2.0,
    )


def declare_actors(broker: dramatiq.Broker, run: Mapping[str, RunJob]) -> None:
    """One actor a queue; its `run` claims the job or finds that somebody else has."""
    for queue, runs in run.items():
        dramatiq.actor(actor_name=f"{queue}.run", queue_name=queue, broker=broker)(_actor(runs))


def _actor(run: RunJob) -> Callable[[str, str], Awaitable[None]]:
    async def run_job(tenant_id: str, job_id: str) -> None:
        await run(TenantId(UUID(tenant_id)), JobId(UUID(job_id)))

    return run_job


class DramatiqDoorbell:
    """Implements `domain.jobs.Doorbell`. Raises what the broker raises when it cannot be reached."""

    def __init__(self, broker: dramatiq.Broker) -> None:
        self._broker = broker
        for queue in set(QUEUES.values()):
            broker.declare_queue(queue)

    async def ring(self, queue: str, tenant_id: TenantId, job_id: JobId) -> None:
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=queue,
            actor_name=f"{queue}.run",
            args=(str(tenant_id), str(job_id)),
            kwargs={},
            options={},
        )
        await asyncio.to_thread(self._broker.enqueue, message)
