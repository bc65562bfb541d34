"""Tables of the jobs room: the work itself, its doorbells, idempotency keys, queues and workers."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    false,
    literal_column,
)

from domain import jobs as domain
from persistence.metadata import PLATFORM, mapper_registry, metadata, one_of, references, tenant_table, text, timestamp

jobs = tenant_table(
    "jobs",
    Column("id", Uuid, nullable=False),
    text("kind"),
    text("queue"),
    text("state", "QUEUED"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("progress", Integer, nullable=False, server_default="0"),
    Column("requested_by", Uuid),
    text("principal", ""),
    text("trace_parent", nullable=True),
    Column("retry_of", Uuid),
    Column("lease_token", Uuid),
    timestamp("lease_expires_at"),
    text("worker", nullable=True),
    timestamp("cancel_requested_at"),
    text("error_code", nullable=True),
    text("error_message", nullable=True),
    timestamp("created_at", default=True),
    timestamp("started_at"),
    timestamp("finished_at"),
    one_of("state", domain.JobState),
    one_of("kind", domain.JobKind),
    CheckConstraint("(state in ('RUNNING', 'CANCELLING')) = (lease_token is not null)", name="leased"),
    CheckConstraint(
        "(state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TRUNCATED')) = (finished_at is not null)", name="finished"
    ),
    CheckConstraint("progress between 0 and 100", name="progress"),
    references("retry_of", "jobs"),
)
Index(None, jobs.c.tenant_id, jobs.c.created_at, jobs.c.id)
Index(
    "jobs_leased_idx",
    jobs.c.tenant_id,
    jobs.c.lease_expires_at,
    postgresql_where=literal_column("lease_token is not null"),
)

outbox = tenant_table(
    "outbox",
    Column("job_id", Uuid, nullable=False),
    text("queue"),
    timestamp("due_at", default=True),
    timestamp("rung_at"),
    timestamp("created_at", default=True),
    references("job_id", "jobs"),
    key=("job_id",),
)
Index(None, outbox.c.due_at)

idempotency_keys = tenant_table(
    "idempotency_keys",
    text("principal"),
    text("operation"),
    text("key"),
    Column("body_hash", LargeBinary, nullable=False),
    Column("result_id", Uuid),
    timestamp("created_at", default=True),
    key=("principal", "operation", "key"),
)
Index(None, idempotency_keys.c.tenant_id, idempotency_keys.c.created_at)

queue_controls = Table(
    "queue_controls",
    metadata,
    Column("queue", Text, primary_key=True),
    Column("paused", Boolean, nullable=False, server_default=false()),
    timestamp("changed_at", default=True),
    info=PLATFORM,
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    timestamp("started_at", default=True),
    timestamp("last_seen_at", default=True),
    Column("threads", Integer, nullable=False),
    Column("busy", Integer, nullable=False, server_default="0"),
    info=PLATFORM,
)

mapper_registry.map_imperatively(domain.Job, jobs)
