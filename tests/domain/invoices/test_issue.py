"""What an invoice comes to, whatever is billed."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from domain.invoices import Invoice, InvoiceItem, InvoiceReason, InvoiceState, InvoiceTerms, ItemKind
from domain.invoices.service import CENT_MICROS, TOTAL_MICROS_MIN, issue
from tests.domain.memory import MemoryUnitOfWork

AMOUNTS = st.lists(st.integers(-20_000_000, 20_000_000), min_size=1, max_size=8)


def _issued(rounds: list[list[int]]) -> tuple[MemoryUnitOfWork, list[Invoice]]:
    """A tenant's invoices, one over each round of amounts."""
    uow = MemoryUnitOfWork()

    async def run() -> list[Invoice]:
        made = []
        for number, amounts in enumerate(rounds):
            for place, micros in enumerate(amounts):
                await uow.invoices.add_item(InvoiceItem(ItemKind.SUBSCRIPTION, "Plan", micros, f"{number}:{place}"))
            invoice = await issue(uow, InvoiceReason.SUBSCRIPTION, InvoiceTerms())
            made += [invoice] if invoice is not None else []
        return made

    return uow, asyncio.run(run())


@given(st.lists(AMOUNTS, min_size=1, max_size=4))
def test_an_invoice_is_the_sum_of_its_lines_and_can_be_paid(rounds: list[list[int]]) -> None:
    uow, made = _issued(rounds)
    assert len(made) == len(rounds)
    for one in made:
        lines = uow.invoices.billed[one.id]
        assert (one.total_micros, one.lines) == (sum(line.amount_micros for line in lines), len(lines))
        assert one.total_micros == 0 or one.total_micros >= TOTAL_MICROS_MIN
        assert one.total_micros % CENT_MICROS == 0
        assert one.state == (InvoiceState.OPEN if one.total_micros else InvoiceState.PAID)


@given(st.lists(AMOUNTS, min_size=1, max_size=4))
def test_nothing_is_lost_between_invoices_but_parts_of_a_cent(rounds: list[list[int]]) -> None:
    uow, made = _issued(rounds)
    billed = sum(one.total_micros for one in made) + sum(one.amount_micros for one in uow.invoices.waiting)
    let_off = sum(map(sum, rounds)) - billed
    assert 0 <= let_off < CENT_MICROS * len(made)


def test_the_least_that_is_billed_is_half_a_unit() -> None:
    assert [one.total_micros for one in _issued([[TOTAL_MICROS_MIN]])[1]] == [TOTAL_MICROS_MIN]
    assert [one.total_micros for one in _issued([[TOTAL_MICROS_MIN - 1]])[1]] == [0]


def test_what_was_carried_over_is_no_reason_for_an_invoice() -> None:
    assert len(_issued([[-5], [], []])[1]) == 1
