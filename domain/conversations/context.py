"""What a model is told of a conversation: decided by rules, written down in a receipt.

Pure and deterministic: equal inputs give byte-equal prompts. What may never be dropped is the contract and the new
message. Of the room that is left, passages get at most a half, and then as many of the newest messages follow as fit.
A summary stands for those before it, where it was made on this path. An assistant's prompt is never dropped, its
examples get at most a quarter of the room; what it opened with is told as such, for a prompt begins with the author.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.conversations.entities import MessageRole
from domain.conversations.passages import Passage, fenced, shown
from domain.conversations.persona import Persona
from domain.conversations.policy import ContextPolicy
from domain.conversations.prompts import Words, words_of
from domain.generation.context import (
    JOINT,
    USABLE_SHARE,
    Compiled,
    ContextTooSmall,
    Decision,
    ReceiptItem,
    Slot,
)
from domain.generation.provider import ChatMessage
from domain.ids import MessageId
from domain.text import estimated_tokens

ANSWER_TOKENS_MAX = 2_048
ANSWER_SHARE = 4
"""Of the window: at most its fourth part is left to the answer."""
PASSAGES_SHARE = 2
EXAMPLES_SHARE = 4
SUMMARY_DUE = 0.75
"""When the messages take this share of their room, the older half is to be summarised."""
TITLE_CHARS = 60
SUMMARY_CHARS_MAX = 4_000

_ROLES = {MessageRole.USER: "user", MessageRole.ASSISTANT: "assistant", MessageRole.SYSTEM: "system"}


@dataclass(frozen=True, slots=True)
class Turn:
    """A message of the path that has been written to its end."""

    id: MessageId
    role: MessageRole
    text: str


@dataclass(frozen=True, slots=True)
class ChatInput:
    """`history` is the path above the new message, from the root. `unsearched`: passages could not be looked up."""

    question: str
    history: Sequence[Turn]
    policy: ContextPolicy
    window_tokens: int
    summary: str = ""
    summary_upto: MessageId | None = None
    passages: Sequence[Passage] = ()
    persona: Persona | None = None
    unsearched: bool = False


@dataclass(frozen=True, slots=True)
class Chat:
    """`passages` are those that the prompt shows, numbered as it does."""

    compiled: Compiled
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Gauge:
    """How full the window is before the next message. `summarized`: a summary stands for the oldest messages.
    `assistant_gone`: it was begun with an assistant that its author may not use any more."""

    used_tokens: int
    window_tokens: int
    summarized: bool
    assistant_gone: bool = False


@dataclass
class _Room:
    left: int
    items: list[ReceiptItem]

    def take(self, slot: Slot, title: str, text: str, decision: Decision = Decision.INCLUDED) -> bool:
        """Whether a text fits; the receipt says so either way."""
        tokens = _tokens(text)
        if tokens > self.left:
            self.items.append(ReceiptItem(slot, title, 0, Decision.CUT_BUDGET, f"{self.left} tokens were left"))
            return False
        self.items.append(ReceiptItem(slot, title, tokens, decision))
        self.left -= tokens
        return True


def compile_chat(source: ChatInput) -> Chat:
    """Raises ContextTooSmall before any money is spent."""
    words = words_of(source.question)
    max_output = answer_tokens(source.window_tokens)
    if source.persona is not None and source.persona.max_output_tokens is not None:
        max_output = min(max_output, source.persona.max_output_tokens)
    budget = budget_tokens(source.policy, source.window_tokens)
    headings = f"## {words.passages}\n{JOINT}## {words.question}\n"
    part = _part(source, words)
    required = _tokens(words.contract) + _tokens(source.question) + (_tokens(headings) if source.passages else 0)
    required += _tokens(part) if part else 0
    if required > budget:
        raise ContextTooSmall(required, max(budget, 0))
    room = _Room(budget - required, [])
    openings, said = _openings(source, words, room)
    summary, turns = _summary(replace(source, history=said), words, room)
    examples = _examples(source.persona, room)
    passages = _passages(source.passages, room)
    if source.unsearched:
        room.items.append(ReceiptItem(Slot.PASSAGE, "", 0, Decision.UNAVAILABLE, "they could not be looked up"))
    at_most = room.left
    kept = _history(turns, source.policy, room)
    system = JOINT.join(one for one in (words.contract, part, openings, summary) if one)
    messages = (
        ChatMessage("system", system),
        *examples,
        *(ChatMessage(_ROLES[one.role], one.text) for one in kept),  # type: ignore[arg-type]
        ChatMessage("user", _last(source.question, passages, words)),
    )
    items = [
        ReceiptItem(Slot.CONTRACT, "", _tokens(words.contract), Decision.INCLUDED),
        *_assistant_items(source.persona, part),
        *room.items,
        ReceiptItem(Slot.MESSAGE, _short(source.question), _tokens(source.question), Decision.INCLUDED),
    ]
    compiled = Compiled(
        messages, tuple(items), sum(estimated_tokens(one.content) for one in messages), budget, max_output,
        hashlib.sha256(system.encode()).hexdigest(), at_most,
    )  # fmt: skip
    return Chat(compiled, passages)


def answer_tokens(window_tokens: int) -> int:
    return min(ANSWER_TOKENS_MAX, window_tokens // ANSWER_SHARE)


def budget_tokens(policy: ContextPolicy, window_tokens: int) -> int:
    """What a prompt may have."""
    budget = int(window_tokens * USABLE_SHARE) - answer_tokens(window_tokens)
    return min(budget, policy.max_tokens) if policy.max_tokens is not None else budget


def gauge(source: ChatInput) -> Gauge:
    """As for a message without words, and without passages."""
    window = max(budget_tokens(source.policy, source.window_tokens), 0)
    try:
        chat = compile_chat(replace(source, passages=()))
    except ContextTooSmall as full:
        return Gauge(full.required_tokens, window, summarized=False, assistant_gone=_gone(source.persona))
    summarized = any(one.slot is Slot.SUMMARY and one.tokens for one in chat.compiled.items)
    return Gauge(chat.compiled.prompt_tokens, window, summarized, _gone(source.persona))


def _tokens(section: str) -> int:
    return estimated_tokens(section + JOINT)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TITLE_CHARS else line[: TITLE_CHARS - 1] + "…"


def _gone(persona: Persona | None) -> bool:
    return persona is not None and persona.gone


def _part(source: ChatInput, words: Words) -> str:
    """The assistant's own prompt. It is no material: who began the conversation has chosen it."""
    if source.persona is None or not source.persona.prompt.strip():
        return ""
    return f"## {words.assistant}\n{source.persona.prompt}"


