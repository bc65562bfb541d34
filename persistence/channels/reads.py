"""Reads of the channels room. Keys are in none of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    Integer,
    Select,
    Uuid,
    and_,
    any_,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
)

from domain.channels.entities import PLATFORM_TENANT
from domain.ids import TenantId
from persistence.billing.tables import usage_days
from persistence.channels.tables import channels
from persistence.generation.tables import attempts, generations
from persistence.listing import by_ids
from persistence.paging import Keyset, SortColumn
from persistence.projects.tables import projects
from persistence.shapes import IDS, TENANT, Shape

_channel = channels.c
_SECRET = frozenset({"sealed_key", "secret_ref"})
_SHOWN = (
    *(column for column in channels.columns if column.name not in _SECRET),
    or_(_channel.sealed_key.is_not(None), _channel.secret_ref.is_not(None)).label("has_key"),
)
_PLATFORM = literal_column(f"'{PLATFORM_TENANT}'::uuid", Uuid)
_LIVE = _channel.deleted_at.is_(None)

CHANNELS = Keyset("channels", (SortColumn("name", _channel.name), SortColumn("id", _channel.id, UUID)))


def channel_rows(tenant_id: TenantId) -> Select[Any]:
    """The tenant's own and the platform's."""
    return select(*_SHOWN).where(_channel.tenant_id.in_((tenant_id, PLATFORM_TENANT)), _LIVE)


CHANNELS_BY_ID = by_ids(
    "Channel",
    select(*_SHOWN).where(or_(_channel.tenant_id == TENANT, _channel.tenant_id == _PLATFORM), _LIVE),
    _channel.id,
)

_day = usage_days.c
LEARNED_FROM = 200
_COUNTED = ("records", "input_tokens", "cached_input_tokens", "output_tokens", "cost_micros")
_NONE: Any = literal_column("0")
_asked = func.unnest(IDS).table_valued(column("id", Uuid)).render_derived("asked_")
STATISTICS = Shape(
    select(_asked.c.id, *(func.coalesce(func.sum(_day[name]), _NONE).cast(BigInteger).label(name) for name in _COUNTED))
    .select_from(
        _asked.outerjoin(
            usage_days,
            and_(
                _day.tenant_id == TENANT,
                _day.channel_id == _asked.c.id,
                _day.day > literal_column("(now() at time zone 'UTC')::date", Date) - bindparam("days", type_=Integer),
            ),
        )
    )
    .group_by(_asked.c.id)
)
"""A row for each channel: what the tenant itself used of it in the last `days` days of UTC, today included."""

_attempt, _generation, _project = attempts.c, generations.c, projects.c
_answers = (
    select(
        _attempt.channel_id, _attempt.model, _project.language, _attempt.output_tokens,
        func.char_length(_attempt.text).label("characters"),
        func.row_number().over(
            partition_by=(_attempt.channel_id, _attempt.model), order_by=_attempt.generation_id.desc()
        ).label("turn"),
    )
    .join(generations, and_(_generation.tenant_id == _attempt.tenant_id, _generation.id == _attempt.generation_id))
    .join(projects, and_(_project.tenant_id == _generation.tenant_id, _project.id == _generation.project_id))
    .where(
        _attempt.tenant_id == TENANT, _attempt.channel_id == any_(IDS),
        _attempt.outcome == literal_column("'COMPLETED'"), _attempt.usage_source == literal_column("'PROVIDER_FINAL'"),
        _attempt.output_tokens > _NONE, _attempt.text != literal_column("''"),
    )
    .subquery()
)  # fmt: skip
LEARNED = Shape(
    select(
        _answers.c.channel_id.label("id"), _answers.c.model, _answers.c.language,
        func.sum(_answers.c.output_tokens).label("tokens"), func.sum(_answers.c.characters).label("characters"),
        func.count().label("answers"),
    )
    .where(_answers.c.turn <= literal_column(str(LEARNED_FROM)))
    .group_by(_answers.c.channel_id, _answers.c.model, _answers.c.language)
    .order_by(_answers.c.model, _answers.c.language)
)  # fmt: skip
"""Rows (id, model, language, tokens, characters, answers) of each channel's last LEARNED_FROM answers by model."""
