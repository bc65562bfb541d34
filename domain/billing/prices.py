"""Prices: versioned rows that are never edited, and what a call costs by one of them.

A row is known by its model, channel, group and priority. A new version of it ends the one before. The most specific
row in force decides: that of the channel, then the model's own, then "*". A row with a group decides nothing: no tenant
has one yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.billing.money import MICRO
from domain.errors import DomainError
from domain.generation.provider import UsageSource
from domain.ids import PriceId

ANY_MODEL = "*"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one attempt, as providers report them.

    `input_tokens` includes those read from and written to the provider's cache, `output_tokens` those of reasoning.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.ESTIMATE
    cache_write_tokens: int = 0


@dataclass(eq=False)
class Price:
    """Micro-units for a million tokens, and for each call; `ratio` multiplies all of it.

    Without a price of their own, tokens written to a cache cost what fresh ones do, and reasoning what output does.
    """

    model: str
    input_micros: int
    cached_input_micros: int
    output_micros: int
    cache_write_micros: int | None = None
    reasoning_micros: int | None = None
    per_call_micros: int = 0
    ratio: Decimal = Decimal(1)
    channel: str | None = None
    group: str | None = None
    priority: int = 0
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    id: PriceId | None = None

    @property
    def key(self) -> tuple[str, str | None, str | None, int]:
        """What makes two rows versions of one price."""
        return self.model, self.channel, self.group, self.priority

    @property
    def terms(self) -> tuple[object, ...]:
        """All that a call's cost depends on."""
        return (
            self.input_micros, self.cached_input_micros, self.cache_write_micros, self.output_micros,
            self.reasoning_micros, self.per_call_micros, self.ratio,
        )  # fmt: skip


def cost(price: Price, usage: Usage) -> int:
    """Micro-units, rounded up once for the whole call. Where nothing was counted, there was no call to pay for."""
    if not (usage.input_tokens or usage.output_tokens):
        return 0
    fresh = max(usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens, 0)
    written = max(usage.output_tokens - usage.reasoning_tokens, 0)
    tokens = (
        fresh * price.input_micros
        + usage.cached_input_tokens * price.cached_input_micros
        + usage.cache_write_tokens * _either(price.cache_write_micros, price.input_micros)
        + written * price.output_micros
        + usage.reasoning_tokens * _either(price.reasoning_micros, price.output_micros)
    )
    over, under = price.ratio.as_integer_ratio()
    return -(-(tokens + price.per_call_micros * MICRO) * over // (MICRO * under))


def _either(own: int | None, other: int) -> int:
    return other if own is None else own


def choose(prices: Iterable[Price], model: str, channel: str | None, at: datetime) -> Price | None:
    """The row that decides for a call, or None. Of equally specific ones the higher priority wins, then the later version."""
    fitting = [
        one
        for one in prices
        if one.model in {model, ANY_MODEL}
        and one.channel in {None, channel}
        and one.group is None
        and in_force(one, at)
    ]
    return max(fitting, key=_rank, default=None)


def in_force(price: Price, at: datetime) -> bool:
    return (price.valid_from is None or price.valid_from <= at) and (price.valid_to is None or at < price.valid_to)


def _rank(price: Price) -> tuple[object, ...]:
    since = price.valid_from.timestamp() if price.valid_from is not None else 0.0
    return price.channel is not None, price.model != ANY_MODEL, price.priority, since, str(price.id)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of a price list that cannot be used; `number` counts from 1."""

    number: int
    model: str
    reason: str

    def __str__(self) -> str:
        return f"Row {self.number} ({self.model}): {self.reason}" if self.model else f"Row {self.number}: {self.reason}"


class PricesRefused(DomainError):
    """Nothing of the list was imported, because of these rows."""

    def __init__(self, rows: list[BadRow]) -> None:
        super().__init__("\n".join(str(one) for one in rows))
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Imported:
    """How many rows became new versions, and how many said what holds already."""

    added: int
    unchanged: int
