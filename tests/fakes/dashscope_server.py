"""A fake of Alibaba Bailian's native text generation and text embedding.

Run: python -m tests.fakes.dashscope_server --port 0 --tokens 200 --delay-ms 10
"""

from __future__ import annotations

from typing import Any

from tests.fakes.program import main
from tests.fakes.wire import FakeProvider, sse


class FakeDashScope(FakeProvider):
    """Incremental output: counts with every frame, finish reason "null" until the last one."""

    BASE = "/api/v1"
    PATHS = ("/api/v1/services/aigc/text-generation/generation",)
    EMBEDDING_PATHS = ("/api/v1/services/embeddings/text-embedding/text-embedding",)

    def text(self, text: str, number: int, *, finish: str | None = None, counted: bool = True) -> bytes:
        return _result([_choice({"content": text}, finish)], number, counted=counted)

    def reasoning(self, text: str) -> bytes:
        return _result([_choice({"content": "", "reasoning_content": text})], 0)

    def finish(self, reason: str, tokens: int, *, usage: str = "full") -> list[bytes]:
        count = 0 if usage == "zero" else tokens
        return [_result([_choice({"content": ""}, reason)], count, counted=usage != "none")]

    def tool_call(self, index: int, call_id: str, name: str, arguments: str) -> list[bytes]:
        """Id and name with every piece, the id empty but once; the arguments in pieces of four characters."""
        texts = [arguments[n : n + 4] for n in range(0, len(arguments), 4)]
        calls = [
            {
                "index": index,
                "id": "" if place else call_id,
                "type": "function",
                "function": {"name": "" if place else name, "arguments": text},
            }
            for place, text in enumerate(texts)
        ]
        return [_result([_choice({"content": "", "tool_calls": [call]})], 20) for call in calls]

    def empty(self) -> bytes:
        return _result([], 0)

    def foreign(self) -> bytes:
        return _result([_choice({"content": {"not": "text"}})], 0)

    def error(self, code: str, message: str) -> bytes:
        return sse(self.error_body(code, message), id="6", event="error", _="HTTP_STATUS/400")

    def error_body(self, code: str, message: str) -> dict[str, Any]:
        return {"code": code, "message": message, "request_id": "req-body"}

    def prompt(self, body: dict[str, Any]) -> str:
        return " ".join(message["content"] for message in body["input"]["messages"])

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        names = {"max_tokens": "length", "temperature": "temperature"}
        return {known: body["parameters"][name] for name, known in names.items() if name in body["parameters"]}

    def embedded(self, body: dict[str, Any]) -> tuple[list[str], int | None]:
        return body["input"]["texts"], body["parameters"].get("dimension")

    def embeddings(self, vectors: list[tuple[int, list[Any]]], tokens: int) -> dict[str, Any]:
        found = [{"text_index": place, "embedding": vector} for place, vector in vectors]
        return {"output": {"embeddings": found}, "usage": {"total_tokens": tokens}, "request_id": "req-1"}


def _choice(message: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"finish_reason": finish or "null", "message": {"role": "assistant", **message}}


def _result(choices: list[dict[str, Any]], tokens: int, *, counted: bool = True) -> bytes:
    body: dict[str, Any] = {"output": {"choices": choices}, "request_id": "req-1"}
    if counted:
        body["usage"] = _usage(tokens)
    return sse(body, id=str(tokens), event="result", _="HTTP_STATUS/200")


def _usage(tokens: int) -> dict[str, Any]:
    prompt = 12 if tokens else 0
    return {
        "input_tokens": prompt,
        "output_tokens": tokens,
        "total_tokens": prompt + tokens,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_creation_input_tokens": 2} if tokens else {},
        "output_tokens_details": {"reasoning_tokens": 3 if tokens else 0},
    }


if __name__ == "__main__":
    main(FakeDashScope, "dashscope_server")
