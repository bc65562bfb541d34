"""Prices: what a call costs, which row decides, and lists that are taken whole or not at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing import Price, Usage, cost
from domain.billing.price_list import ROWS_MAX, read_prices
from domain.billing.prices import PricesRefused, choose
from domain.billing.service import import_prices
from domain.errors import ErrorCode
from domain.ids import PriceId, new_id
from tests.domain.memory import NOW, MemoryBilling
from tests.domain.world import refused

PRICE = Price("writer-1", input_micros=500_000, cached_input_micros=125_000, output_micros=2_000_000)
micros = st.integers(0, 2**40)
tokens = st.integers(0, 2_000_000)

# Cost.


COSTS = [
    (Usage(0, 0), 0),
    (Usage(1_000_000, 0), 500_000),
    (Usage(0, 1_000_000), 2_000_000),
    (Usage(1_200, 800), 600 + 1_600),
    (Usage(1_000_000, 0, cached_input_tokens=1_000_000), 125_000),
    (Usage(1_000, 0, cached_input_tokens=400), 300 + 50),
    (Usage(1, 0), 1),
    (Usage(2, 0), 1),
    (Usage(3, 0), 2),
    (Usage(1, 0, cached_input_tokens=1), 1),
    (Usage(1_000, 100, reasoning_tokens=60), 500 + 200),
]


def test_a_call_costs_its_fresh_its_cached_and_its_written_tokens() -> None:
    assert [(usage, cost(PRICE, usage)) for usage, _ in COSTS] == COSTS


def test_a_call_is_rounded_up_once_and_not_for_each_kind_of_token() -> None:
    a_third = Price("m", 333_333, 333_333, 333_333)
    assert cost(a_third, Usage(2, 1, cached_input_tokens=1)) == 1
    assert cost(a_third, Usage(2, 2, cached_input_tokens=1)) == 2


def test_more_cached_than_read_is_never_a_discount() -> None:
    assert cost(PRICE, Usage(10, 0, cached_input_tokens=1_000)) == 125


FULL = Price("m", 500_000, 125_000, 2_000_000, 750_000, 4_000_000, 1_500, Decimal("1.25"))


def test_every_kind_of_token_has_its_price_and_every_call_too() -> None:
    usage = Usage(1_000, 300, cached_input_tokens=200, cache_write_tokens=100, reasoning_tokens=50)
    exact = (700 * 0.5 + 200 * 0.125 + 100 * 0.75 + 250 * 2 + 50 * 4 + 1_500) * 1.25
    assert (cost(FULL, usage), exact) == (3_313, 3_312.5)


def test_what_is_written_to_a_cache_costs_what_is_fresh_and_reasoning_what_is_written_unless_said() -> None:
    assert cost(PRICE, Usage(1_000, 0, cache_write_tokens=400)) == cost(PRICE, Usage(1_000, 0)) == 500
    assert cost(PRICE, Usage(0, 1_000, reasoning_tokens=400)) == cost(PRICE, Usage(0, 1_000)) == 2_000
    free = Price("m", 500_000, 0, 2_000_000, cache_write_micros=0, reasoning_micros=0)
    assert cost(free, Usage(1_000, 1_000, cache_write_tokens=400, reasoning_tokens=400)) == 300 + 1_200


def test_a_call_of_which_nothing_was_counted_is_not_charged_as_one() -> None:
    assert cost(FULL, Usage(0, 0)) == 0
    assert cost(FULL, Usage(1, 0)) == 1_876


@given(
    st.builds(
        Price, st.just("m"), micros, micros, micros, st.none() | micros, st.none() | micros, st.integers(0, 2**30),
        st.decimals(0, 1_000, places=6),
    ),
    st.tuples(*[tokens] * 5),
)  # fmt: skip
def test_a_cost_is_the_exact_amount_rounded_up(price: Price, counted: tuple[int, int, int, int, int]) -> None:
    fresh, cached, stored, written, thought = counted
    exact = (
        fresh * price.input_micros
        + cached * price.cached_input_micros
        + stored * (price.input_micros if price.cache_write_micros is None else price.cache_write_micros)
        + written * price.output_micros
        + thought * (price.output_micros if price.reasoning_micros is None else price.reasoning_micros)
        + price.per_call_micros * 1_000_000
    ) * Fraction(price.ratio)
    charged = cost(price, Usage(fresh + cached + stored, written + thought, cached, thought, cache_write_tokens=stored))
    assert charged * 1_000_000 - exact < 1_000_000
    assert charged * 1_000_000 >= exact or not any(counted)


# The choice.


def row(model: str = "m", channel: str | None = None, group: str | None = None, **values: Any) -> Price:
    values.setdefault("valid_from", NOW - timedelta(days=1))
    return Price(model, 1, 1, 1, channel=channel, group=group, id=PriceId(new_id()), **values)


SPECIFIC_FIRST = [row("m", "c"), row("*", "c"), row("m"), row("*")]


@pytest.mark.parametrize("missing", range(len(SPECIFIC_FIRST)))
def test_the_most_specific_row_decides(missing: int) -> None:
    left = SPECIFIC_FIRST[missing:]
    assert choose(reversed(left), "m", "c", NOW) is left[0]


@given(st.permutations([*SPECIFIC_FIRST, row("n"), row("m", "d"), row("m", None, "g"), row("m", "c", "g")]))
def test_rows_of_other_models_and_channels_and_of_any_group_say_nothing(rows: list[Price]) -> None:
    assert choose(rows, "m", "c", NOW) is SPECIFIC_FIRST[0]
    assert choose(rows, "m", None, NOW) is SPECIFIC_FIRST[2]
    assert choose(rows, "unknown", None, NOW) is SPECIFIC_FIRST[3]


def test_among_equally_specific_rows_the_higher_priority_decides_and_then_the_newer() -> None:
    old, new = row(valid_from=NOW - timedelta(days=9)), row(valid_from=NOW - timedelta(days=2))
    first = row(priority=1, valid_from=NOW - timedelta(days=30))
    assert choose([new, old], "m", None, NOW) is new
    assert choose([new, first, old], "m", None, NOW) is first


def test_a_row_holds_from_its_first_moment_until_its_last_which_is_the_next_ones_first() -> None:
    second = timedelta(seconds=1)
    now, then = row(valid_from=NOW - second, valid_to=NOW + second), row(valid_from=NOW + second)
    chosen = [choose([now, then], "m", None, NOW + n * second) for n in (-2, -1, 0, 1, 2)]
    assert chosen == [None, now, now, then, then]


# Lists.

GOOD = {"model": "m", "input": "0.50", "cachedInput": 0.125, "output": 2}


def read(**values: Any) -> Price:
    [price], bad = read_prices([GOOD | values], NOW)
    assert bad == []
    return price


def test_a_row_is_read_to_the_micro() -> None:
    price = read(
        cache_write="0.75", reasoning=4, perCall="0.0015", ratio="1.25", channel=" eu ", group="pro", priority=7
    )
    assert price.terms == (500_000, 125_000, 750_000, 2_000_000, 4_000_000, 1_500, Decimal("1.25"))
    assert (price.key, price.valid_from, price.valid_to) == (("m", "eu", "pro", 7), NOW, None)


def test_what_a_row_leaves_out_has_a_meaning() -> None:
    [price], _ = read_prices({"prices": [{"model": "m", "inputMicros": 7, "output_micros": 9}]}, NOW)
    assert price.terms == (7, 7, None, 9, None, 0, Decimal(1))
    assert price.key == ("m", None, None, 0)


def test_a_row_may_say_from_when_to_when_it_holds() -> None:
    price = read(validFrom="2030-01-01T00:00:00Z", validTo=datetime(2030, 2, 1, tzinfo=UTC))
    assert (price.valid_from, price.valid_to) == (datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC))


BAD: list[tuple[Any, str]] = [
    ("a text", "it is not an object."),
    ({**GOOD, "inputs": 1}, "it has inputs, which says nothing here."),
    ({**GOOD, "cached_input": 1}, "it has a name that is there twice, which says nothing here."),
    ({**GOOD, "inputMicros": 1}, "input is there twice, in units and in micro-units."),
    ({"model": "m", "input": 1}, "output is missing."),
    ({**GOOD, "model": None}, "model is missing."),
    ({**GOOD, "model": 5}, "model is a text of 1 to 200 characters."),
    ({**GOOD, "model": "m" * 201}, "model is a text of 1 to 200 characters."),
    ({**GOOD, "channel": " "}, "channel is a text of 1 to 200 characters."),
    ({**GOOD, "input": -1}, "input lies outside of 0 to 1,000,000."),
    ({**GOOD, "input": "1000000.000001"}, "input lies outside of 0 to 1,000,000."),
    ({**GOOD, "input": "0.0000001"}, "input has more than six decimals."),
    ({**GOOD, "input": "much"}, "input is not a number."),
    ({**GOOD, "input": True}, "input is not a number."),
    ({**GOOD, "input": [1]}, "input is not a number."),
    ({**GOOD, "input": "NaN"}, "input is not a number that can be used."),
    ({**GOOD, "input": "1E+999999"}, "input is not a number that can be used."),
    ({**GOOD, "ratio": -1}, "ratio lies within 0 and 1,000, with at most 6 decimals."),
    ({**GOOD, "ratio": "0.0000001"}, "ratio lies within 0 and 1,000, with at most 6 decimals."),
    ({**GOOD, "priority": 0.5}, "priority is a whole number from -1,000 to 1,000."),
    ({**GOOD, "priority": 1_001}, "priority is a whole number from -1,000 to 1,000."),
    ({**GOOD, "validFrom": "2030-01-01"}, "validFrom is a moment with an offset, such as 2026-01-31T12:00:00Z."),
    (
        {**GOOD, "validTo": "0001-01-01T00:00:00+09:00"},
        "validTo is a moment with an offset, such as 2026-01-31T12:00:00Z.",
    ),
    ({**GOOD, "validTo": NOW}, "validTo does not lie behind validFrom."),
    (
        {**GOOD, "model": "*", "validTo": NOW + timedelta(days=1)},
        "the price of any model has no end: without it there would be none for a model that has no own.",
    ),
]


@pytest.mark.parametrize(("bad", "reason"), BAD, ids=lambda one: one if isinstance(one, str) else "")
def test_a_row_that_cannot_be_used_says_why(bad: Any, reason: str) -> None:
    good, rejected = read_prices([{**GOOD, "model": "other"}, bad], NOW)
    assert ([one.model for one in good], [(one.number, one.reason) for one in rejected]) == (["other"], [(2, reason)])


def test_the_same_price_twice_in_a_list_is_a_mistake() -> None:
    _, rejected = read_prices([GOOD, GOOD | {"channel": "eu"}, GOOD | {"input": 3}], NOW)
    assert [str(one) for one in rejected] == [
        "Row 3 (m): there is a row for the same model, channel, group and priority before it."]  # fmt: skip


@pytest.mark.parametrize("content", [None, 5, "text", {}, {"prices": {}}, [], [GOOD] * (ROWS_MAX + 1)], ids=repr)
def test_what_is_no_list_of_rows_is_no_price_list(content: Any) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "text"):
        read_prices(content, NOW)
    assert len(read_prices([GOOD | {"priority": n - 999} for n in range(ROWS_MAX)], NOW)[0]) == ROWS_MAX


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(
    st.lists(st.dictionaries(st.sampled_from([*GOOD, "ratio", "validTo", "priority", "x"]), json_values), min_size=1)
)
def test_whatever_a_list_holds_its_rows_are_good_or_named(rows: list[dict[str, Any]]) -> None:
    good, bad = read_prices(json.loads(json.dumps(rows)), NOW)
    assert len(good) + len(bad) == len(rows)


# Versions.


async def test_a_list_is_imported_and_the_same_list_again_changes_nothing() -> None:
    billing = MemoryBilling()
    first = await import_prices(billing, [GOOD, GOOD | {"channel": "eu", "input": 9}])
    assert (first.added, first.unchanged) == (2, 0)
    again = await import_prices(billing, [GOOD | {"input": "0.5000"}, GOOD | {"channel": "eu", "input": 9}])
    assert (again.added, again.unchanged) == (0, 2)
    assert (await billing.price_of("m", "eu")).input_micros == 9_000_000
    assert (await billing.price_of("m", "us")).input_micros == 500_000


async def test_a_new_version_ends_the_one_before_and_leaves_it_as_it_was() -> None:
    billing = MemoryBilling()
    await import_prices(billing, [GOOD])
    old = await billing.price_of("m")
    billing.now += timedelta(days=1)
    done = await import_prices(billing, [GOOD | {"input": 3}])
    new = await billing.price_of("m")
    assert (done.added, old.input_micros, old.valid_to, new.input_micros) == (1, 500_000, billing.now, 3_000_000)
    assert new.valid_to is None


async def test_one_bad_row_keeps_the_whole_list_out() -> None:
    billing = MemoryBilling()
    with pytest.raises(PricesRefused) as caught:
        await import_prices(billing, [GOOD, GOOD | {"model": "n", "input": -1}, {"model": "o"}])
    assert [one.number for one in caught.value.rows] == [2, 3]
    assert len(billing.versions) == 1


async def test_a_version_cannot_begin_before_the_one_it_follows() -> None:
    billing = MemoryBilling()
    await import_prices(billing, [GOOD | {"validFrom": "2030-01-01T00:00:00Z"}])
    for early in ({"input": 3}, {}, {"validTo": "2030-06-01T00:00:00Z"}, {"validTo": "2029-01-01T00:00:00Z"}):
        with pytest.raises(
            PricesRefused, match=r"Row 1 \(m\): a version that begins at 2030-01-01T00:00:00\+00:00 is there"
        ):
            await import_prices(billing, [GOOD | early])
    assert len(billing.versions) == 2


async def test_a_row_with_an_end_is_imported_once_and_may_be_followed_only_later() -> None:
    billing = MemoryBilling()
    offer = GOOD | {"channel": "eu", "validFrom": "2030-01-01T00:00:00Z", "validTo": "2030-02-01T00:00:00Z"}
    assert [(await import_prices(billing, [offer])).added for _ in range(2)] == [1, 0]
    open_ended = GOOD | {"channel": "eu"}
    with pytest.raises(PricesRefused, match="a version that begins at 2030-01-01"):
        await import_prices(billing, [open_ended])
    assert (await import_prices(billing, [open_ended | {"validFrom": "2030-02-01T00:00:00Z"}])).added == 1


async def test_a_row_with_an_end_and_no_beginning_is_imported_once() -> None:
    billing = MemoryBilling()
    offer = GOOD | {"validTo": "2030-02-01T00:00:00Z"}
    assert (await import_prices(billing, [offer])).added == 1
    billing.now += timedelta(days=1)
    assert (await import_prices(billing, [offer])).unchanged == 1
    assert (await import_prices(billing, [offer | {"validTo": "2030-03-01T00:00:00Z"}])).added == 1


def test_a_price_begins_within_five_years() -> None:
    ahead = timedelta(days=5 * 365 + 1)
    assert read(validFrom=NOW + ahead).valid_from == NOW + ahead
    _, [bad] = read_prices([GOOD | {"validFrom": NOW + ahead + timedelta(seconds=1)}], NOW)
    assert bad.reason == "validFrom lies more than five years ahead."
