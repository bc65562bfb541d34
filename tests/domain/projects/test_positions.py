"""Fractional positions: always another one between two, and short ones for what writers do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.projects.positions import DIGITS, position_between

PLACES = st.sampled_from(["first", "last", "between", "after newest", "before newest"])
MOVES: st.SearchStrategy[list[tuple[str, int]]] = st.lists(st.tuples(PLACES, st.integers(0, 100)), max_size=40)


def insert(row: list[str], at: int) -> int:
    """Put a position at this place of the row."""
    made = position_between(row[at - 1] if at else None, row[at] if at < len(row) else None)
    row.insert(at, made)
    return at


@given(MOVES)
def test_any_sequence_of_insertions_stays_in_order_and_leaves_room_before_each(moves: list[tuple[str, int]]) -> None:
    row: list[str] = []
    newest = 0
    for where, share in moves:
        places = {"first": 0, "last": len(row), "before newest": newest, "after newest": min(newest + 1, len(row))}
        newest = insert(row, places.get(where, share * len(row) // 100))
    assert all(one < other for one, other in pairwise(row))
    assert not any(position.endswith(DIGITS[0]) for position in row)
    assert set("".join(row)) <= set(DIGITS)


def test_digits_sort_bytewise_and_above_the_paths_separator() -> None:
    assert [digit.encode() for digit in DIGITS] == sorted(digit.encode() for digit in DIGITS)
    assert len(DIGITS) == 62
    assert DIGITS[0] > "/"


BETWEEN = [
    (None, None, "1"),
    ("1", None, "2"),
    ("z", None, "z1"),
    (None, "1", "0z"),
    (None, "01", "00z"),
    (None, "V", "U"),
    ("1", "3", "2"),
    ("1", "2", "11"),
    ("1", "11", "10z"),
    ("Az", "B", "Az1"),
    ("A", "Z", "M"),
    ("A1", "B5", "B"),
]


def test_a_position_is_the_shortest_that_its_neighbours_leave() -> None:
    assert [(before, after, position_between(before, after)) for before, after, _ in BETWEEN] == BETWEEN


def test_there_is_nothing_between_neighbours_in_the_wrong_order() -> None:
    for before, after in (("2", "1"), ("1", "1"), ("11", "1")):
        with pytest.raises(ValueError, match="no position between"):
            position_between(before, after)


def appended(count: int) -> list[str]:
    row = [position_between(None, None)]
    for _ in range(count - 1):
        row.append(position_between(row[-1], None))
    return row


def prepended(count: int) -> list[str]:
    row = [position_between(None, None)]
    for _ in range(count - 1):
        row.append(position_between(None, row[-1]))
    return row[::-1]


@pytest.mark.parametrize(("made", "longest"), [(appended, 82), (prepended, 83)])
def test_five_thousand_chapters_at_one_end_keep_their_positions_short(
    made: Callable[[int], list[str]], longest: int
) -> None:
    row = made(5_000)
    assert all(one < other for one, other in pairwise(row))
    assert max(map(len, row)) == longest


def test_two_thousand_insertions_at_one_seam_keep_their_positions_short() -> None:
    row = ["1", "2"]
    for _ in range(1_000):
        insert(row, 1)
    for _ in range(1_000):
        insert(row, len(row) - 1)
    assert all(one < other for one, other in pairwise(row))
    assert max(map(len, row)) <= 40


def test_a_chapter_that_is_dragged_to_and_fro_a_thousand_times_keeps_its_position_short() -> None:
    row = appended(10)
    for _ in range(500):
        row.pop(9)
        insert(row, 4)
        row.pop(4)
        insert(row, 9)
    assert all(one < other for one, other in pairwise(row))
    assert max(map(len, row)) <= 20
