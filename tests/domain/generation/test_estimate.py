"""What a generation is going to cost, against what it costs in the end."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.billing import Price, Usage, cost
from domain.generation.estimate import SAMPLES_MIN, SPREAD_MAX, USUAL, Learned, Sample, estimated, learned_from

PRICE = Price("m", input_micros=500_000, cached_input_micros=125_000, output_micros=2_000_000)
AIMED, MOST, PROMPT = 1_120, 1_456, 900


def sample(part: float, prompt: float = 1.0) -> Sample:
    return Sample(PROMPT, round(PROMPT * prompt), AIMED, round(AIMED * part))


def test_of_few_answers_nothing_is_learned() -> None:
    assert learned_from([sample(0.4)] * (SAMPLES_MIN - 1)) == Learned(1.0, *USUAL)
    assert learned_from([sample(0.4)] * SAMPLES_MIN) != Learned(1.0, *USUAL)


def test_answers_that_are_all_alike_stand_in_the_middle_of_their_range() -> None:
    learned = learned_from([sample(0.5, prompt=1.2)] * SAMPLES_MIN)
    assert (learned.prompt, learned.likely) == (1.2, 0.5)
    assert learned.low * learned.high == pytest.approx(0.25)
    assert learned.high / learned.low == pytest.approx(SPREAD_MAX)


def test_a_few_strange_answers_do_not_move_the_range() -> None:
    learned = learned_from([*[sample(0.9 + n / 100) for n in range(20)], sample(0.05), sample(7.0)])
    assert 0.6 < learned.low < 0.9 and 1.1 < learned.high < 1.6


@given(st.lists(st.floats(0.01, 10), min_size=SAMPLES_MIN, max_size=40), st.floats(0.5, 2))
def test_low_likely_and_high_stand_in_order_and_high_is_at_most_twice_low(parts: list[float], prompt: float) -> None:
    one = estimated(PRICE, learned_from([sample(part, prompt) for part in parts]), PROMPT, AIMED, MOST)
    assert one.low <= one.likely <= one.high <= SPREAD_MAX * one.low + 2


@pytest.mark.parametrize("seed", range(5))
def test_of_two_hundred_answers_nine_in_ten_cost_what_was_estimated(seed: int) -> None:
    """The lengths come from a die that the estimator never sees; it learns from what was written before."""
    die = Random(seed)
    bias, spread = die.uniform(0.6, 1.05), die.uniform(0.05, 0.16)
    known: list[Sample] = []
    inside = 0
    for _ in range(SAMPLES_MIN + 200):
        one = estimated(PRICE, learned_from(known[-100:]), PROMPT, AIMED, MOST)
        tokens = min(MOST, max(1, round(AIMED * die.gauss(bias, spread))))
        if len(known) >= SAMPLES_MIN:
            inside += one.low <= cost(PRICE, Usage(PROMPT, tokens)) <= one.high
            assert one.high <= SPREAD_MAX * one.low + 1
        known.append(Sample(PROMPT, PROMPT, AIMED, tokens))
    assert inside >= 180
