"""Anthropic's Messages protocol.

A message is a list of blocks, and every event names its block. Token counts come in two halves: those of the prompt
with the first event, those of the answer with the last but one; the prompt's leave out what the cache had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar

from adapters.frames import Frame
from adapters.http_errors import ErrorFrame
from adapters.presets import temperature
from adapters.shapes import count_in, object_in, text_in
from adapters.sse_provider import Reader, SseProvider
from domain.generation.provider import ChatMessage, CompletionRequest, ToolCallChunk, UsageReport

# The protocol demands a limit; every model the firm offers allows this one.
MAX_TOKENS_DEFAULT = 4_096
TEMPERATURE_MAX = 1.0


class AnthropicProvider(SseProvider):
    """The system message is marked for the firm's cache: chapters of a book share it."""

    default_base_url = "https://api.anthropic.com"
    version = "v1"
    key_header = "x-api-key"
    headers: ClassVar[Mapping[str, str]] = {"anthropic-version": "2023-06-01"}

    def _question(self, request: CompletionRequest) -> tuple[str, dict[str, Any]]:
        system = [{"type": "text", "text": message.content} for message in request.messages if message.role == "system"]
        body: dict[str, Any] = {
            "model": request.model,
            "messages": list(_messages(request.messages)),
            "max_tokens": request.max_output_tokens or MAX_TOKENS_DEFAULT,
            "stream": True,
        }
        if system:
            body["system"] = [*system[:-1], {**system[-1], "cache_control": {"type": "ephemeral"}}]
        if request.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
                for tool in request.tools
            ]
        asked = temperature(request.model, request.temperature, TEMPERATURE_MAX)
        if asked is not None:
            body["temperature"] = asked
        return "messages", body

    def _reader(self) -> Reader:
        return _Message().read


def _messages(messages: Sequence[ChatMessage]) -> Iterator[dict[str, Any]]:
    """All answers to the calls of one message go back as one."""
    for role, group in groupby(messages, key=lambda message: message.role):
        if role == "tool":
            yield {"role": "user", "content": [_answered(message) for message in group]}
        elif role != "system":
            yield from ({"role": role, "content": _said(message)} for message in group)


def _answered(message: ChatMessage) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.content}


def _said(message: ChatMessage) -> str | list[dict[str, Any]]:
    if not message.tool_calls:
        return message.content
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.content}] if message.content else []
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": dict(call.arguments)}
        for call in message.tool_calls
    ]
    return [*blocks, *calls]


class _Message:
    """One answer as it comes in. Events and blocks of unknown types are passed over, as the protocol asks."""

    def __init__(self) -> None:
        self._counts: dict[str, Any] = {}

    def read(self, event: Any) -> Frame:
        event = object_in(event)
        match event.get("type"):
            case "message_start":
                # The answer's count stands at one or two here, whatever will come: no count to bill by.
                start = object_in(event.get("message"))
                return Frame(usage=self._usage(object_in(start.get("usage")) | {"output_tokens": 0}))
            case "content_block_start":
                return _begun(event)
            case "content_block_delta":
                return _piece(event)
            case "message_delta":
                reason = text_in(object_in(event.get("delta")).get("stop_reason"))
                return Frame(usage=self._usage(object_in(event.get("usage"))), finish=_finish(reason))
            case "error":
                raise ErrorFrame(event)
        return Frame()

    def _usage(self, counts: dict[str, Any]) -> UsageReport | None:
        self._counts |= {name: value for name, value in counts.items() if value is not None}
        if "input_tokens" not in self._counts:
            return None
        cached = count_in(self._counts, "cache_read_input_tokens")
        written = count_in(self._counts, "cache_creation_input_tokens")
        return UsageReport(
            input_tokens=count_in(self._counts, "input_tokens") + cached + written,
            output_tokens=count_in(self._counts, "output_tokens"),
            cached_input_tokens=cached,
            reasoning_tokens=count_in(object_in(self._counts.get("output_tokens_details")), "thinking_tokens"),
            cache_write_tokens=written,
        )


def _begun(event: dict[str, Any]) -> Frame:
    block = object_in(event.get("content_block"))
    match block.get("type"):
        case "text":
            return Frame(text=text_in(block.get("text")))
        case "thinking":
            return Frame(reasoning=text_in(block.get("thinking")))
        case "tool_use":
            call = ToolCallChunk(_index(event), text_in(block.get("id")), text_in(block.get("name")))
            return Frame(tool_calls=(call,))
    return Frame()


def _piece(event: dict[str, Any]) -> Frame:
    delta = object_in(event.get("delta"))
    match delta.get("type"):
        case "text_delta":
            return Frame(text=text_in(delta.get("text")))
        case "thinking_delta":
            return Frame(reasoning=text_in(delta.get("thinking")))
        case "input_json_delta":
            piece = ToolCallChunk(_index(event), arguments=text_in(delta.get("partial_json")))
            return Frame(tool_calls=(piece,))
    return Frame()


def _index(event: dict[str, Any]) -> int:
    return count_in(event, "index")


def _finish(reason: str) -> str | None:
    # Elsewhere the word means that the prompt was too long; here the answer filled what was left.
    return "length" if reason == "model_context_window_exceeded" else reason or None
