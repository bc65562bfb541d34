"""The benches measure targets that answer alike; these hold what "alike" means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.http.answers import checked, neutral


def edge(id_: str, cursor: str, **more: Any) -> dict[str, Any]:
    return {"cursor": cursor, "node": {"id": id_, **more}}


def page(*edges: dict[str, Any]) -> dict[str, Any]:
    return {"edges": list(edges), "pageInfo": {"endCursor": edges[-1]["cursor"]}}


def body(data: Any) -> str:
    return json.dumps({"data": data})


def test_ids_and_cursors_of_its_own_are_told_apart_by_their_order() -> None:
    ours = page(edge("a", "x", chapters=page(edge("c", "k"))), edge("b", "y", chapters=page(edge("d", "l"))))
    theirs = page(edge("1", "7", chapters=page(edge("3", "0"))), edge("2", "8", chapters=page(edge("4", "0"))))
    checked({"fabula": body(ours), "postgraphile": body(theirs)})
    with pytest.raises(RuntimeError, match="postgraphile answers otherwise than fabula"):
        checked({"fabula": body(ours), "postgraphile": body(page(*theirs["edges"][:1]))})


def test_an_id_that_stands_for_another_thing_is_seen() -> None:
    right = neutral(page(edge("a", "x", project={"id": "p"}), edge("b", "y", project={"id": "p"})))
    assert right == neutral(page(edge("1", "7", project={"id": "5"}), edge("2", "8", project={"id": "5"})))
    assert right != neutral(page(edge("1", "7", project={"id": "5"}), edge("2", "8", project={"id": "6"})))


def test_an_end_cursor_is_that_of_the_last_edge() -> None:
    wrong = page(edge("1", "7"), edge("2", "8")) | {"pageInfo": {"endCursor": "7"}}
    assert neutral(wrong) != neutral(page(edge("a", "x"), edge("b", "y")))


def test_moments_are_alike_to_the_millisecond() -> None:
    ours = neutral({"createdAt": "2026-01-31T12:00:00.123Z"})
    assert ours == neutral({"createdAt": "2026-01-31T12:00:00.123999+00:00"})
    assert ours != neutral({"createdAt": "2026-01-31T12:00:00.124000+00:00"})


def test_ids_of_everyone_else_are_the_same() -> None:
    with pytest.raises(RuntimeError, match="yoga answers otherwise than fabula"):
        checked({"fabula": body(page(edge("a", "x"))), "yoga": body(page(edge("b", "x")))})


def test_an_error_is_no_answer() -> None:
    failed = json.dumps({"data": None, "errors": [{"message": "no"}]})
    with pytest.raises(RuntimeError, match="ariadne answers with errors"):
        checked({"fabula": failed.replace("errors", "extensions"), "ariadne": failed})
