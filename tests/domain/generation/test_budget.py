"""The budget of a prompt: what is shortened, what is cut, and what is too much."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.generation.context import (
    TAIL_CHARS,
    CodexCard,
    Compiled,
    ContextInput,
    ContextTooSmall,
    Slot,
    compile_context,
)
from domain.text import estimated_tokens
from tests.domain.generation.test_context import INPUTS

FIXED = ContextInput(
    language="en",
    project_title="T",
    genre="",
    premise="",
    style_guide="",
    chapter_title="One",
    plan="",
    instructions="Go on.",
    previous_text="",
    target_words=1,
    codex=(),
    window_tokens=0,
)
OUTPUT_TOKENS = 64


def compiled(budget_tokens: int, **values: object) -> Compiled:
    """Compiled for exactly this budget."""
    usable = budget_tokens + OUTPUT_TOKENS
    window = next(tokens for tokens in range(int(usable / 0.65), 2 * usable) if int(tokens * 0.65) == usable)
    result = compile_context(replace(FIXED, window_tokens=window, **values))  # type: ignore[arg-type]
    assert result.budget_tokens == budget_tokens
    return result


def required_tokens(**values: object) -> int:
    """What the parts that are never dropped need."""
    with pytest.raises(ContextTooSmall) as caught:
        compile_context(replace(FIXED, window_tokens=100, **values))  # type: ignore[arg-type]
    return caught.value.required_tokens


REQUIRED = required_tokens()


def card(name: str, summary: str, **values: object) -> CodexCard:
    plain = CodexCard(name, "ITEM", name, (), summary, (), "ALWAYS")
    return replace(plain, **values)  # type: ignore[arg-type]


def decided(result: Compiled, slot: Slot = Slot.CODEX) -> list[tuple[str, str]]:
    return [(item.title, item.decision.value) for item in result.items if item.slot is slot]


# Too small.


def test_what_is_never_dropped_must_fit_to_the_token() -> None:
    assert compiled(REQUIRED).prompt_tokens <= REQUIRED
    with pytest.raises(ContextTooSmall) as caught:
        compiled(REQUIRED - 1)
    assert (caught.value.required_tokens, caught.value.budget_tokens) == (REQUIRED, REQUIRED - 1)


def test_a_window_that_the_answer_fills_alone_has_a_budget_of_nothing() -> None:
    with pytest.raises(ContextTooSmall) as caught:
        compile_context(replace(FIXED, window_tokens=0))
    assert (caught.value.required_tokens, caught.value.budget_tokens) == (REQUIRED, 0)


@pytest.mark.parametrize("part", ["style_guide", "plan", "instructions", "premise", "chapter_title"])
def test_no_part_of_the_authors_own_words_is_ever_dropped(part: str) -> None:
    words = "word " * 4_000
    with pytest.raises(ContextTooSmall) as caught:
        compile_context(replace(FIXED, window_tokens=4_000, **{part: words}))  # type: ignore[arg-type]
    assert 5_000 < caught.value.required_tokens < 5_200
    assert caught.value.budget_tokens == 2_536


def test_the_joints_between_parts_count_too() -> None:
    exact = {"style_guide": "x" * 1_000, "plan": "y" * 1_000}
    needed = required_tokens(**exact)
    result = compiled(needed, **exact)
    assert result.prompt_tokens <= result.budget_tokens
    assert result.prompt_tokens == sum(estimated_tokens(message.content) for message in result.messages)


# The tail.

PREVIOUS = "\n".join(f"{number:03d} " + "word " * 15 for number in range(60))


def tail_of(result: Compiled) -> str:
    _, _, rest = result.messages[1].content.partition("<<<\n")
    return rest.partition("\n>>>")[0]


def test_a_tail_is_shortened_step_by_step_and_then_left_out() -> None:
    assert TAIL_CHARS == (1_200, 800, 400)
    decisions = {}
    for budget in range(REQUIRED + 400, REQUIRED - 1, -4):
        result = compiled(budget, previous_text=PREVIOUS)
        (decision,) = decided(result, Slot.TAIL)
        decisions[len(tail_of(result)), decision[1]] = budget - REQUIRED
    steps = [(chars, decision) for chars, decision in decisions]
    assert [decision for _, decision in steps] == ["INCLUDED", "SHORTENED", "SHORTENED", "CUT_BUDGET"]
    assert all(
        len(PREVIOUS[-limit:]) - 80 <= chars <= limit for (chars, _), limit in zip(steps, TAIL_CHARS, strict=False)
    )
    assert steps[-1] == (0, "CUT_BUDGET")
    assert sorted(decisions.values(), reverse=True) == list(decisions.values())


def test_a_tail_that_was_left_out_says_what_there_was_room_for() -> None:
    result = compiled(REQUIRED + 7, previous_text=PREVIOUS)
    (item,) = (item for item in result.items if item.slot is Slot.TAIL)
    assert (item.tokens, item.reason) == (0, "7 tokens were left")
    assert "<<<" not in "".join(message.content for message in result.messages[1:])


def test_the_tail_comes_before_the_codex_when_there_is_not_room_for_both() -> None:
    result = compiled(REQUIRED + 125, previous_text=PREVIOUS, codex=(card("Key", "A key. " * 60),))
    assert decided(result, Slot.TAIL)[0][1] == "SHORTENED"
    assert decided(result) == [("Key", "CUT_BUDGET")]


# The codex.


def test_a_card_is_told_whole_then_in_its_first_sentence_then_not_at_all() -> None:
    key = card("Key", "It opens nothing! " + "It hums at night. " * 10, attributes=(("made of", "salt"),))
    decisions: dict[str, str] = {}
    for budget in range(REQUIRED + 100, REQUIRED - 1, -1):
        result = compiled(budget, codex=(key,))
        ((_, decision),) = decided(result)
        decisions.setdefault(decision, result.messages[1].content)
    assert list(decisions) == ["INCLUDED", "SHORTENED", "CUT_BUDGET"]
    assert "— made of: salt" in decisions["INCLUDED"]
    assert "- Key [item]: It opens nothing!\n\n## Chapter to write" in decisions["SHORTENED"]
    assert "Codex" not in decisions["CUT_BUDGET"]


def test_a_chinese_card_is_shortened_to_its_first_sentence() -> None:
    key = card("钥匙", "它什么也打不开。" + "夜里它会嗡鸣。" * 10)
    result = compiled(REQUIRED + 55, codex=(key,))
    assert decided(result) == [("钥匙", "SHORTENED")]
    assert "- 钥匙 [item]: 它什么也打不开。\n" in result.messages[1].content


def test_a_smaller_card_is_still_tried_after_one_that_did_not_fit() -> None:
    long_name = "The Very Long Name of a Thing That Nobody Can Remember " * 3
    cards = (card("A" + long_name, "Big."), card("B", "Small."))
    result = compiled(REQUIRED + 25, codex=cards)
    assert [decision for _, decision in decided(result)] == ["CUT_BUDGET", "INCLUDED"]
    assert "- B [item]: Small." in result.messages[1].content


def test_what_is_always_told_takes_its_room_before_what_is_mentioned() -> None:
    always = card("Zed", "Z" * 40 + ".")
    mentioned = card("Abe", "A" * 40 + ".", inclusion="DETECTED")
    tight = compiled(REQUIRED + 40, instructions="Go on.", chapter_title="Abe", codex=(mentioned, always))
    assert decided(tight) == [("Zed", "INCLUDED"), ("Abe", "CUT_BUDGET")]


def test_a_card_that_was_cut_never_reports_less_than_nothing_left() -> None:
    result = compiled(REQUIRED, codex=(card("Key", "A key."),))
    (item,) = (item for item in result.items if item.slot is Slot.CODEX)
    assert (item.decision, item.reason) == ("CUT_BUDGET", "0 tokens were left")


# Whatever the novel.


@given(INPUTS)
def test_a_prompt_is_never_above_its_budget(source: ContextInput) -> None:
    result = compile_context(source)
    assert result.prompt_tokens <= result.budget_tokens
    assert result.prompt_tokens == sum(estimated_tokens(message.content) for message in result.messages)
    assert result.budget_tokens + result.max_output_tokens == int(source.window_tokens * 0.65)


@given(st.integers(0, 160), st.sampled_from(["x" * 4, "x" * 400, "字" * 200]), st.integers(0, 6))
def test_a_prompt_at_the_very_edge_is_never_above_its_budget(slack: int, words: str, cards: int) -> None:
    codex = tuple(card(f"K{number}", words) for number in range(cards))
    values = {"style_guide": words, "plan": words, "premise": words}
    result = compiled(required_tokens(**values) + slack, codex=codex, previous_text=words * 3, **values)
    assert result.prompt_tokens <= result.budget_tokens
    assert len(decided(result)) == cards
