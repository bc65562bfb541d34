"""Reads of the generation room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Float, Select, any_, cast, func, literal_column, or_, select

from persistence.billing.reads import spent
from persistence.billing.tables import ledger_entries, usage_records
from persistence.generation.tables import attempts, generations
from persistence.listing import Listing, Lookup
from persistence.paging import Keyset, SortColumn
from persistence.shapes import ACTOR, IDS, TENANT, Shape

_generation = generations.c
_attempt = attempts.c

_HEAVY = frozenset({"tenant_id", "prompt", "receipt", "evidence", "purpose"})
"""Not shown in lists: they are large, and read by those who ask for them."""
_LIGHT = [column for column in generations.columns if column.name not in _HEAVY]

GENERATIONS = Listing(
    Keyset("generations", (SortColumn("id", _generation.id, UUID),), descending=True),
    generations,
    parent=_generation.node_id,
    hidden=_HEAVY,
)
_READABLE = or_(_generation.owner_id.is_(None), _generation.owner_id == ACTOR)
GENERATIONS_BY_ID = Lookup("Generation", generations, _READABLE, hidden=_HEAVY)
_by_job = select(*_LIGHT).where(_generation.tenant_id == TENANT, _generation.job_id == any_(IDS))
GENERATIONS_OF_JOBS = Shape(_by_job.where(_READABLE))
ANY_GENERATIONS_OF_JOBS = Shape(_by_job)
"""Whoever asks: for those whose right has been looked at."""
ATTEMPTS = Shape(
    select(*(column for column in attempts.columns if column.name not in {"tenant_id", "text"}))
    .where(_attempt.tenant_id == TENANT, _attempt.generation_id == any_(IDS))
    .order_by(_attempt.generation_id, _attempt.number)
)


def _newest_texts() -> Select[Any]:
    turn = func.row_number().over(partition_by=_attempt.generation_id, order_by=_attempt.number.desc())
    newest = (
        select(_attempt.generation_id.label("id"), _attempt.number.label("attempt"), _attempt.text, turn.label("turn"))
        .where(_attempt.tenant_id == TENANT, _attempt.generation_id == any_(IDS))
        .subquery()
    )
    return select(newest.c.id, newest.c.attempt, newest.c.text).where(newest.c.turn == literal_column("1"))


TEXTS = Shape(_newest_texts())
"""Rows (id, attempt, text): the newest attempt's checkpoint, or its whole text once it has ended."""

_usage = usage_records.c
_charged = spent(TENANT).where(ledger_entries.c.job_id == _usage.job_id).correlate(usage_records).scalar_subquery()
_cached_share = (
    select(
        cast(func.sum(_usage.cached_input_tokens), Float)
        / func.nullif(func.sum(_usage.input_tokens), literal_column("0"))
    )
    .where(_usage.tenant_id == TENANT, _usage.job_id == _generation.job_id, _usage.billed)
    .scalar_subquery()
)
RECEIPTS = Shape(
    select(_generation.id, _generation.receipt, _cached_share.label("cached_share")).where(
        _generation.tenant_id == TENANT, _generation.id == any_(IDS)
    )
)
USAGE = Shape(
    select(
        _usage.job_id.label("id"),
        func.sum(_usage.input_tokens).label("input_tokens"),
        func.sum(_usage.cached_input_tokens).label("cached_input_tokens"),
        func.sum(_usage.output_tokens).label("output_tokens"),
        func.coalesce(_charged, literal_column("0")).label("cost_micros"),
        func.max(_usage.source).label("source"),
    )
    .where(_usage.tenant_id == TENANT, _usage.job_id == any_(IDS), _usage.billed)
    .group_by(_usage.job_id)
)
"""Rows (id, tokens, cost, source): the billed records of each of the jobs `ids`, and what the ledger charged for it."""
