"""Periods of a subscription: months or years from a starting day, and what a part of one is worth.

Boundaries are counted from the first day, not from the last boundary: what begins on the 31st ends on the 28th of
February and again on the 31st of March. A part is rounded down to a whole micro-unit; what is left of an amount is the
amount less that part, so that nothing is lost between the two.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_INSTANT = timedelta(microseconds=1)


class PlanPeriod(StrEnum):
    """How long what is paid for a plan lasts."""

    MONTH = "MONTH"
    YEAR = "YEAR"

    @property
    def months(self) -> int:
        return 12 if self is PlanPeriod.YEAR else 1


def boundary(anchor: datetime, period: PlanPeriod, number: int) -> datetime:
    """The end of the so-manieth period that follows the anchor; on a shorter month's last day where it has to be."""
    months = anchor.month - 1 + number * period.months
    year, month = anchor.year + months // 12, months % 12 + 1
    return anchor.replace(year=year, month=month, day=min(anchor.day, monthrange(year, month)[1]))


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` until `end`, which it has no part of."""

    start: datetime
    end: datetime

    def rest(self, micros: int, at: datetime) -> int:
        """What is left of an amount for the whole span, from a moment on."""
        left = self.end - min(max(at, self.start), self.end)
        return micros * (left // _INSTANT) // ((self.end - self.start) // _INSTANT)


def span_at(anchor: datetime, period: PlanPeriod, start: datetime) -> Span:
    """The period that begins at a boundary."""
    months = (start.year - anchor.year) * 12 + start.month - anchor.month
    return Span(start, boundary(anchor, period, months // period.months + 1))


@dataclass(frozen=True, slots=True)
class Proration:
    """A change within a period: `credit_micros` for what is unused of the old, `charge_micros` for the new."""

    credit_micros: int
    charge_micros: int

    @property
    def due_micros(self) -> int:
        return self.charge_micros - self.credit_micros


def prorate(old_micros: int, old: Span, new_micros: int, new: Span, at: datetime) -> Proration:
    """From one amount a span to another; the spans are the same unless the change begins a new one."""
    return Proration(old.rest(old_micros, at), new.rest(new_micros, at))
