"""The port to a payment service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from domain.billing.money import Money


@dataclass(frozen=True, slots=True)
class Payment:
    """`external_id` is what the payment service calls it."""

    external_id: str


class PaymentGateway(Protocol):
    """Takes money. The same key never takes it twice: it gives the first payment again."""

    async def charge(self, amount: Money, key: str) -> Payment:
        """Raises Rejected when the payer's bank refuses."""
        ...
