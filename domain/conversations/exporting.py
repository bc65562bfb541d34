"""A conversation written down, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.conversations.entities import MessageRole

_SAYS = {
    MessageRole.USER: "Author",
    MessageRole.ASSISTANT: "Answer",
    MessageRole.SYSTEM: "Instructions",
    MessageRole.TOOL: "Tool",
}


def by_message(cited: Iterable[Any]) -> dict[Any, list[Any]]:
    """What each message cites, in order."""
    found: dict[Any, list[Any]] = {}
    for one in cited:
        found.setdefault(one.message_id, []).append(one)
    return found


def beginning(path: Sequence[Any], bytes_max: int) -> list[Any]:
    """The first messages that have so much text together, and at least one."""
    kept: list[Any] = []
    for one in path:
        bytes_max -= len(one.text.encode())
        if kept and bytes_max < 0:
            break
        kept.append(one)
    return kept


def as_markdown(conversation: Any, path: Sequence[Any], cited: Mapping[Any, Sequence[Any]]) -> str:
    """One path, each message under who says it, and below it the words that it cites.

    `cited` has what a message cites by its id: (marker, quote, title).
    """
    parts = [f"# {conversation.title or 'Conversation'}"]
    for message in path:
        parts.append(f"## {_SAYS[MessageRole(message.role)]}\n\n{message.text}")
        notes = [f"> [{one.marker}] {_line(one.quote)} ({_line(one.title or '')})" for one in cited.get(message.id, ())]
        if notes:
            parts.append("\n>\n".join(notes))
    return "\n\n".join(parts) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def as_json(conversation: Any, messages: Sequence[Any], cited: Mapping[Any, Sequence[Any]]) -> str:
    """The whole tree; ids tie it together and mean nothing elsewhere."""
    active = conversation.active_leaf_id
    whole = {
        "title": conversation.title,
        "topic": conversation.topic,
        "createdAt": conversation.created_at.isoformat(),
        "activeLeaf": str(active) if active else None,
        "messages": [
            {
                "id": str(one.id),
                "parent": str(one.parent_id) if one.parent_id else None,
                "editedFrom": str(one.edited_from_id) if one.edited_from_id else None,
                "role": one.role,
                "state": one.state,
                "text": one.text,
                "parts": one.parts,
                "createdAt": one.created_at.isoformat(),
                "citations": [_citation(citation) for citation in cited.get(one.id, ())],
            }
            for one in messages
        ],
    }
    return json.dumps(whole, ensure_ascii=False, indent=2) + "\n"


def _citation(one: Any) -> dict[str, Any]:
    return {
        "marker": one.marker,
        "start": one.start_char,
        "end": one.end_char,
        "quote": one.quote,
        "documentTitle": one.title or "",
        "spanStart": one.span_start,
        "spanEnd": one.span_end,
    }
