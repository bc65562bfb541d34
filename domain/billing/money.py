"""Amounts: integer micro-units, so that no sum is ever rounded."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from domain.errors import DomainError, ErrorCode, Rejected

MICRO = 1_000_000
CURRENCY = "USD"
AMOUNT_MICROS_MAX = 1_000_000 * MICRO
"""The most that one request may move."""


@dataclass(frozen=True, slots=True)
class Money:
    """`micros` are millionths of one unit of `currency`."""

    micros: int
    currency: str = CURRENCY

    @property
    def amount(self) -> Decimal:
        return Decimal(self.micros) / MICRO


class QuotaExhausted(DomainError):
    """The wallet cannot cover a hold."""

    code: ClassVar = ErrorCode.QUOTA_EXHAUSTED
    message: ClassVar = "The wallet's credit does not cover this."

    def __init__(self, needed_micros: int, available_micros: int) -> None:
        super().__init__(self.message)
        self.needed = Money(needed_micros)
        self.available = Money(available_micros)


def micros_of(amount: Decimal, field: str = "amount") -> int:
    """An amount that somebody typed. Raises Rejected unless it is exact in micro-units and within bounds."""
    if not amount.is_finite() or abs(amount) > AMOUNT_MICROS_MAX // MICRO:
        message = f"An amount lies within {AMOUNT_MICROS_MAX // MICRO:,} {CURRENCY}."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", field)
    micros = amount * MICRO
    if micros != int(micros):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "An amount has at most six decimals.", "input", field)
    return int(micros)
