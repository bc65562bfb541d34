"""What has to be asked about streams again and again, asked once for all that are watched in this process.

A silent stream may have ended without saying so; a right to watch may have been taken. Ten thousand watchers who
each looked for themselves would keep PostgreSQL busy with nothing: here one statement a tenant asks about every
silent job, and each actor is looked up once, however many streams it watches.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.accounts import Actor, Permission
from domain.ids import JobId, TenantId
from resolvers.event_source.follow import Follow

ROUND_S = 0.25
SILENCE_S = 2.0
"""After this much silence PostgreSQL is asked whether the job has ended."""
REVALIDATE_S = 2.75
"""How often the right to watch is looked at; with what the authenticator believes meanwhile, less than 5 s."""
LOOKUPS_AT_ONCE = 8

EndedJobs = Callable[[Sequence[tuple[TenantId, JobId]]], Awaitable[Sequence[bool]]]
"""Which of these jobs have ended, in the order asked; False also where that cannot be found out."""

logger = logging.getLogger(__name__)


class StillValid(Protocol):
    async def __call__(self, actor: Actor, needs: Permission | None = None) -> bool:
        """Whether an actor's session or token, and membership, still stand, and still give the right that is needed."""
        ...


@dataclass(eq=False)
class Watcher:
    """An actor as one connection has it, and all that it watches there."""

    actor: Actor
    validated_at: float
    follows: dict[Follow, None] = field(default_factory=dict)


class Rounds:
    """Two tasks while anything is watched, none otherwise."""

    def __init__(self, ended_jobs: EndedJobs, still_valid: StillValid) -> None:
        self._ended_jobs = ended_jobs
        self._still_valid = still_valid
        self._watchers: dict[
            int, Watcher
        ] = {}  # by the identity of the actor: its hash is dear, its equal validated apart
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, follow: Follow) -> None:
        now = asyncio.get_running_loop().time()
        self._watchers.setdefault(id(follow.actor), Watcher(follow.actor, now)).follows[follow] = None
        if not self._tasks:
            self._tasks = [asyncio.create_task(_repeated(self._ends)), asyncio.create_task(_repeated(self._rights))]

    def remove(self, follow: Follow) -> None:
        watcher = self._watchers.get(id(follow.actor))
        if watcher is None or follow not in watcher.follows:
            return
        del watcher.follows[follow]
        if not watcher.follows:
            del self._watchers[id(follow.actor)]
        if not self._watchers:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _ends(self) -> None:
        now = asyncio.get_running_loop().time()
        latest = now - SILENCE_S + ROUND_S  # who is passed over now will have been silent too long at the next round
        silent = [
            follow for watcher in self._watchers.values() for follow in watcher.follows if follow.silent_since <= latest
        ]
        for follow in silent:
            follow.asked_at = now
        jobs = [*dict.fromkeys((follow.actor.tenant_id, follow.job_id) for follow in silent)]
        if jobs:
            ended = dict(zip(jobs, await self._ended_jobs(jobs), strict=True))
            for follow in silent:
                if ended[follow.actor.tenant_id, follow.job_id]:
                    follow.look_up_end()

    async def _rights(self) -> None:
        now = asyncio.get_running_loop().time()
        latest = now - REVALIDATE_S + ROUND_S
        due = iter([watcher for watcher in self._watchers.values() if watcher.validated_at <= latest])
        await asyncio.gather(*(self._validate(due, now) for _ in range(LOOKUPS_AT_ONCE)))

    async def _validate(self, due: Iterator[Watcher], now: float) -> None:
        for watcher in due:
            if await self._still_valid(watcher.actor):
                watcher.validated_at = now
            else:
                for follow in watcher.follows:
                    follow.revoke()


async def _repeated(step: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        await asyncio.sleep(ROUND_S)
        try:
            await step()
        except Exception:
            logger.exception("a round over the streams failed; the next one tries again")
