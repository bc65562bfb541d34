"""The rows of bench.http's stage, and work that was done for them: jobs, generations, attempts, usage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from app.settings import Settings
from bench.http.stage import furnished as with_novels
from domain.accounts import Actor, Role, permissions_of
from domain.ids import TenantId, UserId, new_id
from domain.jobs import QUEUES, JobKind
from persistence.billing.tables import usage_records
from persistence.database import create_engine
from persistence.generation.tables import attempts, generations
from persistence.jobs.tables import jobs
from persistence.projects.tables import outline_nodes
from schema.ids import encode_id

JOBS = 40


@dataclass(frozen=True)
class Stage:
    """Who asks, and the global ids of twenty chapters, ten projects and ten jobs of the tenant."""

    actor: Actor
    ids: list[str]


async def furnished(settings: Settings) -> Stage:
    tenant_id = (await with_novels(settings)).authors[0].tenant_id
    admin = create_engine(settings.database_url.get_secret_value(), pool_size=0)
    chapter = outline_nodes.c
    async with admin.begin() as connection:
        chapters = (await connection.execute(
            select(chapter.id, chapter.project_id).where(chapter.tenant_id == tenant_id).order_by(chapter.id).limit(JOBS)
        )).all()  # fmt: skip
        worked = _rows(tenant_id, chapters)
        for table, values in worked:
            await connection.execute(insert(table), values)
        await connection.exec_driver_sql("analyze")
    await admin.dispose()
    projects = list(dict.fromkeys(one.project_id for one in chapters))[:10]
    ids = [
        *(encode_id("Chapter", one.id) for one in chapters[:20]),
        *(encode_id("Project", one) for one in projects),
        *(encode_id("Job", one["id"]) for one in worked[0][1][:10]),
    ]
    permissions = permissions_of(Role.AUTHOR, platform_admin=False)
    return Stage(Actor(tenant_id, UserId(new_id()), Role.AUTHOR, permissions), ids)


def _rows(tenant_id: TenantId, chapters: Sequence[Any]) -> list[tuple[Any, list[dict[str, Any]]]]:
    """For each chapter a job that succeeded at its second attempt; in the order of their references."""
    done, tenant = datetime.now(UTC), {"tenant_id": tenant_id}
    times = {"started_at": done - timedelta(seconds=30), "finished_at": done}
    tables: list[tuple[Any, list[dict[str, Any]]]] = [
        (jobs, []),
        (generations, []),
        (attempts, []),
        (usage_records, []),
    ]
    for one in chapters:
        job, generation = new_id(), new_id()
        rows: list[list[dict[str, Any]]] = [
            [{"id": job, "kind": JobKind.CHAPTER_GENERATE.value, "queue": QUEUES[JobKind.CHAPTER_GENERATE],
              "state": "SUCCEEDED", "attempt": 2, "progress": 100, **times}],
            [{"id": generation, "job_id": job, "project_id": one.project_id, "node_id": one.id, "instructions": "Go on.",
              "channel_id": new_id(), "channel": "bench", "model": "bench", "prompt": {}, "receipt": {},
              "max_output_tokens": 1_000, "target_words": 800, "state": "COMPLETED", "finished_at": done}],
            [{"generation_id": generation, "number": number, "channel": "bench", "model": "bench", "outcome": outcome,
              "text": "The lamp. " * 20, "input_tokens": 2_000, "output_tokens": 1_000, "cached_input_tokens": 0,
              "usage_source": "PROVIDER_FINAL", "cost_micros": 4_000, "started_at": times["started_at"],
              "first_token_at": done - timedelta(seconds=29), "ended_at": done}
             for number, outcome in ((1, "CUT"), (2, "COMPLETED"))],
            [{"job_id": job, "attempt": 2, "kind": "GENERATION", "model": "bench", "channel": "bench", "input_tokens": 2_000,
              "cached_input_tokens": 0, "output_tokens": 1_000, "reasoning_tokens": 0, "source": "PROVIDER_FINAL",
              "cost_micros": 4_000, "billed": True}],
        ]  # fmt: skip
        for (_, values), more in zip(tables, rows, strict=True):
            values += [tenant | row for row in more]
    return tables
