"""What a message of an author is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.conversations.entities import PartType
from domain.errors import ErrorCode, Rejected
from domain.ids import FileId
from domain.text import clean_text

MESSAGE_CHARS_MAX = 50_000
PARTS_MAX = 20


@dataclass(frozen=True, slots=True)
class PartDraft:
    """`text` of a TEXT part, `file_id` of an IMAGE part."""

    type: PartType
    text: str | None = None
    file_id: FileId | None = None


def clean_parts(text: str, parts: Sequence[PartDraft]) -> tuple[str, list[dict[str, Any]]]:
    """The message's text, which is that of its text parts, and all its parts. Raises Rejected.

    The text given comes first. Only models call tools, so an author's message has none of those parts.
    """
    drafts = [*([PartDraft(PartType.TEXT, text)] if text else []), *parts]
    if len(drafts) > PARTS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {PARTS_MAX} parts.", "input", "parts")
    kept = [_kept(one) for one in drafts]
    joined = "\n\n".join(one["text"] for one in kept if one["type"] == PartType.TEXT)
    if not joined.strip():
        raise Rejected(ErrorCode.EMPTY, "This must not be empty.", "input", "text")
    return clean_text(joined, "text", chars_max=MESSAGE_CHARS_MAX), kept


def _kept(part: PartDraft) -> dict[str, Any]:
    match part.type:
        case PartType.TEXT if part.text is not None and part.file_id is None:
            return {"type": part.type.value, "text": clean_text(part.text, "text", chars_max=MESSAGE_CHARS_MAX)}
        case PartType.IMAGE if part.file_id is not None:
            caption = clean_text(part.text or "", "parts", chars_max=MESSAGE_CHARS_MAX)
            return {"type": part.type.value, "file_id": str(part.file_id), "text": caption}
    message = "A message of an author has texts, and images by their files."
    raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "parts")
