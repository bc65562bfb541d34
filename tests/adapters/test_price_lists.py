"""Price lists as text: what can be parsed, and what is refused before it does harm."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.price_lists import parse_prices
from domain.billing.price_list import TEXT_CHARS_MAX, PriceFormat, read_prices
from domain.errors import ErrorCode
from tests.domain.world import refused

YAML = """
prices:
  - {model: writer-1, input: 0.50, cachedInput: 0.125, output: 2}
  - model: writer-1
    channel: eu
    input: "0.1"
    output: 0.3
    validFrom: 2030-01-01T00:00:00Z
"""
JSON = """[
  {"model": "writer-1", "input": 0.50, "cachedInput": 0.125, "output": 2},
  {"model": "writer-1", "channel": "eu", "input": "0.1", "output": 0.3, "validFrom": "2030-01-01T00:00:00Z"}
]"""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("text", "format_"), [(YAML, PriceFormat.YAML), (JSON, PriceFormat.JSON)])
def test_a_list_says_the_same_in_either_format(text: str, format_: PriceFormat) -> None:
    good, bad = read_prices(parse_prices(text, format_), NOW)
    assert bad == []
    assert [(one.channel, one.input_micros, one.output_micros, one.valid_from) for one in good] == [
        (None, 500_000, 2_000_000, NOW), ("eu", 100_000, 300_000, datetime(2030, 1, 1, tzinfo=UTC))]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("[{", PriceFormat.JSON),
        ("[1" + "0" * 5_000 + "]", PriceFormat.JSON),
        ("[" * 100_000, PriceFormat.JSON),
        ("a: [", PriceFormat.YAML),
        ("a: &x [1]\nb: *x", PriceFormat.YAML),
        ("a: &x {b: 1}\nc: {<<: *x}", PriceFormat.YAML),
        ("[" * 100_000, PriceFormat.YAML),
        ("!!python/object/apply:os.getcwd []", PriceFormat.YAML),
        ("\x00", PriceFormat.YAML),
        ("--- 1\n--- 2", PriceFormat.YAML),
    ],
)
def test_what_cannot_be_parsed_is_refused(text: str, format_: PriceFormat) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "text"):
        parse_prices(text, format_)


def test_a_list_is_as_long_as_it_may_be_and_no_longer() -> None:
    assert parse_prices("1" + " " * (TEXT_CHARS_MAX - 1), PriceFormat.JSON) == 1
    with refused(ErrorCode.TOO_LONG, "text"):
        parse_prices("1" + " " * TEXT_CHARS_MAX, PriceFormat.JSON)


def test_a_mistake_is_shown_where_it_is() -> None:
    for text, format_ in (('[\n1,\n"', PriceFormat.JSON), ("a: 1\nb: 2\nc: [", PriceFormat.YAML)):
        with pytest.raises(Exception, match=rf"This is no {format_}\. Look at line [34]\."):
            parse_prices(text, format_)
