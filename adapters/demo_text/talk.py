"""What the demo engine says in a conversation: from the passages that it is given, and only from those.

It understands nothing. It looks for the sentences that have most words in common with the question, repeats them, and
sets their marks; without passages it says what it is.
"""

from __future__ import annotations

import re

from adapters.demo_text.bank import Language
from domain.conversations.passages import best_sentence, read_shown, terms
from domain.conversations.prompts import Purpose, language_of, purpose_of, question_in
from domain.generation.provider import ChatMessage

SOURCES_MAX = 2
TITLE_WORDS = 6
TITLE_CHARS = 12
SUMMARY_PARTS = 12
SUMMARY_CHARS = 120

_DIRECTIVE = re.compile(r"\[demo:[^\]\n]{0,200}\]")
_CLAUSE_END = re.compile(r"[.!?;:,\n。！？；：，…]")
_ASKING = re.compile(
    r"^(?:please |can you |could you |tell me |what (?:is|are) |who (?:is|are) |where is |when |why |how |about |the )+"
    r"|^(?:请|告诉我|介绍一下|介绍|什么是|谁是|关于)+",
    re.IGNORECASE,
)


def spoken(messages: tuple[ChatMessage, ...]) -> str | None:
    """What is said to a prompt of a conversation; None to any other."""
    system = next((one.content for one in messages if one.role == "system"), "")
    last = next((one.content for one in reversed(messages) if one.role == "user"), "")
    match purpose_of(system):
        case Purpose.ANSWER:
            return _answer(last, turns=sum(one.role == "user" for one in messages))
        case Purpose.TITLE:
            return _title(_said(last))
        case Purpose.SUMMARY:
            return _summary(_said(last))
        case None:
            return None


def _plain(text: str) -> str:
    return _DIRECTIVE.sub("", text).strip()


def _answer(prompt: str, turns: int) -> str:
    question = _plain(question_in(prompt))
    language = language_of(question)
    if prompt == question_in(prompt):
        return _without_passages(question, language, turns)
    quotes = [(number, quote) for number, text in read_shown(prompt) if (quote := _quote(text, question))]
    sought = terms(question)
    near = [one for one in quotes if terms(one[1]) & sought][:SOURCES_MAX] or quotes[:1]
    if not near:
        return "资料里没有写到这一点。" if language == "zh" else "The passages do not say."
    if language == "zh":
        first, *more = (f"“{quote}”[{number}]" for number, quote in near)
        return f"资料里写道：{first}。" + "".join(f"另一处写道：{one}。" for one in more)
    first, *more = (f"“{quote}” [{number}]" for number, quote in near)
    return f"It is written: {first}." + "".join(f" And elsewhere: {one}." for one in more)


def _quote(text: str, question: str) -> str:
    span = best_sentence(text, question)
    return text[slice(*span)] if span is not None else ""


def _without_passages(question: str, language: Language, turns: int) -> str:
    topic = _topic(question, language)
    if language == "zh":
        return (
            f"你说的是“{topic}”。这是第{turns}个问题。我是演示引擎，不是语言模型："
            "给我资料，我就引用其中的句子；没有资料，我只能这样回答。"
        )
    return (
        f"You speak of “{topic}”. This is question {turns}. I am the demo engine and no language model: "
        "give me passages, and I quote their sentences; without them, this is all that I can say."
    )


def _topic(text: str, language: Language) -> str:
    """The first clause, without the words that only ask."""
    clauses = (_ASKING.sub("", one.strip(), count=1).strip() for one in _CLAUSE_END.split(_plain(text)))
    clause = next((one for one in clauses if one), "…")
    if language == "zh":
        return clause[:TITLE_CHARS]
    return " ".join(clause.split()[:TITLE_WORDS])


def _said(prompt: str) -> list[tuple[str, str]]:
    """(who, what) of each message of a conversation that is shown within fences."""
    inside = prompt.partition("<<<\n")[2].rpartition("\n>>>")[0]
    lines = re.findall(
        r"^(Author|Companion|作者|伙伴)[:：] ?(.*?)(?=^(?:Author|Companion|作者|伙伴)[:：]|\Z)", inside, re.M | re.S
    )
    return [(who, what.strip()) for who, what in lines]


def _title(said: list[tuple[str, str]]) -> str:
    first = next((what for who, what in said if who in {"Author", "作者"}), "")
    topic = _topic(first, language_of(first))
    return topic[:1].upper() + topic[1:]


def _summary(said: list[tuple[str, str]]) -> str:
    """The beginnings of what was said, the newest where there is much."""
    parts = (f"{who}: {' '.join(_plain(what).split())[:SUMMARY_CHARS]}" for who, what in said[-SUMMARY_PARTS:])
    return "\n".join(parts)
