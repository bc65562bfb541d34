"""How a fake provider may treat a request, and what it remembers of it.

The text is `w0001 w0002 ...` (or Chinese), so that any gap, repetition or loss shows.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

MODES: Mapping[str, str] = {
    "ok": "the whole text, a finish reason, usage",
    "status": "`status` with the provider's error object, `code`, `message` and `retry_after` (seconds or date+N)",
    "echo_error": "400 whose message quotes the key and the prompt",
    "hang": "accepts the request and never answers",
    "silent": "answers with headers and sends nothing more",
    "keepalive": "answers with headers, then comments for ever",
    "reset": "a TCP reset instead of an answer",
    "html": "a web page with 200",
    "json": "a JSON document with 200: the error object when `code` is set",
    "redirect": "307 to another address",
    "gzip": "a compressed stream",
    "cut": "breaks the connection after `after` tokens",
    "eof": "ends politely after `after` tokens, without a finish reason",
    "stall": "falls silent after `after` tokens",
    "garbage": "after `after` tokens an event that is no JSON",
    "broken_json": "after `after` tokens half a JSON object",
    "foreign": "after `after` tokens JSON of an unknown shape",
    "bad_utf8": "after `after` tokens bytes that are no UTF-8",
    "error_frame": "after `after` tokens an error object with `code` and `message`",
    "huge_event": "after `after` tokens an event without end",
    "endless": "text without end",
    "empty_choices": "events without choices between the tokens",
    "no_usage": "no token counts",
    "zero_usage": "token counts of zero",
    "duplicate_finish": "the finish reason twice",
    "eager_finish": "the finish reason on every event, then a break after `after` tokens",
    "late_cut": "breaks after the finish reason",
    "split": "TCP writes of 7 bytes, through the middle of events and characters",
    "length": "finish reason length",
    "content_filter": "finish reason content_filter",
    "odd_finish": "a finish reason nobody knows: `code`",
    "reasoning": "three reasoning pieces before the text",
    "empty": "a finish reason and no text",
    "surrogates": "a character split into surrogate halves over two events, and a NUL",
    "tool_calls": "the text, then `TOOL_CALLS`",
    "broken_tool_call": "the text, then a tool call whose arguments end in the middle",
    "few_vectors": "one vector too few",
    "many_vectors": "one vector too many",
    "swapped_vectors": "the vectors in another order than the texts",
    "nan_vector": "a vector with a number that is none",
    "text_vector": "a vector with text in it",
    "uneven_vectors": "one vector shorter than the others",
    "empty_vectors": "vectors without numbers",
}

TOOL_CALLS: tuple[tuple[str, str, str], ...] = (
    ("call_a", "look_up", '{"name": "米拉", "chapters": [1, 2]}'),
    ("call_b", "roll", "{}"),
)
"""(id, name, arguments)"""

BROKEN_MODES = frozenset(
    {
        "cut",
        "eof",
        "stall",
        "garbage",
        "broken_json",
        "foreign",
        "bad_utf8",
        "error_frame",
        "huge_event",
        "eager_finish",
    }
)


def token(number: int, script: str = "en") -> str:
    return f"词{number:04d}，" if script == "zh" else f"w{number:04d} "


def expected_text(tokens: int, script: str = "en") -> str:
    return "".join(token(number, script) for number in range(1, tokens + 1))


def vector(text: str, dimensions: int) -> list[float]:
    return [len(text) + place / 8 for place in range(dimensions)]


def spoilt(mode: str, vectors: list[tuple[int, list[Any]]]) -> list[tuple[int, list[Any]]]:
    """(place of the text, vector), as the modes about vectors want them."""
    (place, last), head = vectors[-1], vectors[:-1]
    match mode:
        case "few_vectors":
            return head
        case "many_vectors":
            return [*vectors, (place + 1, last)]
        case "swapped_vectors":
            return vectors[::-1]
        case "nan_vector":
            return [*head, (place, [*last[:-1], math.nan])]
        case "text_vector":
            return [*head, (place, [*last[:-1], "1,5"])]
        case "uneven_vectors":
            return [*head, (place, last[:-1])]
        case "empty_vectors":
            return [(place, []) for place, _ in vectors]
    return vectors


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`after` counts tokens; `times` is how many requests meet the fault before all is well again (0: every one)."""

    mode: str = "ok"
    tokens: int = 20
    delay_ms: float = 0.0
    after: int = 5
    times: int = 0
    status: int = 500
    code: str = ""
    message: str = "The provider is unwell."
    retry_after: str = ""
    script: str = "en"

    def overridden(self, values: Mapping[str, Any]) -> Behaviour:
        """ValueError for a name or a mode that does not exist."""
        kinds = {item.name: type(getattr(self, item.name)) for item in fields(self)}
        if unknown := set(values) - set(kinds):
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        changed = replace(self, **{name: kinds[name](value) for name, value in values.items()})
        if changed.mode not in MODES:
            raise ValueError(f"no such mode: {changed.mode}")
        return changed

    def for_model(self, model: str) -> Behaviour:
        mode, _, settings = model.partition(":")
        if mode not in MODES:
            return self
        pairs = (pair.partition("=") for pair in settings.split(",") if pair)
        return self.overridden({"mode": mode, **{name: value for name, _, value in pairs}})


@dataclass(slots=True, eq=False)
class Exchange:
    """One request and its fate. `ending` is None while it lasts."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    behaviour: Behaviour
    started_at: float
    tokens_sent: int = 0
    bytes_sent: int = 0
    first_token_at: float | None = None
    ended_at: float | None = None
    ending: str | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, how: str) -> None:
        """`how` is "complete", "fault" (ours) or "disconnected" (the client's). The first word stands."""
        if self.ending is None:
            self.ending, self.ended_at = how, time.monotonic()
            self.ended.set()

    def as_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.__slots__ if name not in ("ended", "behaviour")},
            "behaviour": asdict(self.behaviour),
        }


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to write after a pause. `then` is what follows: "go", "abort" (the connection) or "wait" (for ever)."""

    data: bytes = b""
    tokens: int = 0
    then: str = "go"
    pause_s: float = 0.0
