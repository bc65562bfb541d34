"""Reads of the jobs room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Select,
    Text,
    TextClause,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    not_,
    or_,
    select,
    text,
)

from domain.jobs import PRIVATE_KINDS, JobKind
from persistence.jobs.tables import jobs, queue_controls, workers
from persistence.knowledge.tables import knowledge_bases, knowledge_documents
from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn
from persistence.shapes import ACTOR, IDS, TENANT, Shape

_job = jobs.c
_HIDDEN = frozenset({"tenant_id", "lease_token", "lease_expires_at", "trace_parent", "principal"})

_private = or_(*(_job.kind == literal_column(f"'{kind}'") for kind in PRIVATE_KINDS))
_shared_document = (
    select(knowledge_documents.c.id)
    .join(
        knowledge_bases,
        and_(
            knowledge_bases.c.tenant_id == knowledge_documents.c.tenant_id,
            knowledge_bases.c.id == knowledge_documents.c.base_id,
        ),
    )
    .where(
        knowledge_documents.c.tenant_id == _job.tenant_id,
        knowledge_documents.c.job_id == _job.id,
        knowledge_bases.c.scope != literal_column("'USER'"),
    )
    .correlate(jobs)
    .exists()
)
_shared_base = (
    select(knowledge_bases.c.id)
    .where(
        knowledge_bases.c.tenant_id == _job.tenant_id,
        knowledge_bases.c.job_id == _job.id,
        knowledge_bases.c.scope != literal_column("'USER'"),
    )
    .correlate(jobs)
    .exists()
)
_ingests = _job.kind == literal_column(f"'{JobKind.DOCUMENT_INGEST}'")
_reembeds = _job.kind == literal_column(f"'{JobKind.BASE_REEMBED}'")
_READABLE = or_(
    _job.requested_by == ACTOR,
    and_(not_(_private), or_(not_(_ingests), _shared_document), or_(not_(_reembeds), _shared_base)),
)
"""Work in a conversation, or on somebody's own base, is for who asked for it alone. So is what a document was ingested
by before, or a base was changed by: whose base that was is not looked for.
"""

JOBS = Listing(
    Keyset("jobs", (SortColumn("id", _job.id, UUID),), descending=True),
    jobs,
    where=(_READABLE, _job.kind != literal_column(f"'{JobKind.KNOWLEDGE_SEARCH}'")),
    filters={
        "states": _job.state == any_(bindparam("states", type_=ARRAY(Text))),
        "kind": _job.kind == bindparam("kind", type_=Text),
    },
    hidden=_HIDDEN,
)
JOBS_BY_ID = Lookup("Job", jobs, _READABLE, hidden=_HIDDEN)
ANY_JOBS = Shape(
    select(_job.id, _job.state, _job.attempt, _job.error_code, _job.error_message, _job.finished_at).where(
        _job.tenant_id == TENANT, _job.id == any_(IDS)
    )
)
"""Whoever asks: for those whose right has been looked at."""


ENDED_JOBS = Shape(select(_job.id).where(_job.tenant_id == TENANT, _job.id == any_(IDS), _job.finished_at.is_not(None)))
"""Rows (id) of those among many jobs that have ended."""


def queue_depths(tenant_id: UUID) -> Select[Any]:
    """Rows (queue, queued, running, oldest_queued_s) of this tenant's jobs that have not ended."""
    queued = _job.state == "QUEUED"
    waiting_s = func.extract("epoch", func.clock_timestamp() - func.min(_job.created_at).filter(queued))
    return (
        select(
            _job.queue,
            func.count().filter(queued).label("queued"),
            func.count().filter(_job.lease_token.is_not(None)).label("running"),
            func.coalesce(waiting_s, 0).label("oldest_queued_s"),
        )
        .where(_job.tenant_id == tenant_id, _job.finished_at.is_(None))
        .group_by(_job.queue)
    )


def job_counts() -> TextClause:
    """Rows (queue, state, jobs) over all tenants, of jobs that have not ended."""
    return text("select queue, state, jobs from app.job_counts()")


def paused_queues() -> Select[Any]:
    return select(queue_controls.c.queue).where(queue_controls.c.paused)


def live_workers() -> Select[Any]:
    return select(workers).order_by(workers.c.started_at)
