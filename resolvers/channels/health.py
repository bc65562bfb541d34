"""The health of channels as readers see it: one line a channel, the worst of its models."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.channels.decision import HealthKey
from domain.channels.health import UNKNOWN, Health, HealthState
from domain.ids import ChannelId
from persistence.channels import reads
from persistence.channels.health import ChannelHealth as Board
from schema.channels import ChannelHealth, ChannelHealthEvent
from schema.context import Context

_WORSE = (HealthState.HEALTHY, HealthState.DEGRADED, HealthState.HALF_OPEN, HealthState.OPEN)


async def health_of_channels(board: Board, channels: Iterable[Any], now: float) -> list[ChannelHealth]:
    """One for each row, in one round trip."""
    rows = [*channels]
    keys = [[(ChannelId(row.id), one["upstream"]) for one in row.offers] for row in rows]
    known = await board.read(key for mine in keys for key in mine)
    return [_worst(mine, known, now) for mine in keys]


def _worst(keys: Iterable[HealthKey], known: Mapping[HealthKey, Health], now: float) -> ChannelHealth:
    found = [known.get(key, UNKNOWN) for key in keys] or [UNKNOWN]
    worst = max(found, key=lambda one: (_WORSE.index(one.state_of(now)), one.failure_rate(now)))
    return shown(worst, now, None)


def shown(health: Health, now: float, model: str | None) -> ChannelHealth:
    state = health.state_of(now)
    return ChannelHealth(
        state=state, model=model, consecutive_failures=health.consecutive_failures(now),
        failure_rate=round(health.failure_rate(now), 4),
        open_until=_moment(health.admitted_at) if state is HealthState.OPEN else None,
        first_token_ms=round(health.ttft_s * 1000) if health.ttft_s is not None else None,
        last_error=health.last_error, changed_at=_moment(health.changed_at) if health.changed_at else None,
    )  # fmt: skip


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


async def watched(context: Context, wanted: set[UUID] | None) -> AsyncIterator[ChannelHealthEvent]:
    """Every channel that the caller sees (and wants) as it is, then each change of one of them."""
    services, tenant_id = context.services, context.actor.tenant_id
    board: Board = services.channels.health
    changes = board.transitions()
    rows = await services.database.rows(tenant_id, reads.channel_rows(tenant_id))
    now = board.now()
    seen = [row for row in rows if wanted is None or row.id in wanted]
    for row, health in zip(seen, await health_of_channels(board, seen, now), strict=True):
        yield ChannelHealthEvent(channel=row, health=health, at=health.changed_at or _moment(now))
    async for change in changes:
        if wanted is not None and change.channel_id not in wanted:
            continue
        context.reads.forget()
        row = await context.reads.one("Channel", change.channel_id)
        if row is None:
            continue
        key = change.channel_id, change.model
        known = (await board.read([key])).get(key, UNKNOWN)
        name = next((one["name"] for one in row.offers if one["upstream"] == change.model), change.model)
        yield ChannelHealthEvent(channel=row, health=shown(known, board.now(), name), at=_moment(change.at))
