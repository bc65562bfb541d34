"""The simulated payment service: always willing, and the same payment has the same id."""

from __future__ import annotations

import pytest

from adapters.payments_simulated import NoGateway, SimulatedGateway
from domain.errors import ErrorCode, Rejected
from domain.ids import PaymentId, TenantId, new_id
from domain.payments.entities import Payment, PaymentPurpose
from domain.payments.port import OutcomeState


def payment() -> Payment:
    return Payment(TenantId(new_id()), PaymentId(new_id()), PaymentPurpose.TOP_UP, 1, "SIMULATED", "key")


async def test_a_payments_external_id_follows_from_its_own() -> None:
    gateway, one = SimulatedGateway(), payment()
    first, again, other = [await gateway.open(each, "payer", None) for each in (one, one, payment())]
    assert first == again
    assert first != other
    assert first.external_id.startswith("simulated_")
    assert (await gateway.charge(one, None, attended=False)).state is OutcomeState.SUCCEEDED


async def test_what_was_never_charged_has_not_been_charged() -> None:
    gateway = SimulatedGateway()
    assert (await gateway.look_up(payment())).state is OutcomeState.UNSTARTED
    assert (await gateway.cancel(payment())).state is OutcomeState.UNSTARTED


@pytest.mark.parametrize("micros", [0, -1, 1_000_000_000_001])
def test_an_amount_is_within_what_one_request_may_move(micros: int) -> None:
    with pytest.raises(Rejected):
        SimulatedGateway().check(micros)
    for edge in (1, 1_000_000_000_000):
        SimulatedGateway().check(edge)


def test_where_no_service_is_set_up_nothing_is_paid() -> None:
    with pytest.raises(Rejected, match="takes no payments") as refused:
        NoGateway().check(1)
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_STATE, ())
