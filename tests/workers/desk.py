"""Starting generations, running them, and reading everything that came of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from domain.accounts import GRANTS, Actor, Role, join_tenant
from domain.billing import top_up_entry
from domain.channels.entities import PLATFORM_TENANT, Channel, ChannelModel, ProviderKind
from domain.events import TERMINAL, Event, EventType, Position
from domain.generation import service
from domain.generation.work import begin
from domain.ids import ChannelId, JobId, NodeId, TenantId, new_id
from domain.jobs import Lease
from domain.projects import OutlineKind
from domain.projects import service as projects
from persistence.database import Database
from persistence.streams import StreamLog
from persistence.unit_of_work import Units
from tests.fakes.openai_server import FakeOpenAI
from workers.generation import run_job
from workers.runtime import Runtime

CREDIT_MICROS = 10_000_000


class Doorbells:
    """Implements `domain.jobs.Doorbell`: notes what was rung."""

    def __init__(self) -> None:
        self.rung: list[JobId] = []

    async def ring(self, queue: str, tenant_id: TenantId, job_id: JobId) -> None:
        self.rung.append(job_id)


@dataclass(frozen=True)
class Books:
    """What the ledger says of one tenant, and the sum of what its usage records bill. `overrun` is the operator's."""

    available: int
    held: int
    spent: int
    overrun: int
    open_holds: int
    crooked_entries: int
    billed: int


@dataclass(frozen=True)
class Outcome:
    """What became of a job, in the database and on its stream. `usage` is (attempt, billed, cost) in order."""

    job: Any
    generation: Any
    attempts: list[Any]
    version: str | None
    events: list[Event] = field(repr=False)
    usage: list[tuple[int, bool, int]]
    books: Books

    @property
    def outcomes(self) -> list[str]:
        return [attempt.outcome for attempt in self.attempts]

    @property
    def shown(self) -> str:
        """What a watcher's page says in the end."""
        page = ""
        for event in self.events:
            match event.type:
                case EventType.DELTA:
                    page += event.data["text"]
                case EventType.SNAPSHOT:
                    page = event.data["text"]
                case EventType.RESET:
                    page = ""
        return page

    def check(self) -> None:
        """What holds for every ending there is."""
        assert self.job.finished_at is not None
        assert [event.type in TERMINAL for event in self.events] == [False] * (len(self.events) - 1) + [True]
        assert self.events[-1].type == self.generation.state
        assert [event.seq for event in self.events] == sorted({event.seq for event in self.events})
        assert all(attempt.trace and attempt.ended_at for attempt in self.attempts)
        assert (self.generation.error_code, self.generation.error_message) == (
            self.job.error_code, self.job.error_message)  # fmt: skip
        if self.generation.error_code:
            assert self.generation.error_message.endswith(".")
        if self.version is not None:
            assert self.shown == self.version
        assert (self.generation.state == "FAILED") <= (self.version is None)
        books = self.books
        assert (books.held, books.open_holds, books.crooked_entries) == (0, 0, 0)
        assert books.available + books.spent == CREDIT_MICROS
        assert [number for number, _, _ in self.usage] == [attempt.number for attempt in self.attempts]
        assert books.spent + books.overrun == books.billed


