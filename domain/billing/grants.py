"""Grants: a wallet's credit by where it came from and how long it lasts.

What is left of all grants together is what the wallet has, spendable or held. Credit is spent in burn-down order:
what expires first, then the smaller priority, then the older.

The rule for late events: a hold may be settled with credit that expired after the hold was opened. Until then that
much of an expired grant stays; the rest is taken away. A new hold is never covered by what has expired.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from domain.ids import GrantId, JobId


class GrantSource(StrEnum):
    """Where credit came from."""

    PLAN = "PLAN"
    TOPUP = "TOPUP"
    COUPON = "COUPON"
    GIFT = "GIFT"


PRIORITIES = {GrantSource.PLAN: 10, GrantSource.GIFT: 20, GrantSource.COUPON: 30, GrantSource.TOPUP: 40}
"""The priority of a grant that was given none: what was paid for is spent last."""
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Grant:
    id: GrantId
    source: GrantSource
    amount_micros: int
    left_micros: int
    priority: int
    expires_at: datetime | None = None

    def expired(self, at: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True)
class Move:
    """What an entry adds to a grant, or takes from it."""

    grant_id: GrantId
    micros: int


@dataclass(frozen=True, slots=True)
class Hold:
    job_id: JobId
    micros: int
    opened_at: datetime


def burn(grants: Iterable[Grant], micros: int, *, since: datetime | None = None) -> tuple[Move, ...]:
    """Take an amount from grants in burn-down order. Raises ValueError when they have less.

    What had expired by `since`, when the hold was opened, comes last: it is there for older holds.
    """

    def order(grant: Grant) -> tuple[object, ...]:
        late = since is not None and grant.expired(since)
        return late, grant.expires_at or _NEVER, grant.priority, grant.id

    moves = []
    for grant in sorted(grants, key=order):
        taken = min(grant.left_micros, micros)
        if taken:
            moves.append(Move(grant.id, -taken))
            micros -= taken
    if micros:
        raise ValueError(f"the grants are {micros} micro-units short")
    return tuple(moves)


def lapsed(grants: Iterable[Grant], holds: Sequence[Hold], now: datetime) -> tuple[Move, ...]:
    """What is to be taken from the grants that have expired: all but what holds from before may still burn."""
    moves, reserved = [], 0
    for grant in sorted(grants, key=lambda one: one.expires_at or _NEVER):
        if grant.expires_at is None or not grant.expired(now):
            break
        older = sum(hold.micros for hold in holds if hold.opened_at < grant.expires_at)
        kept = min(grant.left_micros, max(older - reserved, 0))
        reserved += kept
        if grant.left_micros > kept:
            moves.append(Move(grant.id, kept - grant.left_micros))
    return tuple(moves)
