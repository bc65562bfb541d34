"""What every actor needs, built once a process by `app`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from domain.channels.entities import Channel
from domain.files.blobs import BlobStore
from domain.generation.provider import TextProvider
from domain.ids import JobId
from domain.knowledge.indexing import Indexer
from domain.knowledge.parsing import Reader
from domain.unit_of_work import OpenUnitOfWork
from persistence.channels.board import Board
from persistence.streams import OUTAGES, CancelFlags, StreamLog
from workers.drains import Drains

CANCEL_POLL_S = 0.1
INGESTIONS_MAX = 4
"""In one process: reading takes a process each, and embedding on the machine itself takes it whole."""

logger = logging.getLogger(__name__)

ProviderFor = Callable[[Channel], TextProvider]
"""Raises ProviderError when the channel cannot be used, e.g. because its secret is missing."""


class CancelWatch:
    """Asks once a tick, for all running jobs of the process, which of them are to stop."""

    def __init__(self, flags: CancelFlags) -> None:
        self._flags = flags
        self._running: dict[JobId, asyncio.Event] = {}
        self._idle = asyncio.Event()

    def add(self, job_id: JobId) -> asyncio.Event:
        """What is set when the job is to stop. A run whose lease was lost may still be leaving when the next comes."""
        self._idle.clear()
        event = self._running[job_id] = asyncio.Event()
        return event

    def remove(self, job_id: JobId, event: asyncio.Event) -> None:
        if self._running.get(job_id) is event:
            del self._running[job_id]
        if not self._running:
            self._idle.set()

    async def until_idle(self) -> None:
        if self._running:
            await self._idle.wait()

    @property
    def busy(self) -> int:
        return len(self._running)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CANCEL_POLL_S)
            with contextlib.suppress(*OUTAGES):  # the heartbeat brings the same news, later
                for job_id in await self._flags.raised(list(self._running)):
                    if (event := self._running.get(job_id)) is not None:
                        event.set()


@dataclass
class Runtime:
    worker_id: str
    lease_s: float
    units: OpenUnitOfWork
    log: StreamLog
    cancels: CancelWatch
    provider_for: ProviderFor
    board: Board
    blobs: BlobStore
    reader: Reader
    indexer: Indexer
    ingestions_max: int = INGESTIONS_MAX
    ingesting: int = field(default=0, init=False)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    drains: Drains = field(init=False)

    def __post_init__(self) -> None:
        self.drains = Drains(self.units)
