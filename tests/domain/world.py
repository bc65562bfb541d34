"""A small tenant to act in: a writer, a novel, a channel, some credit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from domain.accounts import GRANTS, Actor, Role
from domain.billing import top_up_entry
from domain.channels.entities import Channel, ChannelModel, ProviderKind
from domain.errors import ErrorCode, Rejected
from domain.generation import service
from domain.generation.entities import Attempt, Generation
from domain.generation.starting import Started
from domain.generation.work import begin
from domain.ids import GenerationId, JobId, TenantId, UserId, new_id
from domain.jobs import Job, Lease
from domain.projects import OutlineKind, OutlineNode, Project
from domain.projects.service import NodeDraft, ProjectDraft, create_node, create_project
from tests.domain.memory import MemoryUnitOfWork

CREDIT_MICROS = 1_000_000


def actor_of(tenant_id: TenantId, role: Role = Role.OWNER) -> Actor:
    return Actor(tenant_id, UserId(new_id()), role, GRANTS[role])


@contextmanager
def refused(code: ErrorCode, *field: str) -> Iterator[None]:
    """A refusal with exactly this code, at this field of the input (none: at no single field)."""
    with pytest.raises(Rejected) as caught:
        yield
    assert (caught.value.code, caught.value.field) == (code, ("input", *field) if field else ())


class World:
    """Shorthand for what a test needs before it begins."""

    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self.uow = uow
        self.author = actor_of(uow.tenant_id)

    def actor(self, role: Role) -> Actor:
        return actor_of(self.uow.tenant_id, role)

    async def project(self, title: str = "The Salt Road", **values: Any) -> Project:
        return await create_project(self.uow.projects, self.author, ProjectDraft(title, **values))

    async def node(
        self, project: Project, title: str = "One", kind: OutlineKind = OutlineKind.CHAPTER,
        parent: OutlineNode | None = None, after: OutlineNode | None = None, plan: str = "",
    ) -> OutlineNode:  # fmt: skip
        parent_id, after_id = parent.id if parent else None, after.id if after else None
        draft = NodeDraft(project.id, kind, title, plan=plan, parent_id=parent_id, after_id=after_id)
        return await create_node(self.uow.projects, self.author, draft)

    async def credit(self, micros: int = CREDIT_MICROS) -> None:
        await self.uow.billing.open_wallet()
        await self.uow.billing.post(top_up_entry("starting-credit", micros))

    def channel(self, provider: ProviderKind = ProviderKind.OPENAI_COMPATIBLE, **values: Any) -> Channel:
        model = ChannelModel("writer-1", "writer-1", values.pop("context_window", 32_768))
        channel = Channel.offering("main", provider, model, **{"is_default": True, **values})
        self.uow.channels.channels[channel.id] = channel
        return channel

    async def ready(self) -> OutlineNode:
        """A chapter that can be generated: a novel, a default channel, a dollar of credit."""
        self.channel()
        await self.credit()
        return await self.node(await self.project())

    async def start(self, chapter: OutlineNode, key: str = "key-1", **values: Any) -> Started:
        command = service.StartChapter(chapter.id, values.pop("instructions", "Go on."), key, **values)
        return await service.start_chapter(self.uow, self.author, command, concurrency_max=8)

    async def running(self, chapter: OutlineNode, key: str = "key-1", **values: Any) -> Lease:
        """A started generation that a worker has claimed and begun."""
        started = await self.start(chapter, key, **values)
        assert started.job_id is not None
        return await self.claim(started.job_id)

    async def claim(self, job_id: JobId) -> Lease:
        lease = await self.uow.jobs.claim(job_id, "worker-1", 5.0)
        assert lease is not None
        await begin(self.uow, lease)
        return lease

    def job(self, job_id: JobId) -> Job:
        return self.uow.jobs.jobs[job_id]

    def generation(self, job_id: JobId) -> Generation:
        (generation,) = (one for one in self.uow.generation.generations.values() if one.job_id == job_id)
        return generation

    def attempts(self, generation_id: GenerationId) -> list[Attempt]:
        """In order of their numbers."""
        own = [one for one in self.uow.generation.attempts.values() if one.generation_id == generation_id]
        return sorted(own, key=lambda one: one.number)
