"""One subscriber's way along one stream."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from domain.accounts import Actor
from domain.errors import ErrorCode
from domain.events import Event, EventType
from domain.ids import JobId
from persistence.streams import OUTAGES, Batch, Watch, entry_of

if TYPE_CHECKING:
    from resolvers.event_source.source import EventSource

OUTAGE_PAUSE_S = 0.2


class Follow:
    """Events until the terminal one, or until the right to watch ends. For one reader; close it."""

    def __init__(self, source: EventSource, actor: Actor, job_id: JobId, watch: Watch) -> None:
        self.actor = actor
        self.job_id = job_id
        self.asked_at = float("-inf")
        """When PostgreSQL was last asked whether the job has ended."""
        self._source = source
        self._watch = watch
        self._looked = self._ended = self._revoked = self._done = False
        self._began: datetime | None = None

    @property
    def silent_since(self) -> float:
        return max(self._watch.heard_at, self.asked_at)

    def look_up_end(self) -> None:
        """The job has ended, and the stream did not say so."""
        self._ended = True
        self._watch.nudge()

    def revoke(self) -> None:
        """The right to watch has ended."""
        self._revoked = True
        self._watch.nudge()

    async def take(self) -> Batch:
        """Everything that is new; empty once, at the end.

        Reconnecting readers get what they missed from the log, or from PostgreSQL when the log is gone: a snapshot
        of the text and the end.
        """
        if self._done:
            return Batch(self.job_id)
        if not self._looked:  # the first look comes at once: the job may have ended long ago
            self._looked, self.asked_at = True, asyncio.get_running_loop().time()
            self._ended = await self._source.has_ended(self.actor.tenant_id, self.job_id)
        while True:
            if self._revoked:
                self._done = True
                return Batch(self.job_id, [entry_of(self._revocation())])
            if self._ended:
                self._ended = False
                rest = await self._source.ended(self.actor.tenant_id, self.job_id, self._watch.position)
                if rest is not None:
                    self._done = True
                    return Batch(self.job_id, [entry_of(event) for event in rest])
            try:
                batch = await self._watch.take()
            except OUTAGES:
                await asyncio.sleep(OUTAGE_PAUSE_S)
                continue
            if batch.entries:
                self._done = batch.terminal
                self._began = self._source.measure(batch, self._began)
                return batch

    def close(self) -> None:
        self._source.forget(self)
        self._watch.close()

    def _revocation(self) -> Event:
        at = self._watch.position
        data = {"code": ErrorCode.UNAUTHENTICATED.value, "message": "Your right to watch this has ended."}
        return Event(self.job_id, at, EventType.REVOKED, data)
