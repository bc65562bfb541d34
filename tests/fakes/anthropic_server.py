"""A fake of Anthropic's Messages: events that begin, fill and end a message's blocks.

Run: python -m tests.fakes.anthropic_server --port 0 --tokens 200 --delay-ms 10
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.fakes.program import main
from tests.fakes.wire import FakeProvider, sse

_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal", "tool_calls": "tool_use"}


class FakeAnthropic(FakeProvider):
    """The prompt's counts with the first event, the answer's with the last but one; `ping` in between."""

    BASE = ""
    PATHS = ("/v1/messages",)
    KEY_HEADER = "x-api-key"
    REQUEST_ID_HEADER = "request-id"

    def model_of(self, request: web.Request, body: dict[str, Any]) -> str:
        if "anthropic-version" not in request.headers or "max_tokens" not in body:
            raise web.HTTPBadRequest
        return str(body["model"])

    def begin(self, *, usage: str = "full") -> bytes:
        counts = {"input_tokens": 6, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 2, "output_tokens": 1}
        if usage == "zero":
            counts = dict.fromkeys(counts, 0)
        message: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake-writer"}
        message |= {"content": [], "stop_reason": None, "stop_sequence": None}
        message |= {} if usage == "none" else {"usage": counts}
        start = _event("message_start", message=message)
        return start + _event("content_block_start", index=0, content_block={"type": "text", "text": ""})

    def ping(self) -> bytes:
        return _event("ping")

    def text(self, text: str, number: int, *, finish: str | None = None, counted: bool = True) -> bytes:
        piece = _delta(0, {"type": "text_delta", "text": text})
        return piece + (_end(finish, {"output_tokens": number}) if finish else b"")

    def reasoning(self, text: str) -> bytes:
        block = {"type": "thinking", "thinking": "", "signature": ""}
        piece = _delta(9, {"type": "thinking_delta", "thinking": text})
        begun = _event("content_block_start", index=9, content_block=block)
        return begun + piece + _event("content_block_stop", index=9)

    def finish(self, reason: str, tokens: int, *, usage: str = "full") -> list[bytes]:
        full: dict[str, Any] = {"output_tokens": tokens, "output_tokens_details": {"thinking_tokens": 3}}
        counts = {"full": full, "zero": {"output_tokens": 0}}.get(usage)
        return [_end(reason, counts), _event("message_stop")]

    def tool_call(self, index: int, call_id: str, name: str, arguments: str) -> list[bytes]:
        """A block of its own. Without arguments the only piece is empty."""
        pieces = [] if arguments == "{}" else [arguments[n : n + 4] for n in range(0, len(arguments), 4)]
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        return [
            _event("content_block_start", index=index + 1, content_block=block),
            *[_delta(index + 1, {"type": "input_json_delta", "partial_json": text}) for text in ("", *pieces)],
            _event("content_block_stop", index=index + 1),
        ]

    def empty(self) -> bytes:
        return _event("ping") + _event("content_block_start", index=9, content_block={"type": "not_yet_known"})

    def foreign(self) -> bytes:
        return _delta(0, {"type": "text_delta", "text": {"not": "text"}})

    def error(self, code: str, message: str) -> bytes:
        return sse(self.error_body(code, message), event="error")

    def error_body(self, code: str, message: str) -> dict[str, Any]:
        error = {"type": code or "api_error", "message": message}
        return {"type": "error", "error": error, "request_id": "req-body"}

    def prompt(self, body: dict[str, Any]) -> str:
        said = [message["content"] for message in body["messages"]]
        return " ".join([*[block["text"] for block in body["system"]], *said])

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        names = {"max_tokens": "length", "temperature": "temperature"}
        return {known: body[name] for name, known in names.items() if name in body}


def _event(kind: str, **content: Any) -> bytes:
    return sse({"type": kind, **content}, event=kind)


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", index=index, delta=delta)


def _end(reason: str, usage: dict[str, Any] | None) -> bytes:
    delta = {"stop_reason": _REASONS.get(reason, reason), "stop_sequence": None}
    counts = {} if usage is None else {"usage": usage}
    return _event("content_block_stop", index=0) + _event("message_delta", delta=delta, **counts)


if __name__ == "__main__":
    main(FakeAnthropic, "anthropic_server")
