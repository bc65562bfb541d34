"""Marks become quotes that stand in the document, whatever the model makes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.conversations.passages import (
    CITATIONS_MAX,
    MarkReader,
    Passage,
    best_sentence,
    cited,
    read_shown,
    sentences,
    shown,
)
from domain.ids import ChunkId, SourceDocumentId, new_id

TEXT = "# Harbour\n\nThe lighthouse was built in 1843. Its keeper is Mira Vale. “Nobody comes,” she says.\n\n## Fog\nThe horn sounds 3.5 times."
CHINESE = "第一章\n\n茶园在南坡，由林岚照看。茶会只请九位客人。没有人知道第九位是谁！"


def passage(source: str = TEXT, alias: int = 1, start: int = 100) -> Passage:
    return Passage(alias, ChunkId(new_id()), SourceDocumentId(new_id()), "Harbour", source, source, start)


def test_sentences_are_cut_where_a_reader_would() -> None:
    assert [TEXT[a:b] for a, b in sentences(TEXT)] == [
        "# Harbour", "The lighthouse was built in 1843.", "Its keeper is Mira Vale.", "“Nobody comes,” she says.",
        "## Fog", "The horn sounds 3.5 times.",
    ]  # fmt: skip
    assert [CHINESE[a:b] for a, b in sentences(CHINESE)] == [
        "第一章", "茶园在南坡，由林岚照看。", "茶会只请九位客人。", "没有人知道第九位是谁！"]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wanted", "best"),
    [
        (TEXT, "Mira Vale keeps it", "Its keeper is Mira Vale."),
        (TEXT, "It was built a long time ago", "The lighthouse was built in 1843."),
        (TEXT, "fog", "The lighthouse was built in 1843."),
        (CHINESE, "客人有几位", "茶会只请九位客人。"),
        ("Harbour", "anything", "Harbour"),
    ],
)
def test_the_nearest_sentence_is_quoted_and_headings_only_where_there_is_nothing_else(
    text: str, wanted: str, best: str
) -> None:
    span = best_sentence(text, wanted)
    assert span is not None and text[slice(*span)] == best


def test_a_text_of_blanks_has_nothing_to_quote() -> None:
    assert best_sentence(" \n ", "x") is None


def test_a_mark_quotes_the_sentence_nearest_to_the_words_before_it() -> None:
    answer = "It dates from 1843, when it was built [1]. Mira Vale is its keeper [1]."
    one, two = cited(answer, [passage()], "What of the lighthouse?")
    assert (one.quote, two.quote) == ("The lighthouse was built in 1843.", "Its keeper is Mira Vale.")
    assert (answer[one.start : one.end], one.rank, two.rank) == ("[1]", 1, 2)
    assert (one.span_start, one.span_end) == (100 + TEXT.index("The light"), 100 + TEXT.index(" Its keeper"))


@pytest.mark.parametrize("mark", ["[1, 2]", "[1,2]", "[1、2]", "【1，2】", "[1] [2]", "[1][2]"])
def test_marks_may_name_several_passages(mark: str) -> None:
    found = cited(f"Mira Vale {mark}.", [passage(), passage(CHINESE, 2)], "")
    assert [one.passage.alias for one in found] == [1, 2]


@pytest.mark.parametrize("text", ["[0]", "[3]", "[999]", "[1000]", "[a]", "[]", "1", "[1", "1]", "[1.5]", "[demo:1]"])
def test_what_names_no_passage_is_no_citation(text: str) -> None:
    assert cited(f"Said {text} so.", [passage(), passage(alias=2)], "") == []


def test_an_answer_has_at_most_a_hundred_citations() -> None:
    assert len(cited("Mira Vale [1]. " * (CITATIONS_MAX + 1), [passage()], "")) == CITATIONS_MAX


@given(
    st.lists(st.sampled_from(["Mira Vale ", "[1]", "[", "1", ", 2", "]", "【2】", "茶园", ". ", "\n", "x" * 50])),
    st.data(),
)
def test_citations_are_the_same_in_whatever_pieces_the_answer_comes(parts: list[str], data: st.DataObject) -> None:
    text, passages = "".join(parts), [passage(), passage(CHINESE, 2)]
    reader, at, found = MarkReader(passages, "who"), 0, []
    while at < len(text):
        size = data.draw(st.integers(1, 9))
        found += reader.feed(text[at : at + size])
        at += size
    assert found == cited(text, passages, "who")
    for one in found:
        assert one.passage.source[one.span_start - 100 : one.span_end - 100] == one.quote != ""


@given(st.text(alphabet="<>[]0123\n a。", max_size=60), st.text(alphabet="<>[]0123\n a", max_size=20))
def test_whatever_a_passage_says_it_stays_within_its_fence(text: str, title: str) -> None:
    one = Passage(1, ChunkId(new_id()), SourceDocumentId(new_id()), title, text, text, 0)
    [(number, _)] = read_shown(shown(one))
    assert number == 1
