"""Texts: counting, estimating, cleaning, and the tail of one."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ErrorCode
from domain.text import (
    TEXT_CHARS_MAX,
    TITLE_CHARS_MAX,
    cjk_runs,
    clean_line,
    clean_text,
    estimated_tokens,
    excerpt,
    is_cjk,
    tail,
)
from domain.text import word_count as words
from tests.domain.strategies import texts
from tests.domain.world import refused

HEBREW_SHIN = "\ufb2c"
"""One character whose composed form is three."""


COUNTED = [
    ("", 0),
    (" \n\t…—!", 0),
    ("Mira opened the door.", 4),
    ("Don't stop half-way, it’s late", 5),
    ("room 101, floor_7", 4),
    ("Zoé naïve Ångström", 3),
    ("她打开了门。", 5),
    ("小明说：“Hello, world！”", 5),
    ("他买了3个apple", 6),
    ("かなカナ", 4),
    ("안녕", 2),
    ("one\n\ntwo  three", 3),
]


def test_words_are_latin_words_and_single_cjk_characters() -> None:
    assert [(text, words(text)) for text, _ in COUNTED] == COUNTED


@given(texts, texts)
def test_words_of_two_paragraphs_are_the_sum_of_both(one: str, other: str) -> None:
    assert words(f"{one}\n{other}") == words(one) + words(other)


ESTIMATED = [
    ("", 0),
    ("a", 1),
    ("abcd", 1),
    ("abcde", 2),
    ("字", 2),
    ("汉字", 3),
    ("汉字a", 4),
    ("汉字abcd", 4),
    ("字" * 100, 150),
]


def test_a_token_is_four_latin_characters_or_two_thirds_of_a_cjk_one_rounded_up() -> None:
    assert [(text, estimated_tokens(text)) for text, _ in ESTIMATED] == ESTIMATED


@given(texts, texts)
def test_an_estimate_never_falls_when_text_is_added(one: str, other: str) -> None:
    assert estimated_tokens(one) <= estimated_tokens(one + other) <= estimated_tokens(one) + estimated_tokens(other)


# Cleaning.


def test_a_line_is_trimmed() -> None:
    assert clean_line(" \t The Salt Road \n", "title") == "The Salt Road"


def test_a_line_of_exactly_the_limit_is_taken_and_one_more_is_refused() -> None:
    assert clean_line("x" * TITLE_CHARS_MAX, "title") == "x" * 200
    with refused(ErrorCode.TOO_LONG, "title"):
        clean_line("x" * (TITLE_CHARS_MAX + 1), "title")


def test_a_text_of_exactly_the_limit_is_taken_and_one_more_is_refused() -> None:
    assert clean_text("字" * TEXT_CHARS_MAX, "text") == "字" * 500_000
    with refused(ErrorCode.TOO_LONG, "text"):
        clean_text("字" * (TEXT_CHARS_MAX + 1), "text")


def test_an_empty_line_is_refused_where_one_is_required() -> None:
    for value in ("", "   ", "\n\t", "\u3000"):
        assert clean_line(value, "genre", required=False) == ""
        with refused(ErrorCode.EMPTY, "title"):
            clean_line(value, "title")


def test_a_line_that_breaks_is_refused() -> None:
    for edge in ("\n", "\r", "\r\n", "\u2028", "\u2029"):
        with refused(ErrorCode.INVALID_CHARACTERS, "title"):
            clean_line(f"one{edge}two", "title")


def test_a_text_keeps_its_line_breaks_tabs_and_blanks() -> None:
    assert clean_text(" one\r\n\ttwo\n\n", "text") == " one\r\n\ttwo\n\n"


def test_a_text_is_stored_in_its_composed_form() -> None:
    assert clean_text("Cafe\u0301 a\u030a", "text") == "Café å"


def test_the_limit_counts_the_composed_form() -> None:
    assert clean_line("e\u0301" * 200, "title") == "é" * 200
    with refused(ErrorCode.TOO_LONG, "title"):
        clean_line(HEBREW_SHIN * 100, "title")


CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"]


def test_every_control_character_is_refused_and_not_dropped() -> None:
    assert len(CONTROLS) == 62
    for cleaned, character in product((clean_line, clean_text), CONTROLS):
        with refused(ErrorCode.INVALID_CHARACTERS, "text"):
            cleaned(f"{character}b", "text")


def test_a_lone_surrogate_is_refused() -> None:
    for half in ("\ud800", "\udbff", "\udc00", "\udfff"):
        with refused(ErrorCode.INVALID_CHARACTERS, "text"):
            clean_text(f"a{half}b", "text")


def test_a_refusal_names_the_character() -> None:
    with pytest.raises(Exception, match=r"^The character U\+0007 is not allowed\.$"):
        clean_text("ring \x07", "text")


@given(texts)
def test_what_was_cleaned_once_stays_as_it_is_and_can_be_stored(text: str) -> None:
    cleaned = clean_text(text, "text")
    assert clean_text(cleaned, "text") == cleaned
    assert cleaned.encode().decode() == cleaned


LANGUAGES = [("zh", True), ("zh-Hans-CN", True), ("ja", True), ("ko", True), ("en", False), ("fr-CA", False)]


def test_a_language_is_cjk_by_its_first_part() -> None:
    assert [(language, is_cjk(language)) for language, _ in LANGUAGES] == LANGUAGES


# Excerpts.


def test_the_cjk_runs_of_a_question_are_each_named_once_in_order() -> None:
    assert cjk_runs("雾里 the 钥匙，雾里 key") == ["雾里", "钥匙"]
    assert cjk_runs("no such thing") == []


def test_an_excerpt_marks_every_term_on_one_line() -> None:
    assert excerpt("他在雾里。\n\n钥匙  嗡鸣，钥匙。", ["钥匙", "雾"]) == "他在«雾»里。 «钥匙» 嗡鸣，«钥匙»。"


def test_a_term_that_lies_in_another_is_not_marked_within_it() -> None:
    assert excerpt("他在雾里，雾很浓。", ["雾", "雾里"]) == "他在«雾里»，«雾»很浓。"


def test_an_excerpt_begins_shortly_before_the_first_term() -> None:
    text = "海" * 500 + "钥匙" + "山" * 500
    assert excerpt(text, ["门", "钥匙"]) == "海" * 20 + "«钥匙»" + "山" * 58
    assert excerpt(text, ["门"]) == "海" * 80


# The tail.


def test_a_short_text_is_its_own_tail() -> None:
    assert tail("  The end.\n", 100) == "The end."


def test_a_tail_begins_at_a_paragraph_where_one_begins_in_its_first_half() -> None:
    assert tail("a" * 50 + "\n" + "b" * 70, 100) == "b" * 70


def test_a_tail_without_a_paragraph_edge_in_its_first_half_is_cut_where_it_falls() -> None:
    assert tail("a" * 100 + "\n" + "b" * 20, 100) == "a" * 79 + "\n" + "b" * 20
    assert tail("字" * 300, 100) == "字" * 100


def test_a_tail_does_not_count_the_blank_lines_after_the_last_word() -> None:
    assert tail("The last words." + "\n" * 200, 100) == "The last words."
    assert tail("a" * 80 + "\n\n" + "b" * 60 + " \n" * 40, 100) == "b" * 60


@given(st.text(alphabet="ab \n字", max_size=80), st.integers(1, 30))
def test_a_tail_is_the_texts_end_within_its_limit(text: str, chars_max: int) -> None:
    end = tail(text, chars_max)
    assert len(end) <= chars_max
    assert text.strip().endswith(end)
    assert bool(end) == bool(text.strip())
