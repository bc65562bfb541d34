"""Amounts that are exact to the micro-unit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing import Money
from domain.billing.money import micros_of
from domain.errors import ErrorCode
from tests.domain.world import refused


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_amount_is_exact_to_the_micro(value: int) -> None:
    amount = Money(value).amount
    assert amount * 1_000_000 == value
    assert int(amount.scaleb(6)) == value


def test_an_amount_reads_as_units() -> None:
    assert str(Money(1_234_567).amount) == "1.234567"
    assert str(Money(1).amount.normalize()) == "0.000001"
    assert Money(0).currency == "USD"


@pytest.mark.parametrize(
    ("amount", "micros"),
    [("10.00", 10_000_000), ("0.000001", 1), ("-3", -3_000_000), ("1000000", 10**12), ("1E+1", 10_000_000), ("0", 0)],
)
def test_an_amount_that_was_typed_is_read_exactly(amount: str, micros: int) -> None:
    assert micros_of(Decimal(amount)) == micros


@pytest.mark.parametrize("amount", ["0.0000001", "1000000.000001", "NaN", "Infinity", "-Infinity", "1E+999999", "sNaN"])
def test_an_amount_that_cannot_be_kept_exactly_is_refused(amount: str) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "amount"):
        micros_of(Decimal(amount))
