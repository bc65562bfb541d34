"""The worker process: Dramatiq's threads ring, one event loop does the work."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import dramatiq
from dramatiq.asyncio import get_event_loop_thread

from adapters.reading.process import ChildReader
from app import telemetry
from app.channels import preload_providers, provider_factory
from app.embedders import TenantEmbedders
from app.file_services import blobs_of
from app.indexing import embedders_of, indexer_of
from app.settings import Settings
from domain.ids import JobId, TenantId
from domain.jobs import QUEUES, JobKind
from persistence.bell import FEEDS, MONEY, Bell
from persistence.channels.board import Board
from persistence.channels.store import provider_kinds
from persistence.database import OUTAGES, Database, create_engine
from persistence.jobs.workers import forget_worker, report_worker
from persistence.streams import CancelFlags, StreamLog, connect
from persistence.unit_of_work import Units
from workers import generation, reembedding
from workers.doorbell import RunJob, declare_actors, redis_broker
from workers.runtime import CancelWatch, Runtime

POLL_MS = 50
"""How often an idle worker looks for a message: half of it is added to the time to the first token."""
REPORT_S = 2.0
PAUSE_S = 0.2
HAND_BACK_S = 2.0
STOP_MS = 1_500
"""Together less than the four seconds after which a supervisor kills."""

Run = Callable[[Runtime, TenantId, JobId], Awaitable[None]]
RUNS: dict[JobKind, Run] = {
    JobKind.CHAPTER_GENERATE: generation.run_job,
    JobKind.MESSAGE_GENERATE: generation.run_job,
    JobKind.CONVERSATION_TITLE: generation.run_job,
    JobKind.CONVERSATION_SUMMARY: generation.run_job,
    JobKind.DOCUMENT_INGEST: reembedding.run_job,
    JobKind.BASE_REEMBED: reembedding.run_job,
}
"""What does which kind of work. Kinds that share a queue share a run, which tells them apart."""

logger = logging.getLogger("fabula.worker")


def main(settings: Settings, args: argparse.Namespace) -> int:
    telemetry.configure("worker", settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    broker = redis_broker(settings.broker_url.get_secret_value())
    process = WorkerProcess(settings)
    declare_actors(broker, process.runs)
    dramatiq.set_broker(broker)
    worker = dramatiq.Worker(broker, worker_threads=settings.worker_threads, worker_timeout=POLL_MS)
    worker.start()
    for thread in worker.workers:
        thread.timeout = 1.0  # the threads need not look up as often as the consumers: it costs 5 % of a core
    process.start()
    logger.info("worker is ready with %d threads", settings.worker_threads)
    stop.wait()
    _take_no_more(worker)
    process.stop()
    worker.stop(timeout=STOP_MS)
    return 0


def _take_no_more(worker: dramatiq.Worker) -> None:
    """Leave the doorbells of the jobs that are about to be handed back to another worker."""
    for consumer in worker.consumers.values():
        consumer.pause()
        consumer.paused_event.wait(PAUSE_S)
    for thread in worker.workers:
        thread.stop()


class WorkerProcess:
    """The process's event loop side: runs jobs, watches for cancels, reports that it lives."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runtime: Runtime | None = None
        self._database: Database | None = None
        self._embedders: TenantEmbedders | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        loop_thread = get_event_loop_thread()
        assert loop_thread is not None, "the AsyncIO middleware starts the loop with the worker"
        loop_thread.run_coroutine(self._start())

    def stop(self) -> None:
        loop_thread = get_event_loop_thread()
        if loop_thread is not None:
            loop_thread.run_coroutine(self._stop())

    @property
    def runs(self) -> dict[str, RunJob]:
        """What the actor of each queue does."""
        return {QUEUES[kind]: partial(self.run, run) for kind, run in RUNS.items()}

    async def run(self, run: Run, tenant_id: TenantId, job_id: JobId) -> None:
        """Never raises: what a job comes to is in its row, and a message has nothing to add to it."""
        try:
            await run(await self._ready(), tenant_id, job_id)
        except Exception:
            logger.exception("job %s was given up; its lease will expire", job_id, extra={"job": str(job_id)})

    async def _ready(self) -> Runtime:
        if self._runtime is None:
            self._runtime, self._database, self._embedders = build_runtime(self._settings)
        return self._runtime

    async def _start(self) -> None:
        runtime = await self._ready()
        self._tasks = [asyncio.create_task(runtime.cancels.run()), asyncio.create_task(self._report_forever())]
        assert self._database is not None
        kinds: list[str] = []
        with contextlib.suppress(*OUTAGES):
            kinds = await provider_kinds(self._database.engine)
        await asyncio.to_thread(preload_providers, self._settings, kinds)

    async def _stop(self) -> None:
        """Ask the running jobs to hand themselves back, and wait until they have."""
        runtime = await self._ready()
        runtime.stopping.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_BACK_S):
                await asyncio.gather(runtime.cancels.until_idle(), runtime.drains.end())
        for task in self._tasks:
            task.cancel()
        assert self._embedders is not None
        await self._embedders.aclose()
        with contextlib.suppress(*OUTAGES):
            assert self._database is not None
            await forget_worker(self._database.engine, runtime.worker_id)

    async def _report_forever(self) -> None:
        runtime = await self._ready()
        assert self._database is not None
        while True:
            with contextlib.suppress(*OUTAGES):
                await report_worker(
                    self._database.engine, runtime.worker_id, self._settings.worker_threads, runtime.cancels.busy
                )
            await asyncio.sleep(REPORT_S)


def build_runtime(settings: Settings) -> tuple[Runtime, Database, TenantEmbedders]:
    database = Database(create_engine(settings.database_app_url.get_secret_value(), application="fabula-worker"))
    redis = connect(settings.redis_url.get_secret_value())
    units = Units(database.engine, Bell(redis, MONEY).ring, Bell(redis, FEEDS).ring)
    embedders = embedders_of(settings, units)
    runtime = Runtime(
        worker_id=f"{socket.gethostname()}:{os.getpid()}",
        lease_s=settings.lease_s,
        units=units,
        log=StreamLog(redis),
        cancels=CancelWatch(CancelFlags(redis)),
        provider_for=provider_factory(settings),
        board=Board(redis),
        reader=ChildReader(),
        indexer=indexer_of(embedders, units, database.engine),
        blobs=blobs_of(settings),
        ingestions_max=settings.ingestions_max,
    )
    return runtime, database, embedders
