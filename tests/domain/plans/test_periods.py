"""Months and years from a starting day, and what a part of one is worth, to the micro-unit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.plans.periods import PlanPeriod, Span, boundary, prorate, span_at

MONTH, YEAR = PlanPeriod.MONTH, PlanPeriod.YEAR
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
AMOUNTS = st.integers(0, 10**12)
PERIODS = st.sampled_from(PlanPeriod)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "period", "ends"),
    [
        ("2026-01-31", MONTH, ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]),
        ("2028-01-31", MONTH, ["2028-02-29", "2028-03-31"]),
        ("2026-01-30", MONTH, ["2026-02-28", "2026-03-30"]),
        ("2026-12-15", MONTH, ["2027-01-15", "2027-02-15"]),
        ("2028-02-29", YEAR, ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]),
        ("2026-11-22T23:59:59.999999", YEAR, ["2027-11-22T23:59:59.999999"]),
    ],
)
def test_a_period_ends_on_the_day_that_the_first_began_on_or_on_the_last_of_a_shorter_month(
    anchor: str, period: PlanPeriod, ends: list[str]
) -> None:
    found, start = [], at(anchor)
    for _ in ends:
        start = span_at(at(anchor), period, start).end
        found.append(start)
    assert found == [at(one) for one in ends]


@given(MOMENTS, PERIODS, st.integers(0, 200))
def test_periods_follow_each_other_without_gap_or_overlap(anchor: datetime, period: PlanPeriod, number: int) -> None:
    start = boundary(anchor, period, number)
    span = span_at(anchor, period, start)
    assert (span.start, span.end) == (start, boundary(anchor, period, number + 1))
    days = (span.end - span.start).days
    assert 28 <= days <= 31 if period is MONTH else 365 <= days <= 366


@given(AMOUNTS, MOMENTS, PERIODS, st.floats(0, 1))
def test_what_is_used_and_what_is_left_are_the_whole(
    micros: int, anchor: datetime, period: PlanPeriod, part: float
) -> None:
    span = span_at(anchor, period, anchor)
    moment = span.start + (span.end - span.start) * part
    rest = span.rest(micros, moment)
    assert 0 <= rest <= micros
    share = micros * ((span.end - moment) // timedelta(microseconds=1))
    whole = (span.end - span.start) // timedelta(microseconds=1)
    assert share - whole < rest * whole <= share


@given(AMOUNTS, st.integers(0, 10**12), MOMENTS, PERIODS, st.floats(0, 1))
def test_an_upgrade_within_a_period_costs_the_difference_for_what_is_left_of_it(
    old: int, more: int, anchor: datetime, period: PlanPeriod, part: float
) -> None:
    span = span_at(anchor, period, anchor)
    moment = span.start + (span.end - span.start) * part
    due = prorate(old, span, old + more, span, moment)
    assert due.due_micros == due.charge_micros - due.credit_micros
    assert 0 <= due.due_micros - span.rest(more, moment) <= 1, "of two parts that are rounded down, one micro-unit"


@given(AMOUNTS, AMOUNTS, MOMENTS)
def test_a_new_period_is_charged_whole_and_an_old_one_credited_by_its_rest(
    old: int, new: int, anchor: datetime
) -> None:
    month = span_at(anchor, MONTH, anchor)
    moment = month.start + (month.end - month.start) / 2
    year = span_at(moment, YEAR, moment)
    due = prorate(old, month, new, year, moment)
    assert (due.charge_micros, due.credit_micros) == (new, month.rest(old, moment))


def test_a_part_is_exact() -> None:
    april = Span(at("2026-04-01"), at("2026-05-01"))
    assert april.rest(30_000_000, at("2026-04-11")) == 20_000_000
    assert april.rest(10_000_000, at("2026-04-11")) == 6_666_666
    assert (april.rest(7, april.start), april.rest(7, april.end), april.rest(7, at("2027-01-01"))) == (7, 0, 0)
    assert april.rest(7, at("2025-01-01")) == 7
