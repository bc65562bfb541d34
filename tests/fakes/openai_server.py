"""A fake of any OpenAI-compatible server: streaming chat completions, embeddings and the list of models.

Run: python -m tests.fakes.openai_server --port 0 --tokens 200 --delay-ms 10
"""

from __future__ import annotations

from typing import Any, ClassVar

from aiohttp import web

from tests.fakes.program import main
from tests.fakes.wire import FakeProvider, sse


class FakeOpenAI(FakeProvider):
    """Chat completions as OpenAI streams them: deltas, a finish frame, a usage frame without choices, [DONE]."""

    BASE = "/v1"
    PATHS: ClassVar[tuple[str, ...]] = ("/v1/chat/completions",)
    EMBEDDING_PATHS: ClassVar[tuple[str, ...]] = ("/v1/embeddings",)
    models: tuple[str, ...] = ("fake-writer", "fake-embed")

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/v1/models", self._models)

    async def _models(self, _request: web.Request) -> web.Response:
        entries = [{"id": model, "object": "model", "created": 1, "owned_by": "fake"} for model in self.models]
        return web.json_response({"object": "list", "data": entries})

    def text(self, text: str, number: int, *, finish: str | None = None, counted: bool = True) -> bytes:
        role = {"role": "assistant"} if number == 1 else {}
        return _chunk({**role, "content": text}, finish)

    def reasoning(self, text: str) -> bytes:
        return _chunk({"reasoning_content": text})

    def finish(self, reason: str, tokens: int, *, usage: str = "full") -> list[bytes]:
        last = [_chunk({}, reason)]
        if usage != "none":
            last.append(_frame(choices=[], usage=_usage(0 if usage == "zero" else tokens)))
        return [*last, b"data: [DONE]\n\n"]

    def tool_call(self, index: int, call_id: str, name: str, arguments: str) -> list[bytes]:
        """Id and name with the first piece, then the arguments in pieces of four characters."""
        head = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
        texts = [arguments[n : n + 4] for n in range(0, len(arguments), 4)]
        pieces = [{"index": index, "function": {"arguments": text}} for text in texts]
        return [_chunk({"tool_calls": [piece]}) for piece in (head, *pieces)]

    def empty(self) -> bytes:
        return _frame(choices=[])

    def foreign(self) -> bytes:
        return _frame(choices=[{"index": 0, "delta": {"content": {"not": "text"}}, "finish_reason": None}])

    def error(self, code: str, message: str) -> bytes:
        return sse(self.error_body(code, message))

    def error_body(self, code: str, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "api_error", "code": code or None, "param": None}}

    def prompt(self, body: dict[str, Any]) -> str:
        return " ".join(message["content"] for message in body["messages"])

    def asked(self, body: dict[str, Any]) -> dict[str, Any]:
        names = {"max_tokens": "length", "max_completion_tokens": "length", "temperature": "temperature"}
        return {known: body[name] for name, known in names.items() if name in body}

    def embedded(self, body: dict[str, Any]) -> tuple[list[str], int | None]:
        return body["input"], body.get("dimensions")

    def embeddings(self, vectors: list[tuple[int, list[Any]]], tokens: int) -> dict[str, Any]:
        data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in vectors]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": "fake-embed", "usage": usage}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _frame(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def _frame(**content: Any) -> bytes:
    return sse({"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "fake-writer", **content})


def _usage(tokens: int) -> dict[str, Any]:
    prompt = 12 if tokens else 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": tokens,
        "total_tokens": prompt + tokens,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2} if tokens else None,
        "completion_tokens_details": {"reasoning_tokens": 3 if tokens else 0},
    }


class FakeAzure(FakeOpenAI):
    """The same below a deployment's path, which names the model; refuses a call without a version."""

    BASE = ""
    PATHS = ("/openai/deployments/{model}/chat/completions",)
    EMBEDDING_PATHS = ("/openai/deployments/{model}/embeddings",)
    KEY_HEADER = "api-key"

    def __init__(self) -> None:
        super().__init__()
        self.versions: list[str] = []

    def model_of(self, request: web.Request, body: dict[str, Any]) -> str:
        if "api-version" not in request.query:
            raise web.HTTPNotFound
        self.versions.append(request.query["api-version"])
        return request.match_info["model"]


if __name__ == "__main__":
    main(FakeOpenAI, "openai_server")
