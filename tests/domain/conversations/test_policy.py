"""When passages are looked up, and what a policy may say."""

from __future__ import annotations

import pytest

from domain.conversations.chores import cleaned_title, useful
from domain.conversations.entities import PartType
from domain.conversations.parts import MESSAGE_CHARS_MAX, PARTS_MAX, PartDraft, clean_parts
from domain.conversations.policy import ContextPolicy, asks
from domain.errors import ErrorCode
from domain.ids import FileId, new_id
from domain.knowledge.policies import RetrievalTrigger
from tests.domain.world import refused


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Who is she?", True), ("tell me about the fog", True), ("灯塔是谁建的", True), ("介绍一下茶山", True),
        ("Write the scene in which the horn sounds", True), ("Thanks!", False), ("Go on.", False), ("好的", False),
        ("继续写吧", False), ("Yes, do that", False),
    ],
)  # fmt: skip
def test_a_question_is_known_by_its_words_its_mark_or_its_length(text: str, asked: bool) -> None:
    assert asks(text) is asked


def test_a_policy_says_always_never_or_when_something_is_asked() -> None:
    always, auto, never = RetrievalTrigger.ALWAYS, RetrievalTrigger.AUTO, RetrievalTrigger.NEVER

    def wants(trigger: RetrievalTrigger, text: str, base: RetrievalTrigger = auto) -> bool:
        return ContextPolicy(retrieval=trigger).looks_into(text, base)

    assert wants(always, "Thanks!") and not wants(never, "Who?")
    assert wants(auto, "Who?") and not wants(auto, "Thanks!")
    assert wants(auto, "Thanks!", always) and not wants(auto, "Who?", never)
    assert wants(always, "Thanks!", never) and not wants(never, "Who?", always)


def test_a_policy_is_read_as_it_was_kept() -> None:
    policy = ContextPolicy(4, 500, False, RetrievalTrigger.NEVER, 3)
    assert ContextPolicy.of(policy.kept()) == policy
    assert ContextPolicy.of({}) == ContextPolicy()


def test_a_message_is_its_text_and_its_parts() -> None:
    file_id = FileId(new_id())
    image = PartDraft(PartType.IMAGE, "The gate", file_id)
    text, parts = clean_parts("Look", [image, PartDraft(PartType.TEXT, "here")])
    assert text == "Look\n\nhere"
    assert parts == [
        {"type": "TEXT", "text": "Look"}, {"type": "IMAGE", "file_id": str(file_id), "text": "The gate"},
        {"type": "TEXT", "text": "here"},
    ]  # fmt: skip


def test_a_message_has_fifty_thousand_characters_and_twenty_parts_at_most() -> None:
    assert len(clean_parts("a" * MESSAGE_CHARS_MAX, [])[0]) == MESSAGE_CHARS_MAX
    with refused(ErrorCode.TOO_LONG, "text"):
        clean_parts("a" * (MESSAGE_CHARS_MAX + 1), [])
    with refused(ErrorCode.TOO_LONG, "text"):  # together, with what joins them
        clean_parts("a" * 25_000, [PartDraft(PartType.TEXT, "a" * 25_000)])
    word = PartDraft(PartType.TEXT, "word")
    assert len(clean_parts("", [word] * PARTS_MAX)[1]) == PARTS_MAX
    with refused(ErrorCode.LIMIT_REACHED, "parts"):
        clean_parts("one more", [word] * PARTS_MAX)


@pytest.mark.parametrize(
    "part",
    [
        PartDraft(PartType.TEXT), PartDraft(PartType.IMAGE, "no file"), PartDraft(PartType.TOOL_CALL, "x"),
        PartDraft(PartType.TOOL_RESULT, "x"), PartDraft(PartType.TEXT, "x", FileId(new_id())),
    ],
)  # fmt: skip
def test_a_part_that_no_author_can_send_is_refused(part: PartDraft) -> None:
    with refused(ErrorCode.BAD_USER_INPUT, "parts"):
        clean_parts("words", [part])


@pytest.mark.parametrize("text", ["", "  \n"])
def test_a_message_says_something(text: str) -> None:
    with refused(ErrorCode.EMPTY, "text"):
        clean_parts(text, [])


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("“The Lamps of Orrin”\n", "The Lamps of Orrin"), ("# 《茶山》。", "茶山"), ("\n\n**Fog.**\nMore", "Fog"),
        ("a" * 300, "a" * 200),
    ],
)  # fmt: skip
def test_a_title_is_one_line_without_ornaments(written: str, title: str) -> None:
    assert cleaned_title(written) == title


@pytest.mark.parametrize(
    ("purpose", "state", "written", "kept"),
    [
        ("TITLE", "TRUNCATED", "Fog over the\nand then", "Fog over the"), ("TITLE", "COMPLETED", "“。”\n", ""),
        ("TITLE", "CANCELLED", "Fog", ""), ("SUMMARY", "COMPLETED", " They met. Then ", "They met. Then"),
        ("SUMMARY", "TRUNCATED", "They met. He said 3.5 and th", "They met."), ("SUMMARY", "FAILED", "They", ""),
        ("SUMMARY", "TRUNCATED", "他们见面了。后来", "他们见面了。"), ("SUMMARY", "TRUNCATED", "They me", "They me"),
    ],
)  # fmt: skip
def test_what_is_cut_is_kept_up_to_where_it_is_whole(purpose: str, state: str, written: str, kept: str) -> None:
    assert useful(purpose, state, written) == kept
