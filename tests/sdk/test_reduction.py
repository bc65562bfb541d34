"""The rules by which events become a text: the same as those of the TypeScript client."""

from __future__ import annotations

from typing import Any

from fabula_client import StreamState, reduce_stream
from fabula_client.events import StreamRevoked, UnknownEvent, read_generation_event

VERSION = {
    "__typename": "TextVersion", "id": "v", "number": 1, "wordCount": 1, "origin": "AI", "state": "CANDIDATE",
    "createdAt": "2026-01-01T00:00:00+00:00", "model": None, "channel": None, "note": "", "text": "stored",
    "baseVersionId": None,
}  # fmt: skip


def event(name: str, seq: int, **values: Any) -> dict[str, Any]:
    place = {"seq": seq, "cursor": f"c{seq}", "at": "2026-01-01T00:00:00+00:00"}
    return {"generationEvents": {"__typename": name, **place, **values}}


def told(*events: dict[str, Any]) -> StreamState:
    state = StreamState()
    for one in events:
        state = reduce_stream(state, read_generation_event(one))
    return state


def test_a_piece_that_comes_again_is_not_told_again() -> None:
    piece = event("TextDelta", 1, text="a")
    assert told(piece, piece, event("TextDelta", 2, text="b")).text == "ab"


def test_a_new_attempt_clears_the_text() -> None:
    state = told(
        event("TextDelta", 1, text="a"),
        event("StreamReset", 2, attempt=2, reason="cut"),
        event("TextDelta", 3, text="b"),
    )
    assert (state.text, state.attempt, state.resets) == ("b", 2, 1)


def test_a_snapshot_replaces_the_text() -> None:
    state = told(event("TextDelta", 1, text="a"), event("StreamSnapshot", 2, attempt=1, text="whole"))
    assert state.text == "whole"


def test_the_stored_version_wins_at_the_end_and_nothing_comes_after() -> None:
    end = event("GenerationCompleted", 2, version=VERSION, answer=None, usage=None)
    state = told(event("TextDelta", 1, text="a"), end, event("TextDelta", 3, text="late"))
    assert (state.text, state.seq, state.cursor) == ("stored", 2, "c2")


def test_a_revoked_right_ends_the_watch_at_the_place_of_the_last_event() -> None:
    state = told(
        event("TextDelta", 1, text="a"), event("StreamRevoked", 1, revokedCode="FORBIDDEN", message="No longer yours.")
    )
    assert isinstance(state.terminal, StreamRevoked)
    assert (state.text, state.cursor) == ("a", "c1")


def test_an_event_of_a_newer_api_only_moves_the_place() -> None:
    newer = read_generation_event(event("SomethingNew", 2, colour="blue"))
    assert isinstance(newer, UnknownEvent)
    assert told(event("TextDelta", 1, text="a"), event("SomethingNew", 2)).cursor == "c2"
