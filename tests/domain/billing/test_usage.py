"""Usage: spans of days, tables for spreadsheets, and statements held against what was recorded."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing.usage import (
    SPAN_DAYS_MAX,
    STATEMENT_CHARS_MAX,
    STATEMENT_ROWS_MAX,
    Difference,
    StatementQuantity,
    compare,
    days_between,
    read_statement,
    to_csv,
)
from domain.errors import ErrorCode, Rejected
from tests.domain.world import refused

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
TODAY = date(2026, 3, 31)
INPUT, OUTPUT, COST = StatementQuantity


def test_a_report_is_of_the_last_thirty_days_unless_said() -> None:
    assert days_between(None, None, NOW) == (date(2026, 3, 1), TODAY)
    assert days_between(NOW, NOW, NOW) == (TODAY, TODAY)


def test_a_day_is_a_day_in_utc() -> None:
    evening = datetime.fromisoformat("2026-03-31T22:00:00-05:00")
    assert days_between(evening, evening, NOW) == (date(2026, 4, 1), date(2026, 4, 1))


def test_a_span_runs_forward_and_is_as_long_as_it_may_be() -> None:
    assert days_between(NOW - timedelta(days=SPAN_DAYS_MAX), None, NOW)[1] == TODAY
    for since, code in (
        (NOW + timedelta(days=1), "BAD_USER_INPUT"),
        (NOW - timedelta(days=SPAN_DAYS_MAX + 1), "LIMIT_REACHED"),
    ):
        with pytest.raises(Rejected) as caught:
            days_between(since, None, NOW)
        assert (caught.value.code, caught.value.field) == (code, ("from",))


# Tables.


def test_a_table_is_rfc_4180_and_runs_no_formula() -> None:
    table = to_csv(["a", "b"], [['say "hi", you', "=1+1"], [None, NOW], [Decimal("0.10"), -5], ["@x", True]])
    assert table == ('a,b\r\n"say ""hi"", you",\'=1+1\r\n,2026-03-31T23:30:00+00:00\r\n0.10,-5\r\n\'@x,True\r\n')


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0")), min_size=2, max_size=2)))
def test_a_table_reads_as_it_was_written(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(to_csv(["a", "b"], rows), newline="")))[1:]
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows]  # fmt: skip


# Statements.


def test_a_statement_is_added_up_by_day_and_model() -> None:
    text = "\ufeffDay, Model,Input Tokens,output_tokens,amount\n2026-01-02,m,10,2,0.5\n2026-01-02,m,5,,1\n\n2026-01-03,m,1,1,0\n"
    assert read_statement(text) == {
        (date(2026, 1, 2), "m", INPUT): 15, (date(2026, 1, 2), "m", OUTPUT): 2, (date(2026, 1, 2), "m", COST): Decimal("1.5"),
        (date(2026, 1, 3), "m", INPUT): 1, (date(2026, 1, 3), "m", OUTPUT): 1, (date(2026, 1, 3), "m", COST): 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", "sample", "day,model\n", "model,input_tokens\nm,1", "day,model,cost,amount\n2026-01-02,m,1,1",
        "day,model,cost\n2026-13-02,m,1", "day,model,cost\n2026-01-02,m,much", "day,model,cost\n2026-01-02,m,NaN",
        "day,model,cost\n2026-01-02,m,1E999999", "day,model,cost\n2026-01-02", 'day,model,cost\n"' + "x" * 200_000,
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_is_no_statement_is_refused(text: str) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "csv"):
        read_statement(text)


def test_a_statement_is_as_long_as_it_may_be_and_no_longer() -> None:
    head, line = "day,model,cost\n", "2026-01-02,m,1\n"
    assert sum(read_statement(head + line * STATEMENT_ROWS_MAX).values()) == STATEMENT_ROWS_MAX
    with refused(ErrorCode.LIMIT_REACHED, "csv"):
        read_statement(head + line * (STATEMENT_ROWS_MAX + 1))
    with refused(ErrorCode.TOO_LONG, "csv"):
        read_statement("x" * (STATEMENT_CHARS_MAX + 1))


def test_a_comparison_names_what_differs_and_counts_what_agrees() -> None:
    first, second = date(2026, 1, 1), date(2026, 1, 2)
    ours = {(first, "m", INPUT): Decimal(10), (first, "m", COST): Decimal(3), (second, "n", INPUT): Decimal(7),
            (second, "free", INPUT): Decimal(0)}  # fmt: skip
    theirs = {(first, "m", INPUT): Decimal("10.0"), (second, "m", INPUT): Decimal(4)}
    differences, matched = compare(ours, theirs)
    assert matched == 1
    assert differences == [
        Difference(second, "m", INPUT, Decimal(0), Decimal(4)), Difference(second, "n", INPUT, Decimal(7), Decimal(0))]  # fmt: skip
