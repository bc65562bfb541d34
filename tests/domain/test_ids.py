"""Identifiers: the layout of a UUIDv7, and its order."""

from __future__ import annotations

import time
from types import SimpleNamespace
from uuid import RFC_4122

import pytest

from domain.ids import new_id


def at(monkeypatch: pytest.MonkeyPatch, milliseconds: int, random_bytes: bytes = b"\xff" * 10) -> None:
    """Stop the clock and load the dice."""
    clock = SimpleNamespace(time_ns=lambda: milliseconds * 1_000_000 + 999_999)
    monkeypatch.setattr("domain.ids.time", clock)
    monkeypatch.setattr("domain.ids.os", SimpleNamespace(urandom=lambda count: random_bytes[:count]))


def test_the_first_48_bits_are_unix_milliseconds_rounded_down(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 0x0123_4567_89AB)
    assert new_id().int >> 80 == 0x0123_4567_89AB


def test_version_and_variant_stand_where_the_standard_puts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 1, b"\xff" * 10)
    assert str(new_id()) == "00000000-0001-7fff-bfff-ffffffffffff"
    at(monkeypatch, 1, b"\x00" * 10)
    assert str(new_id()) == "00000000-0001-7000-8000-000000000000"


def test_an_id_says_that_it_is_a_version_7_of_the_standard() -> None:
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_an_id_carries_the_time_of_its_making() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_an_id_of_a_later_millisecond_sorts_after_every_earlier_one(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, 41, b"\xff" * 10)
    last_of_the_earlier = new_id()
    at(monkeypatch, 42, b"\x00" * 10)
    first_of_the_later = new_id()
    assert last_of_the_earlier < first_of_the_later
    assert str(last_of_the_earlier) < str(first_of_the_later)


def test_a_thousand_ids_are_a_thousand_different_ids() -> None:
    assert len({new_id() for _ in range(1_000)}) == 1_000