def _assistant_items(persona: Persona | None, part: str) -> list[ReceiptItem]:
    if _gone(persona):
        return [ReceiptItem(Slot.ASSISTANT, "", 0, Decision.GONE, "it may not be used any more")]
    return [ReceiptItem(Slot.ASSISTANT, "", _tokens(part), Decision.INCLUDED)] if part else []


def _openings(source: ChatInput, words: Words, room: _Room) -> tuple[str, list[Turn]]:
    """The section of what was said before the author's first message, and what follows it."""
    turns = _unopened(source.history)
    if not (begin := len(source.history) - len(turns)):
        return "", turns
    section = f"## {words.openings}\n" + JOINT.join(fenced(one.text) for one in source.history[:begin])
    fits = room.take(Slot.HISTORY, f"{begin} opening messages", section)
    return section if fits else "", turns


def _unopened(turns: Sequence[Turn]) -> list[Turn]:
    """From the author's first message on."""
    begin = next((n for n, one in enumerate(turns) if one.role is not MessageRole.ASSISTANT), len(turns))
    return list(turns[begin:])


def _examples(persona: Persona | None, room: _Room) -> list[ChatMessage]:
    """Those that fit, as if they had been said."""
    part = _Room(room.left // EXAMPLES_SHARE, room.items)
    before = part.left
    kept: list[ChatMessage] = []
    for question, answer in persona.examples if persona is not None else ():
        if part.take(Slot.EXAMPLE, _short(question), question + JOINT + answer):
            kept += [ChatMessage("user", question), ChatMessage("assistant", answer)]
    room.left -= before - part.left
    return kept


def _summary(source: ChatInput, words: Words, room: _Room) -> tuple[str, list[Turn]]:
    """The summary's section, and the messages that it does not stand for."""
    turns = list(source.history)
    at = next((n for n, one in enumerate(turns) if one.id == source.summary_upto), None)
    if at is None or not source.summary:
        return "", turns
    section = f"## {words.summary}\n{fenced(source.summary)}"
    if not room.take(Slot.SUMMARY, f"{at + 1} messages", section, Decision.SUMMARIZED):
        return "", turns
    return section, turns[at + 1 :]


def _passages(found: Sequence[Passage], room: _Room) -> tuple[Passage, ...]:
    """The best ones that fit, numbered anew."""
    part = _Room(room.left // PASSAGES_SHARE, room.items)
    before = part.left
    kept: list[Passage] = []
    for one in found:
        passage = replace(one, alias=len(kept) + 1)
        if part.take(Slot.PASSAGE, _short(one.title), shown(passage)):
            kept.append(passage)
    room.left -= before - part.left
    return tuple(kept)


def _history(turns: Sequence[Turn], policy: ContextPolicy, room: _Room) -> list[Turn]:
    """The newest messages in a row that fit; they begin with one of the author's."""
    most, left = policy.last_messages or len(turns), room.left
    kept: list[Turn] = []
    for turn in reversed(turns[-most:] if turns else []):
        left -= _tokens(turn.text)
        if left < 0:
            break
        kept.insert(0, turn)
    full = len(kept) < min(most, len(turns))
    while kept and kept[0].role is MessageRole.ASSISTANT:
        del kept[0]
    if older := len(turns) - len(kept):
        decision = Decision.CUT_BUDGET if full else Decision.CUT_POLICY
        room.items.append(ReceiptItem(Slot.HISTORY, f"{older} older messages", 0, decision))
    for turn in kept:
        room.take(Slot.HISTORY, _short(turn.text), turn.text)
    return kept


def _last(question: str, passages: Sequence[Passage], words: Words) -> str:
    if not passages:
        return question
    listed = JOINT.join(shown(one) for one in passages)
    return f"## {words.passages}\n{listed}{JOINT}## {words.question}\n{question}"


def summary_due(source: ChatInput, room_tokens: int) -> MessageId | None:
    """The last message of the older half, once those that no summary stands for nearly fill the room they have."""
    at = next((n for n, one in enumerate(source.history) if one.id == source.summary_upto), None)
    turns = source.history[at + 1 :] if at is not None and source.summary else _unopened(source.history)
    weights = [_tokens(one.text) for one in turns]
    if not source.policy.summarize or len(turns) < 2 or sum(weights) <= SUMMARY_DUE * room_tokens:
        return None
    half, upto = sum(weights) / 2, 0
    while sum(weights[: upto + 1]) < half and upto < len(turns) - 2:
        upto += 1
    return turns[upto].id
