"""The simulated payment service: always willing, and the same key is the same payment."""

from __future__ import annotations

from adapters.payments_simulated import SimulatedGateway
from domain.billing import Money


async def test_a_payments_id_follows_from_its_key() -> None:
    gateway = SimulatedGateway()
    first, again, other = [await gateway.charge(Money(1), key) for key in ("a", "a", "b")]
    assert first == again
    assert first != other
    assert first.external_id.startswith("simulated_")
