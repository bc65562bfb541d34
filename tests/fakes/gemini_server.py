"""A fake of Google Gemini's native text generation and embedding: the model is in the path, every frame an answer.

Run: python -m tests.fakes.gemini_server --port 0 --tokens 200 --delay-ms 10
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.fakes.program import main
from tests.fakes.wire import FakeProvider, sse

_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY", "tool_calls": "STOP"}


class FakeGemini(FakeProvider):
    """Counts with every frame, thoughts beside the answer; tool calls come whole, and end with STOP like any text."""

    BASE = ""
    PATHS = ("/v1beta/models/{model:.+}:streamGenerateContent",)
    EMBEDDING_PATHS = ("/v1beta/models/{model:.+}:batchEmbedContents",)
    KEY_HEADER = "x-goog-api-key"
    REQUEST_ID_HEADER = None

    def model_of(self, request: web.Request, body: dict[str, Any]) -> str:
        return request.match_info["model"]

    def text(self, text: str, number: int, *, finish: str | None = None, counted: bool = True) -> bytes:
        return _answer([{"text": text}], finish, number if counted else None)

    def reasoning(self, text: str) -> bytes:
        return _answer([{"text": text, "thought": True}])

    def finish(self, reason: str, tokens: int, *, usage: str = "full") -> list[bytes]:
        count = {"full": tokens, "zero": 0}.get(usage)
        return [_answer([{"text": ""}], reason, count)]

    def tool_call(self, index: int, call_id: str, name: str, arguments: str) -> list[bytes]:
        try:
            values = json.loads(arguments)
        except ValueError:
            values = arguments
        call = {"id": call_id, "name": name, "args": values}
        return [_answer([{"functionCall": call, "thoughtSignature": "c2lnbmVk"}])]

    def empty(self) -> bytes:
        return sse({"candidates": [], "responseId": "req-1"})

    def foreign(self) -> bytes:
        return _answer([{"text": {"not": "text"}}])

    def error(self, code: str, message: str) -> bytes:
        return sse(self.error_body(code, message))

    def error_body(self, code: str, message: str) -> dict[str, Any]:
        return {"error": {"message": message, **({"code": int(code)} if code.isdigit() else {"status": code})}}

    def prompt(self, body: dict[str, Any]) -> str:
        contents = [body["systemInstruction"], *body["contents"]]
        return " ".join(part["text"] for content in contents for part in content["parts"])

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        names = {"maxOutputTokens": "length", "temperature": "temperature"}
        config = body.get("generationConfig", {})
        return {known: config[name] for name, known in names.items() if name in config}

    def embedded(self, body: dict[str, Any]) -> tuple[list[str], int | None]:
        requests = body["requests"]
        return [one["content"]["parts"][0]["text"] for one in requests], requests[0].get("outputDimensionality")

    def embeddings(self, vectors: list[tuple[int, list[Any]]], tokens: int) -> dict[str, Any]:
        return {"embeddings": [{"values": vector} for _, vector in vectors]}


def _answer(parts: list[dict[str, Any]], finish: str | None = None, count: int | None = None) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = _REASONS.get(finish, finish)
    usage = {} if count is None else {"usageMetadata": _usage(count)}
    return sse({"candidates": [candidate], "modelVersion": "fake-writer", "responseId": "req-1", **usage})


def _usage(tokens: int) -> dict[str, Any]:
    prompt, thought = (12, min(tokens, 3)) if tokens else (0, 0)
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": tokens - thought,
        "thoughtsTokenCount": thought,
        "cachedContentTokenCount": 4 if tokens else 0,
        "totalTokenCount": prompt + tokens,
    }


if __name__ == "__main__":
    main(FakeGemini, "gemini_server")
