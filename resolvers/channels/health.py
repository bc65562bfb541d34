"""The health of channels as readers see it: one line a channel, the worst of its models."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.channels.decision import HealthKey
from domain.channels.entities import PLATFORM_TENANT
from domain.channels.health import UNKNOWN, Health, HealthState
from domain.ids import ChannelId
from persistence.channels import reads
from persistence.channels.health import Breakers, Transition
from schema.channels import ChannelHealth, ChannelHealthEvent
from schema.context import Context

_WORSE = (HealthState.HEALTHY, HealthState.DEGRADED, HealthState.HALF_OPEN, HealthState.OPEN)


async def health_of_channels(breakers: Breakers, channels: Iterable[Any], now: float) -> list[ChannelHealth]:
    """One for each row, in one round trip."""
    rows = [*channels]
    keys = [[(ChannelId(row.id), one["upstream"]) for one in row.offers] for row in rows]
    known = await breakers.read(key for mine in keys for key in mine)
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


async def watched(context: Context, wanted: set[UUID] | None) -> AsyncGenerator[ChannelHealthEvent, None]:
    """Every channel that the caller sees (and wants) as it is, then each change of one of them.

    Changes are listened for before anything is read, and all is read again whenever some may not have been heard.
    """
    breakers: Breakers = context.services.channels.health
    seen: set[UUID] = set()
    async with aclosing(breakers.transitions(context.actor.tenant_id, PLATFORM_TENANT)) as changes:
        async for change in changes:
            if change is None:
                events = await _all(context, breakers, wanted)
                seen = {event.channel.id for event in events if event.channel}
                for event in events:
                    yield event
            elif change.channel_id in seen and (changed := await _one(context, breakers, change)):
                yield changed


async def _all(context: Context, breakers: Breakers, wanted: set[UUID] | None) -> list[ChannelHealthEvent]:
    tenant_id = context.actor.tenant_id
    rows = await context.services.database.rows(tenant_id, reads.channel_rows(tenant_id))
    mine = [row for row in rows if wanted is None or row.id in wanted]
    now = breakers.now()
    healths = await health_of_channels(breakers, mine, now)
    return [
        ChannelHealthEvent(channel=row, health=health, at=health.changed_at or _moment(now))
        for row, health in zip(mine, healths, strict=True)
    ]


async def _one(context: Context, breakers: Breakers, change: Transition) -> ChannelHealthEvent | None:
    """None once the channel is deleted."""
    context.reads.forget()
    row = await context.reads.one("Channel", change.channel_id)
    if row is None:
        return None
    key = change.channel_id, change.model
    known = (await breakers.read([key])).get(key, UNKNOWN)
    name = next((one["name"] for one in row.offers if one["upstream"] == change.model), change.model)
    return ChannelHealthEvent(channel=row, health=shown(known, breakers.now(), name), at=_moment(change.at))
