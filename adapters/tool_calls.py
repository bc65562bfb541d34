"""Joins the pieces in which a model's tool calls arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from adapters.http_errors import failure
from domain.generation.provider import ProviderErrorCode, ToolCall, ToolCallChunk

CALLS_MAX = 128


class ToolCalls:
    """The calls of one stream, in the order in which they began."""

    def __init__(self) -> None:
        self._calls: dict[int, ToolCallChunk] = {}
        self._arguments: dict[int, list[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, piece: ToolCallChunk) -> None:
        """Raises INVALID_RESPONSE for one call more than `CALLS_MAX`."""
        known = self._calls.get(piece.index)
        if known is None and len(self._calls) == CALLS_MAX:
            raise failure(ProviderErrorCode.INVALID_RESPONSE, detail=f"more than {CALLS_MAX} tool calls")
        head = replace(piece, arguments="")
        # Some servers repeat id and name on every piece, others send them once.
        self._calls[piece.index] = head if known is None else _merged(known, head)
        self._arguments.setdefault(piece.index, []).append(piece.arguments)

    def whole(self) -> Iterator[ToolCall]:
        """Raises INVALID_RESPONSE for a call that has no name, or whose arguments are no JSON object."""
        for index, call in self._calls.items():
            if not call.name:
                raise failure(ProviderErrorCode.INVALID_RESPONSE, detail="a tool call without a name")
            arguments = _arguments("".join(self._arguments[index]))
            yield ToolCall(call.id or f"call_{index}", call.name, arguments, call.signature)


def _merged(known: ToolCallChunk, piece: ToolCallChunk) -> ToolCallChunk:
    return replace(
        known,
        id=piece.id or known.id,
        name=piece.name or known.name,
        signature=piece.signature or known.signature,
    )


def _arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise failure(ProviderErrorCode.INVALID_RESPONSE, detail="a tool call whose arguments are no JSON object")
    return arguments