@dataclass
class Desk:
    units: Units
    admin: Database
    log: StreamLog
    worker: Runtime
    fake: FakeOpenAI
    actor: Actor
    chapter: NodeId

    @property
    def tenant_id(self) -> TenantId:
        return self.actor.tenant_id

    async def start(
        self, model: str | None = None, instructions: str = "", target_words: int | None = None,
        channel_id: ChannelId | None = None, max_cost_micros: int | None = None,
    ) -> JobId:  # fmt: skip
        """A waiting generation. `model` names how the fake behaves, e.g. `cut:after=5`."""
        key = secrets.token_hex(8)
        command = service.StartChapter(
            self.chapter, instructions, key, target_words, channel_id, model, max_cost_micros=max_cost_micros
        )
        async with self.units(self.tenant_id) as uow:
            started = await service.start_chapter(uow, self.actor, command, concurrency_max=100)
        assert started.job_id is not None
        return started.job_id

    async def run(self, job_id: JobId, worker: Runtime | None = None) -> None:
        await run_job(worker or self.worker, self.tenant_id, job_id)

    async def write(self, model: str | None = None, **more: Any) -> Outcome:
        """From the start to the end, which is checked for what holds of every end."""
        job_id = await self.start(model, **more)
        await self.run(job_id)
        outcome = await self.outcome(job_id)
        outcome.check()
        return outcome

    async def cancel(self, job_id: JobId, *, tell: bool = True) -> None:
        """As the API does; `tell` raises the flag that reaches a worker before its next heartbeat."""
        async with self.units(self.tenant_id) as uow:
            _, running = await service.cancel(uow, self.actor, job_id)
        if running and tell:
            await self.worker.cancels._flags.raise_for(job_id)

    async def die(self, job_id: JobId, text_so_far: str = "") -> Lease:
        """Claim as a worker that dies at once, having kept this text."""
        async with self.units(self.tenant_id) as uow:
            lease = await uow.jobs.claim(job_id, "doomed", -1.0)
            assert lease is not None
            work = await begin(uow, lease)
            if text_so_far:
                await uow.generation.checkpoint(work.generation.id, lease.attempt, text_so_far, None)
        return lease

    async def outcome(self, job_id: JobId) -> Outcome:
        [job] = await self._rows("select * from app.jobs where id = :j", j=job_id)
        [generation] = await self._rows("select * from app.generations where job_id = :j", j=job_id)
        attempts = await self._rows(
            "select * from app.attempts where generation_id = :g order by number", g=generation.id
        )
        versions = await self._rows("select text from app.text_versions where generation_id = :g", g=generation.id)
        assert len(versions) <= 1
        events = await self.log.read(job_id, Position(0, 0))
        usage = await self._rows(
            "select attempt, billed, cost_micros from app.usage_records where job_id = :j order by attempt", j=job_id
        )
        return Outcome(
            job, generation, attempts, versions[0].text if versions else None, events,
            [(one.attempt, one.billed, one.cost_micros) for one in usage], await self.books(),
        )  # fmt: skip

    async def books(self) -> Books:
        balances = {
            row.kind: row.balance
            for row in await self._rows("select kind, balance from app.ledger_accounts where tenant_id = :t")
        }
        [row] = await self._rows(
            "select (select count(*) from app.holds where tenant_id = :t and closed_at is null) as holds, "
            "(select count(*) from (select 1 from app.ledger_postings where tenant_id = :t "
            "group by entry_id having sum(micros) <> 0) as crooked) as crooked"
        )
        [billed] = await self._rows(
            "select coalesce(sum(cost_micros), 0)::bigint as micros from app.usage_records "
            "where tenant_id = :t and billed"
        )
        return Books(
            balances["AVAILABLE"], balances["HELD"], balances["SPENT"], balances["OVERRUN"], row.holds, row.crooked,
            billed.micros,
        )  # fmt: skip

    async def _rows(self, statement: str, **parameters: Any) -> list[Any]:
        if ":t" in statement:
            parameters["t"] = self.tenant_id
        return list(await self.admin.platform_rows(text(statement).bindparams(**parameters)))


async def opened(units: Units, admin: Database, log: StreamLog, worker: Runtime, fake: FakeOpenAI) -> Desk:
    """A tenant of its own, with credit and a chapter."""
    tenant_id = TenantId(new_id())
    async with units(tenant_id) as uow:
        user, _ = await join_tenant(
            uow.accounts, email=f"{secrets.token_hex(6)}@example.org", password_hash="none", display_name="Author",
            tenant_name="Studio", locale="en", tenant_id=tenant_id,
        )  # fmt: skip
        await uow.billing.open_wallet()
        await uow.billing.post(top_up_entry("starting-credit", CREDIT_MICROS))
        actor = Actor(tenant_id, user.id, Role.OWNER, GRANTS[Role.OWNER])
        project = await projects.create_project(uow.projects, actor, projects.ProjectDraft("Novel", "en"))
        draft = projects.NodeDraft(project.id, OutlineKind.CHAPTER, "One")
        chapter = await projects.create_node(uow.projects, actor, draft)
    return Desk(units, admin, log, worker, fake, actor, chapter.id)


async def price(desk: Desk, model: str, **values: Any) -> None:
    """A price of the operator's, in force from now on."""
    row = {"input_micros": 500_000, "cached_input_micros": 125_000, "output_micros": 2_000_000, **values}
    names = ", ".join(row)
    statement = (
        f"insert into app.prices (id, model, {names}) values (:id, :model, {', '.join(f':{one}' for one in row)})"
    )
    async with desk.admin.engine.begin() as connection:
        await connection.execute(text(statement), {"id": new_id(), "model": model, **row})


async def offer(desk: Desk, name: str, upstream: str, model: str, *, platform: bool = False, **more: Any) -> Channel:
    """A channel to the fake, of the desk's tenant or of the platform. `upstream` names how the fake behaves."""
    tenant_id = PLATFORM_TENANT if platform else desk.tenant_id
    offered = ChannelModel(model, upstream, more.pop("context_window", 32_768))
    kind = ProviderKind.OPENAI_COMPATIBLE
    channel = Channel.offering(name, kind, offered, **{"tenant_id": tenant_id, "base_url": desk.fake.base_url, **more})
    async with desk.units(tenant_id) as uow:
        await uow.channels.add(channel)
    return channel


async def until(check: Callable[[], bool], timeout_s: float = 5.0) -> None:
    async with asyncio.timeout(timeout_s):
        while True:
            if check():
                return
            await asyncio.sleep(0.01)
