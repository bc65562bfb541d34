"""A tenant with a base whose model costs something, and what came of its documents."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from sqlalchemy import text

from domain.accounts import GRANTS, Actor, Role
from domain.billing import top_up_entry
from domain.events import Event, Position
from domain.ids import JobId, SourceDocumentId, TenantId, UserId, new_id
from domain.job_kinds import KINDS
from domain.jobs import JobKind, JobState, Lease
from domain.knowledge import documents, service
from domain.knowledge.chunk_index import EmbeddingCache
from domain.knowledge.entities import Chunk, KnowledgeBase
from domain.knowledge.indexing import Indexed, Indexer, Spent
from domain.knowledge.policies import ChunkPolicy
from domain.knowledge.vectors import IndexKey
from persistence.database import Database
from persistence.knowledge.embeddings import SqlEmbeddings
from persistence.streams import StreamLog
from persistence.unit_of_work import Units
from workers.ingestion import run_job
from workers.runtime import Runtime

CREDIT_MICROS = 1_000_000
MICROS_PER_TOKEN = 2
TEXT = "\n\n".join(
    f"第{n}章 渡口\n\n" + "".join(f"第{n}天的雨下了一夜，{m}盏灯还亮着。" for m in range(40)) for n in range(1, 11)
)


@dataclass
class Counting:
    """Implements `Indexer` in memory: every text is embedded once, and what was asked for is kept. What that has cost
    is kept as every indexer keeps it, under a model of its own.
    """

    micros_per_token: int
    cache: EmbeddingCache
    tokens_per_token: int = 1
    model: IndexKey = field(default_factory=lambda: IndexKey(secrets.token_hex(8), 1))
    known: dict[bytes, int] = field(default_factory=dict)
    rows: dict[Any, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    before: Callable[[], Any] = lambda: None

    async def index(
        self, tenant_id: TenantId, base: KnowledgeBase, chunks: Sequence[Chunk], owner: UUID | None = None
    ) -> Indexed:
        if (waiting := self.before()) is not None:
            await waiting
        fresh = [one for one in chunks if one.text_hash not in self.known]
        self.asked += [one.text for one in fresh]
        self.known |= {one.text_hash: one.tokens for one in fresh}
        self.rows |= {one.id: one.text_hash for one in chunks}
        tokens = sum(one.tokens for one in fresh) * self.tokens_per_token
        spent = Spent(tokens, tokens * self.micros_per_token)
        if fresh:
            vectors = {one.text_hash: (1.0,) for one in fresh}
            await self.cache.keep(tenant_id, self.model, vectors, owner or fresh[0].document_id, spent)
        return Indexed(tokens, len(chunks) - len(fresh), spent.cost_micros)

    def another(self, **more: Any) -> Counting:
        return Counting(self.micros_per_token, self.cache, **more)


@dataclass
class Library:
    """A tenant with a base whose model costs something, and a worker in this process."""

    units: Units
    admin: Database
    log: StreamLog
    runtime: Runtime
    actor: Actor
    base: KnowledgeBase
    index: Counting

    @property
    def tenant_id(self) -> TenantId:
        return self.actor.tenant_id

    async def take_in(self, said: str = TEXT, key: str | None = None) -> tuple[SourceDocumentId, JobId]:
        command = documents.NewDocument(self.base.id, key or secrets.token_hex(8), text=said, title="Papers")
        async with self.units(self.tenant_id) as uow:
            asked = await documents.create_document(uow, self.actor, command, concurrency_max=100)
        assert asked.waiting is not None
        return asked.document_id, asked.waiting.job_id

    async def run(self, job_id: JobId, indexer: Indexer | None = None, **more: Any) -> None:
        await run_job(replace(self.runtime, indexer=indexer or self.index, **more), self.tenant_id, job_id)

    async def one(self, statement: str, **values: Any) -> Any:
        return (await self.rows(statement, **values))[0]

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        found = await self.admin.platform_rows(text(statement).bindparams(tenant=self.tenant_id, **values))
        return list(found)

    async def document(self, document_id: SourceDocumentId) -> Any:
        return await self.one(
            "select state, progress, chunk_count, version, error_code, error_message, embedded_tokens, job_id "
            "from app.knowledge_documents where tenant_id = :tenant and id = :id", id=document_id,
        )  # fmt: skip

    async def chunks(self, document_id: SourceDocumentId) -> list[Any]:
        return await self.rows(
            "select id, position, text, start_char, end_char, indexed, tokens from app.knowledge_chunks "
            "where tenant_id = :tenant and document_id = :id order by position", id=document_id,
        )  # fmt: skip

    async def job(self, job_id: JobId) -> Any:
        return await self.one("select * from app.jobs where tenant_id = :tenant and id = :id", id=job_id)

    async def events(self, job_id: JobId) -> list[Event]:
        return await self.log.read(job_id, Position(0, 0))

    async def books(self) -> dict[str, int]:
        """What is free, what is held, what was spent; and the sum of the usage records."""
        accounts = await self.rows("select kind, balance from app.ledger_accounts where tenant_id = :tenant")
        found = {row.kind: int(row.balance) for row in accounts}
        usage = await self.one(
            "select coalesce(sum(cost_micros), 0) as cost, count(*) as records from app.usage_records "
            "where tenant_id = :tenant and kind = 'EMBED'"
        )
        return {
            "free": found.get("AVAILABLE", 0), "held": found.get("HELD", 0), "spent": found.get("SPENT", 0),
            "billed": int(usage.cost), "records": usage.records,
        }  # fmt: skip

    async def die(self, job_id: JobId) -> Lease:
        """Claim as a worker that dies at once."""
        async with self.units(self.tenant_id) as uow:
            lease = await uow.jobs.claim(job_id, "doomed", -1.0)
            assert lease is not None
            return lease

    async def recover(self, job_id: JobId) -> JobState | None:
        async with self.units(self.tenant_id) as uow:
            return await KINDS[JobKind.DOCUMENT_INGEST].recover(uow, job_id)

    async def cancel(self, job_id: JobId) -> None:
        async with self.units(self.tenant_id) as uow:
            stopped = await KINDS[JobKind.DOCUMENT_INGEST].cancel(uow, self.actor, job_id)
        if stopped.tell_worker:
            await self.runtime.cancels._flags.raise_for(job_id)


async def opened(units: Units, admin: Database, database: Database, log: StreamLog, runtime: Runtime) -> Library:
    tenant_id = TenantId(new_id())
    actor = Actor(tenant_id, UserId(new_id()), Role.OWNER, GRANTS[Role.OWNER])
    async with admin.engine.begin() as connection:
        await connection.execute(
            text("insert into app.tenants (tenant_id, slug, name) values (:id, :slug, 'x')"),
            {"id": tenant_id, "slug": str(tenant_id)},
        )
        await connection.execute(
            text(
                "insert into app.prices (id, model, input_micros, cached_input_micros, output_micros, valid_from) "
                "select gen_random_uuid(), 'text-embedding-v4', :micros, 0, 0, now() - interval '1 day' "
                "where not exists (select 1 from app.prices where model = 'text-embedding-v4')"
            ),
            {"micros": MICROS_PER_TOKEN * 1_000_000},
        )
    async with units(tenant_id) as uow:
        await uow.billing.open_wallet()
        await uow.billing.post(top_up_entry("starting-credit", CREDIT_MICROS))
        base = await service.create_base(
            uow,
            actor,
            service.BaseDraft("Papers", embedding_model="hash", chunk_policy=ChunkPolicy(size=120, overlap=0)),
        )
        # A model behind a channel, without the channel.
        base.embedding_model, base.dimensions = "text-embedding-v4", 1_024
    index = Counting(MICROS_PER_TOKEN, SqlEmbeddings(database.engine))
    return Library(units, admin, log, replace(runtime, lease_s=2.0), actor, base, index)
