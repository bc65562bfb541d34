"""What of a conversation a model is told, and when passages are looked up for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from domain.errors import ErrorCode, Rejected
from domain.knowledge.policies import RetrievalTrigger
from domain.text import word_count

LAST_MESSAGES_MAX = 500
TOKENS_MIN = 256
TOKENS_MAX = 1_000_000
PASSAGES_MAX = 20
PASSAGES_DEFAULT = 6
WORDS_OF_A_QUESTION = 6
"""Of this many words something is asked or told; fewer are thanks, yes and no, or "go on"."""


@dataclass(frozen=True, slots=True)
class ContextPolicy:
    """None is no limit but the model's window. `passages`: how many are looked up."""

    last_messages: int | None = None
    max_tokens: int | None = None
    summarize: bool = True
    retrieval: RetrievalTrigger = RetrievalTrigger.AUTO
    passages: int = PASSAGES_DEFAULT

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> ContextPolicy:
        """As `kept` wrote it; what that says nothing of is as usual."""
        known = dict(kept)
        if "retrieval" in known:
            known["retrieval"] = RetrievalTrigger(known["retrieval"])
        return cls(**known)

    def kept(self) -> dict[str, Any]:
        return {**asdict(self), "retrieval": self.retrieval.value}

    def checked(self) -> ContextPolicy:
        """Raises Rejected for numbers out of their ranges."""
        _within(self.last_messages, 1, LAST_MESSAGES_MAX, "lastMessages")
        _within(self.max_tokens, TOKENS_MIN, TOKENS_MAX, "maxTokens")
        _within(self.passages, 1, PASSAGES_MAX, "passages")
        return self

    def looks_into(self, text: str, base: RetrievalTrigger = RetrievalTrigger.AUTO) -> bool:
        """Whether passages are looked up for a message, in a base with a rule of its own. The conversation's is first."""
        for trigger in (self.retrieval, base):
            if trigger is not RetrievalTrigger.AUTO:
                return trigger is RetrievalTrigger.ALWAYS
        return asks(text)


def _within(value: int | None, least: int, most: int, name: str) -> None:
    if value is not None and not least <= value <= most:
        message = f"Between {least:,} and {most:,}."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "contextPolicy", name)


_ASKS = re.compile(
    r"[?？]|\b(?:who|whom|whose|what|when|where|why|which|how|does|did|is there|are there|tell me|explain|find|list)\b"
    r"|谁|什么|何时|何处|哪|为何|为什么|怎么|怎样|如何|几|多少|吗|呢|是否|介绍|解释|查",
    re.IGNORECASE,
)


def asks(text: str) -> bool:
    """Whether something is to be known: a question's words or mark, or simply enough words."""
    return _ASKS.search(text) is not None or word_count(text) >= WORDS_OF_A_QUESTION
