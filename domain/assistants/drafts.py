"""What an assistant and a version of one may hold: cleaning and limits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.assistants.entities import Assistant, AssistantVersion, Category
from domain.errors import ErrorCode, Rejected
from domain.text import LINE_CHARS_MAX, NOTE_CHARS_MAX, TITLE_CHARS_MAX, clean_line, clean_text

PROMPT_CHARS_MAX = 20_000
OPENINGS_MAX = 10
EXAMPLES_MAX = 20
TOOLS_MAX = 20
KNOWLEDGE_BASES_MAX = 20
TAGS_MAX = 10
TAG_CHARS_MAX = 40
TEMPERATURE_MAX = 2.0
OUTPUT_TOKENS_MAX = 1_000_000

_TOOL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class AssistantDraft:
    """New values of an assistant; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    category: Category | None = None
    tags: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class VersionDraft:
    """The content of a new version."""

    prompt: str
    greeting: str = ""
    opening_messages: Sequence[str] = ()
    examples: Sequence[tuple[str, str]] = ()
    model: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    tools: Sequence[tuple[str, str]] = ()
    knowledge_base_ids: Sequence[str] = ()
    changelog: str = ""


def apply(assistant: Assistant, draft: AssistantDraft) -> None:
    """Raises Rejected."""
    if draft.name is not None:
        assistant.name = clean_line(draft.name, "name", chars_max=TITLE_CHARS_MAX)
    if draft.description is not None:
        assistant.description = clean_text(draft.description, "description", chars_max=NOTE_CHARS_MAX)
    if draft.category is not None:
        assistant.category = draft.category
    if draft.tags is not None:
        assistant.tags = clean_tags(draft.tags)


def clean_tags(tags: Sequence[str], field: str = "tags") -> list[str]:
    """Tags as they are kept: in small letters, blanks as single hyphens, each once, in order. Raises Rejected."""
    kept = list(dict.fromkeys(_tag(one, field) for one in tags))
    _at_most(kept, TAGS_MAX, "tags", field)
    return kept


def _tag(value: str, field: str) -> str:
    words = clean_line(value, field, chars_max=LINE_CHARS_MAX, required=False).lower().replace("#", " ").split()
    return clean_line("-".join(words), field, chars_max=TAG_CHARS_MAX)


def fill(version: AssistantVersion, draft: VersionDraft) -> None:
    """Raises Rejected."""
    version.prompt = clean_text(draft.prompt, "prompt", chars_max=PROMPT_CHARS_MAX)
    if not version.prompt.strip():
        raise Rejected(ErrorCode.EMPTY, "This must not be empty.", "input", "prompt")
    version.greeting = clean_text(draft.greeting, "greeting", chars_max=NOTE_CHARS_MAX)
    version.changelog = clean_text(draft.changelog, "changelog", chars_max=NOTE_CHARS_MAX)
    _at_most(draft.opening_messages, OPENINGS_MAX, "opening messages", "openingMessages")
    version.opening_messages = [clean_line(one, "openingMessages", chars_max=LINE_CHARS_MAX)
                                for one in draft.opening_messages]  # fmt: skip
    _at_most(draft.examples, EXAMPLES_MAX, "examples", "examples")
    version.examples = [_example(*one) for one in draft.examples]
    _at_most(draft.tools, TOOLS_MAX, "tools", "tools")
    version.tools = [_tool(*one) for one in draft.tools]
    version.knowledge_base_ids = list(dict.fromkeys(draft.knowledge_base_ids))
    _at_most(version.knowledge_base_ids, KNOWLEDGE_BASES_MAX, "knowledge bases", "knowledgeBaseIds")
    _prefer(version, draft)


def _example(user: str, assistant: str) -> dict[str, str]:
    both = {"user": user, "assistant": assistant}
    clean = {name: clean_text(one, "examples", chars_max=NOTE_CHARS_MAX) for name, one in both.items()}
    if not all(one.strip() for one in clean.values()):
        raise Rejected(ErrorCode.EMPTY, "An example has both sides.", "input", "examples")
    return clean


def _tool(name: str, description: str) -> dict[str, str]:
    if not _TOOL_NAME.fullmatch(name):
        message = "A tool's name has up to 64 letters, digits, hyphens and underscores, and begins with a letter."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "tools")
    return {"name": name, "description": clean_text(description, "tools", chars_max=NOTE_CHARS_MAX)}


def _prefer(version: AssistantVersion, draft: VersionDraft) -> None:
    at: Callable[[str], tuple[str, ...]] = lambda name: ("input", "modelPreferences", name)  # noqa: E731
    if draft.model is not None:
        version.model = clean_line(draft.model, "modelPreferences", chars_max=TITLE_CHARS_MAX)
    warmth, most = draft.temperature, draft.max_output_tokens
    if warmth is not None and not (math.isfinite(warmth) and 0 <= warmth <= TEMPERATURE_MAX):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A temperature is between 0 and 2.", *at("temperature"))
    if most is not None and not 1 <= most <= OUTPUT_TOKENS_MAX:
        message = f"Between 1 and {OUTPUT_TOKENS_MAX:,} tokens."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, *at("maxOutputTokens"))
    version.temperature, version.max_output_tokens = warmth, most


def _at_most(values: Sequence[object], most: int, what: str, field: str) -> None:
    if len(values) > most:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"At most {most} {what}.", "input", field)
