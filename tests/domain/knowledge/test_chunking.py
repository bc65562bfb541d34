"""Cutting: by structure, by length, in Chinese and in English; every piece is the text at its place."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import ErrorCode, Rejected
from domain.knowledge.chunking import SCRAP_SHARE, cut, sentences
from domain.knowledge.pieces import Piece
from domain.knowledge.policies import TOP_K_MAX, ChunkPolicy, ChunkUnit, RetrievalPolicy
from domain.knowledge.structure import breaks_of, level_of, markdown_headings, plain_headings
from domain.text import estimated_tokens, token_weight

PARTS = st.sampled_from(
    ["雨下了一夜。", "他说：“走吧。”", "山高水长，路远人稀，", "The lamp is lit. ", "Mr. Lane left at 3.15! ", "\n", "\n\n",
     "\n第一章 夜雨\n", "\nChapter 2\n", "\n***\n", "\n# Top\n", " ", "　", "x" * 90, "灯" * 70, "……", "a,b;c "]
)  # fmt: skip
TEXTS = st.lists(PARTS, max_size=60).map("".join)
POLICIES = st.one_of(
    st.integers(100, 300).flatmap(
        lambda size: st.integers(0, size // 2).map(lambda over: ChunkPolicy(ChunkUnit.CHARACTERS, size, over))
    ),
    st.integers(50, 150).flatmap(
        lambda size: st.integers(0, size // 2).map(lambda over: ChunkPolicy(ChunkUnit.TOKENS, size, over))
    ),
)


def pieces_of(text: str, policy: ChunkPolicy | None = None) -> list[Piece]:
    return cut(text, plain_headings(text), [], policy or ChunkPolicy())


def said(text: str, policy: ChunkPolicy | None = None) -> list[str]:
    return [text[one.start : one.end] for one in pieces_of(text, policy)]


@settings(max_examples=300, deadline=None)
@given(TEXTS, POLICIES)
def test_pieces_cover_everything_but_blanks_in_order_within_their_size(text: str, policy: ChunkPolicy) -> None:
    pieces = pieces_of(text, policy)
    measure = token_weight if policy.unit is ChunkUnit.TOKENS else len
    covered = [False] * len(text)
    for one in pieces:
        part = text[one.start : one.end]
        assert part and part == part.strip()
        assert measure(part) <= policy.size
        assert one.tokens == estimated_tokens(part)
        covered[one.start : one.end] = [True] * (one.end - one.start)
    assert all(done or char.isspace() for done, char in zip(covered, text, strict=True))
    starts, ends = [one.start for one in pieces], [one.end for one in pieces]
    assert starts == sorted(set(starts)) and ends == sorted(set(ends))


@settings(max_examples=300, deadline=None)
@given(TEXTS, POLICIES)
def test_no_piece_lies_over_a_heading_or_a_scenes_end_and_overlaps_are_bounded(text: str, policy: ChunkPolicy) -> None:
    headings = plain_headings(text)
    edges = [one.start for one in headings] + breaks_of(text)
    pieces = pieces_of(text, policy)
    measure = token_weight if policy.unit is ChunkUnit.TOKENS else len
    for one in pieces:
        over = [edge for edge in edges if one.start < edge < one.end]
        assert all(measure(text[one.start : edge].strip()) < policy.size / SCRAP_SHARE for edge in over)
    for before, after in itertools.pairwise(pieces):
        if after.start < before.end:
            assert measure(text[after.start : before.end]) <= policy.overlap


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_a_text_is_cut_the_same_each_time_and_sentences_cover_it(text: str) -> None:
    assert pieces_of(text) == pieces_of(text)
    joined = "".join(text[slice(*one)] for one in sentences(text, 0, len(text)))
    assert "".join(joined.split()) == "".join(text.split())


def test_sentences_end_in_chinese_and_in_english_where_people_end_them() -> None:
    text = "他说：“走吧。”雨停了……灯亮着！Mr. Lane paid 3.15 at St. Ives. “Now?” she said.\nA line\nthat goes on.\n新的一行\n又一行"
    assert [text[slice(*one)] for one in sentences(text, 0, len(text))] == [
        "他说：“走吧。”", "雨停了……灯亮着！", "Mr. Lane paid 3.15 at St. Ives.", "“Now?”", "she said.",
        "A line\nthat goes on.", "新的一行", "又一行",
    ]  # fmt: skip


def test_a_sentence_is_kept_whole_where_it_fits() -> None:
    text = "".join(f"第{n:02}天的雨下了整整一夜，灯还亮着。" for n in range(40))
    found = said(text, ChunkPolicy(size=100, overlap=20))
    assert all(one.startswith("第") and one.endswith("。") for one in found)
    assert all(after[:18] == before[-18:] for before, after in itertools.pairwise(found))


def test_a_sentence_that_is_too_long_is_cut_at_its_clauses() -> None:
    text = "，".join(["山高水长路远人稀"] * 30)
    found = said(text, ChunkPolicy(size=100, overlap=0))
    assert all(one.endswith("，") for one in found[:-1])


def test_headings_above_a_piece_are_its_path() -> None:
    text = "前面的话\n第一卷 渡口\n\n第一章 夜雨\n雨。\n***\n雾。\n第二章 归来\n风。\n第二卷 灯\n第三章 火\n光。"
    found = pieces_of(text, ChunkPolicy(size=100))
    assert [(list(one.heading_path), text[one.start : one.end]) for one in found] == [
        ([], "前面的话"),
        (["第一卷 渡口"], "第一卷 渡口"),
        (["第一卷 渡口", "第一章 夜雨"], "第一章 夜雨\n雨。"),
        (["第一卷 渡口", "第一章 夜雨"], "***\n雾。"),
        (["第一卷 渡口", "第二章 归来"], "第二章 归来\n风。"),
        (["第二卷 灯"], "第二卷 灯"),
        (["第二卷 灯", "第三章 火"], "第三章 火\n光。"),
    ]


def test_what_is_too_short_for_a_piece_begins_the_next_one_under_its_headings() -> None:
    text = (
        "第一卷 渡口\n\n第一章 夜雨\n"
        + "雨下了一夜，灯还亮着。" * 3
        + "\n***\n雾。\n***\n"
        + "船不等人。" * 4
        + "\n第二章\n完。"
    )
    assert [(list(one.heading_path)[1:], text[one.start : one.end][:8]) for one in pieces_of(text)] == [
        (["第一章 夜雨"], "第一卷 渡口\n\n"), (["第一章 夜雨"], "***\n雾。\n*"), (["第二章"], "第二章\n完。"),
    ]  # fmt: skip
    assert len(pieces_of("# a\n" * 100_000)) == pytest.approx(400_000 / 16, rel=0.01)


def test_a_piece_has_the_page_that_it_begins_on() -> None:
    text = "一。" * 200
    pages = [0, 100, 300]
    found = cut(text, [], pages, ChunkPolicy(size=100, overlap=0))
    assert [(one.start, one.page) for one in found] == [(0, 1), (100, 2), (200, 2), (300, 3)]


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("第一章 夜雨", 2), ("第12回", 2), ("　　第三百二十一章：归来", 2), ("第二卷 风起", 1), ("第一节", 3), ("楔子", 2),
        ("Chapter 1", 2), ("CHAPTER IV: The Lamp", 2), ("Chapter Twenty-One", 2), ("Part Two", 1), ("Epilogue", 2),
        ("Scene 3", 3), ("第一章里他说了很多话，然后走了。", None), ("Chapter 1 was the hardest to write.", 2),
        ("chapters are long", None), ("第一天他走了", None), ("Part of it was true", None), ("", None),
        ("Chapter 1: " + "x" * 60, None),
    ],
)  # fmt: skip
def test_chapters_and_parts_are_known_by_their_lines(line: str, level: int | None) -> None:
    assert level_of(line) == level


def test_markdown_has_headings_of_both_kinds_and_none_in_code() -> None:
    text = "# One #\n\nTwo\n===\n\n```\n# no\n```\n~~~\n## no\n~~~\n### Three\n\ntext\n\n---\n\nmore"
    assert [(one.level, one.title) for one in markdown_headings(text)] == [(1, "One"), (1, "Two"), (3, "Three")]


def refused(policy: ChunkPolicy | RetrievalPolicy) -> tuple[str, ...]:
    with pytest.raises(Rejected) as caught:
        policy.checked()
    assert caught.value.code is ErrorCode.BAD_USER_INPUT
    return caught.value.field


@pytest.mark.parametrize(("unit", "least", "most"), [(ChunkUnit.CHARACTERS, 100, 2_000), (ChunkUnit.TOKENS, 50, 500)])
def test_sizes_have_edges(unit: ChunkUnit, least: int, most: int) -> None:
    for size in (least, most):
        assert ChunkPolicy(unit, size, size // 2).checked()
        assert refused(ChunkPolicy(unit, size, size // 2 + 1)) == ("input", "chunkPolicy", "overlap")
    assert refused(ChunkPolicy(unit, size=least, overlap=-1)) == ("input", "chunkPolicy", "overlap")
    for size in (least - 1, most + 1):
        assert refused(ChunkPolicy(unit, size, 0)) == ("input", "chunkPolicy", "size")


def test_a_retrieval_policy_has_edges() -> None:
    for policy in (RetrievalPolicy(0.0, 1), RetrievalPolicy(1.0, TOP_K_MAX)):
        assert RetrievalPolicy.from_json(policy.checked().to_json()) == policy
    for weight in (-0.01, 1.01, float("nan")):
        assert refused(RetrievalPolicy(weight)) == ("input", "retrievalPolicy", "vectorWeight")
    for top_k in (0, TOP_K_MAX + 1):
        assert refused(RetrievalPolicy(top_k=top_k)) == ("input", "retrievalPolicy", "topK")
