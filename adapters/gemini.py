"""Google Gemini's native protocol.

Every frame is a whole answer in small: candidates made of parts, and the token counts so far. What a model thinks is
counted beside its answer, not within it. A prompt that was blocked has no candidates at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote

from adapters.frames import Frame
from adapters.http_errors import ErrorFrame
from adapters.shapes import count_in, object_in, objects_in, text_in
from adapters.sse_provider import Reader, SseProvider
from adapters.wire_provider import Vectors, WireEmbedder
from domain.generation.provider import ChatMessage, CompletionRequest, ToolCallChunk, UsageReport

_ROLES = {"user": "user", "assistant": "model"}


class GeminiProvider(SseProvider, WireEmbedder):
    default_base_url = "https://generativelanguage.googleapis.com"
    version = "v1beta"
    key_header = "x-goog-api-key"

    @property
    def embedding_batch_max(self) -> int:
        return 100

    def _question(self, request: CompletionRequest) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {"contents": _contents(request.messages)}
        if system := [{"text": message.content} for message in request.messages if message.role == "system"]:
            body["systemInstruction"] = {"parts": system}
        if request.tools:
            declared = [
                {"name": tool.name, "description": tool.description, "parametersJsonSchema": dict(tool.parameters)}
                for tool in request.tools
            ]
            body["tools"] = [{"functionDeclarations": declared}]
        settings = {"maxOutputTokens": request.max_output_tokens, "temperature": request.temperature}
        if asked := {name: value for name, value in settings.items() if value is not None}:
            body["generationConfig"] = asked
        return f"{_path(request.model)}:streamGenerateContent?alt=sse", body

    def _reader(self) -> Reader:
        return _Answer().read

    async def _embed(
        self, sdk: Any, texts: Sequence[str], model: str, dimensions: int | None
    ) -> tuple[Vectors, UsageReport | None]:
        shorter = {} if dimensions is None else {"outputDimensionality": dimensions}
        name = model if "/" in model else f"models/{model}"
        requests = [{"model": name, "content": {"parts": [{"text": text}]}, **shorter} for text in texts]
        response = await sdk.post(f"{_path(model)}:batchEmbedContents", json={"requests": requests})
        answer = object_in(response.json())
        if "error" in answer:
            raise ErrorFrame(answer)
        # The protocol has neither places nor, for most models, counts.
        vectors = [(place, item["values"]) for place, item in enumerate(objects_in(answer.get("embeddings")))]
        return vectors, _usage(answer.get("usageMetadata"))


def _path(model: str) -> str:
    """Models of the firm by name alone, others by their full path: tunedModels/NAME."""
    return quote(model if "/" in model else f"models/{model}", safe="/=,:")


def _contents(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """All answers to the calls of one message go back as one, and name the functions, which only the calls tell."""
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for role, group in groupby(messages, key=lambda message: message.role):
        if role == "tool":
            contents.append({"role": "user", "parts": [_answered(message, names) for message in group]})
            continue
        for message in group:
            names |= {call.id: call.name for call in message.tool_calls}
            if role != "system":
                contents.append({"role": _ROLES[role], "parts": list(_said(message))})
    return contents


def _answered(message: ChatMessage, names: Mapping[str, str]) -> dict[str, Any]:
    called = message.tool_call_id or ""
    answer = {"id": called, "name": names.get(called, called), "response": {"result": message.content}}
    return {"functionResponse": answer}


def _said(message: ChatMessage) -> Iterator[dict[str, Any]]:
    if message.content or not message.tool_calls:
        yield {"text": message.content}
    for call in message.tool_calls:
        part: dict[str, Any] = {"functionCall": {"id": call.id, "name": call.name, "args": dict(call.arguments)}}
        # Without its signature the newer models refuse to go on.
        yield part | ({"thoughtSignature": call.signature} if call.signature else {})


class _Answer:
    """One answer as it comes in; counts the calls, which the protocol sends whole and unnumbered."""

    def __init__(self) -> None:
        self._calls = 0

    def read(self, event: Any) -> Frame:
        event = object_in(event)
        if "error" in event:
            raise ErrorFrame(event)
        if blocked := object_in(event.get("promptFeedback")).get("blockReason"):
            raise ErrorFrame({"code": "content_filter", "message": f"the prompt was blocked: {blocked}"})
        usage = _usage(event.get("usageMetadata"))
        request_id = text_in(event.get("responseId")) or None
        candidate = next((one for one in objects_in(event.get("candidates")) if not one.get("index")), None)
        if candidate is None:
            return Frame(usage=usage, request_id=request_id)
        parts = [*objects_in(object_in(candidate.get("content")).get("parts"))]
        return Frame(
            text="".join(text_in(part.get("text")) for part in parts if not part.get("thought")),
            reasoning="".join(text_in(part.get("text")) for part in parts if part.get("thought")),
            usage=usage,
            finish=text_in(candidate.get("finishReason")) or None,
            request_id=request_id,
            tool_calls=tuple(self._call(part) for part in parts if "functionCall" in part),
        )

    def _call(self, part: dict[str, Any]) -> ToolCallChunk:
        call = object_in(part["functionCall"])
        self._calls += 1
        return ToolCallChunk(
            self._calls - 1,
            text_in(call.get("id")),
            text_in(call.get("name")),
            json.dumps(object_in(call.get("args")), ensure_ascii=False),
            text_in(part.get("thoughtSignature")),
        )


def _usage(usage: Any) -> UsageReport | None:
    if not usage:
        return None
    counts = object_in(usage)
    thought = count_in(counts, "thoughtsTokenCount")
    return UsageReport(
        input_tokens=count_in(counts, "promptTokenCount") + count_in(counts, "toolUsePromptTokenCount"),
        output_tokens=count_in(counts, "candidatesTokenCount") + thought,
        cached_input_tokens=count_in(counts, "cachedContentTokenCount"),
        reasoning_tokens=thought,
    )
