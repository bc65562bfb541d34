"""Messages and tools as OpenAI's chat protocol writes them, which DashScope's native one shares."""

from __future__ import annotations

import json
from typing import Any

from adapters.shapes import object_in, objects_in, text_in
from domain.generation.provider import ChatMessage, Tool, ToolCallChunk


def message_json(message: ChatMessage) -> dict[str, Any]:
    document: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        document["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments), ensure_ascii=False)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        document["tool_call_id"] = message.tool_call_id
    return document


def tool_json(tool: Tool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def tool_call_pieces(calls: Any) -> tuple[ToolCallChunk, ...]:
    """From a delta's `tool_calls`. Without an `index` (Gemini's compatible endpoint) the place in the list counts."""
    return tuple(_piece(call, place) for place, call in enumerate(objects_in(calls)))


def _piece(call: dict[str, Any], place: int) -> ToolCallChunk:
    function = object_in(call.get("function"))
    index = call.get("index")
    return ToolCallChunk(
        index if isinstance(index, int) else place,
        text_in(call.get("id")),
        text_in(function.get("name")),
        text_in(function.get("arguments")),
    )
