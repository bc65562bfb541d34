"""What the demo engine understands of a prompt: language, the author's words, the codex, directives.

Knows the headings and cards that `domain.generation.context` writes, and makes do with any other prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from adapters.demo_text.bank import Language
from adapters.demo_text.grammar import Cast
from domain.generation.provider import ChatMessage, CompletionRequest

CHUNKS_MAX = 200_000
DELAY_MS_MAX = 60_000
NAMES_MAX = 6
ECHO_WORDS_MAX = 12
ECHO_CHARACTERS_MAX = 24

_CJK = re.compile(r"[\u3400-\u9fff]")
_LATIN = re.compile(r"[A-Za-z]")
_INSTRUCTIONS = re.compile(r"^## (?:The author's instructions|作者的要求)\n(.*)\Z", re.MULTILINE | re.DOTALL)
_CARD = re.compile(r"^- (?P<name>[^\[\]\n]{1,200}?) ?(?:\((?P<aliases>[^)\n]*)\) )?\[(?P<kind>[a-z]+)\]", re.MULTILINE)
_DIRECTIVE = re.compile(r"\[demo:([^\]\n]{0,200})\]")
_SETTING = re.compile(r"(chunks|delay_ms)=(\d{1,9})")
_ASKED_FOR = re.compile(r"\bin (?P<en>English)\b|\bin Chinese\b|用中文|用汉语|用(?P<ying>英文|英语)", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"^(?:please |write |now |continue |a |the |next |short |chapter |scene |about |where |in which |that |with |so )+"
    r"|^(?:请|写|一章|一段|一幕|下一章|这一章|续写|接着|关于|讲述|描写|，|：)+",
    re.IGNORECASE,
)
_LOOSE_END = re.compile(
    r"(?:[ ,]+(?:the|a|an|to|of|in|on|at|and|or|but|with|for|from|by|that|who|as|is|his|her|their))+[ ,]*$"
)
_CLAUSE_END = re.compile(r"[.!?;:\n。！？；：…]")


@dataclass(frozen=True, slots=True)
class Directives:
    """From `[demo:chunks=200 delay_ms=5]` in the author's instructions; None where nothing was said."""

    chunks: int | None = None
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class Brief:
    language: Language
    cast: Cast
    directives: Directives


def read(request: CompletionRequest) -> Brief:
    instructions = _instructions(request.messages)
    language = _language(request.messages, instructions)
    spoken = _DIRECTIVE.sub("", instructions)
    cast = _cast(request.messages, spoken, language)
    return Brief(language, cast, _directives(instructions))


def _instructions(messages: tuple[ChatMessage, ...]) -> str:
    last = next((message.content for message in reversed(messages) if message.role == "user"), "")
    section = _INSTRUCTIONS.search(last)
    return (section[1] if section else last).strip()


def _language(messages: tuple[ChatMessage, ...], instructions: str) -> Language:
    """The one asked for in the system's words; else that of the instructions, else of the whole prompt."""
    for message in messages:
        if message.role == "system" and (asked := _ASKED_FOR.search(message.content)):
            return "en" if asked["en"] or asked["ying"] else "zh"
    for text in (_DIRECTIVE.sub("", instructions), " ".join(message.content for message in messages)):
        cjk, latin = len(_CJK.findall(text)), len(_LATIN.findall(text))
        if cjk or latin:
            # A Chinese character says about as much as four Latin letters.
            return "zh" if cjk * 4 > latin else "en"
    return "en"


def _cast(messages: tuple[ChatMessage, ...], spoken: str, language: Language) -> Cast:
    """Whom the author names comes first, in the author's order."""
    by_kind: dict[str, list[str]] = {"character": [], "place": [], "item": []}
    short: dict[str, str] = {}
    for name, aliases, kind in _cards(messages):
        if kind in by_kind and name not in by_kind[kind]:
            by_kind[kind].append(name)
            # "Mira" for Mira Vale, but not every alias: "the Ferryman" would give away a secret.
            short[name] = min((alias for alias in aliases if alias in name), key=len, default=name)
    for names in by_kind.values():
        names.sort(key=lambda name: spoken.find(name) if name in spoken else len(spoken))
        del names[NAMES_MAX:]
    return Cast(
        people=tuple(by_kind["character"]),
        places=tuple(_with_article(name, "place", language) for name in by_kind["place"]),
        things=tuple(_with_article(name, "item", language) for name in by_kind["item"]),
        echo=_echo(spoken, language),
        short=short,
    )


def _cards(messages: tuple[ChatMessage, ...]) -> Iterator[tuple[str, list[str], str]]:
    """(name, aliases, kind) of every codex entry in the prompt."""
    for message in messages:
        for card in _CARD.finditer(message.content):
            aliases = [alias.strip() for alias in (card["aliases"] or "").split(",")]
            yield card["name"].strip(), [alias for alias in aliases if alias], card["kind"]


def _with_article(name: str, kind: str, language: Language) -> str:
    """A name as it stands within an English sentence: "the Lantern Quarter", "the Brass Key", "Harrowgate"."""
    first, _, rest = name.partition(" ")
    if language == "zh" or not name.isascii():
        return name
    if first.lower() in ("the", "a", "an") and rest:
        return f"{first.lower()} {rest}"
    return f"the {name}" if name.islower() or (kind == "item" and rest) else name


def _echo(instructions: str, language: Language) -> str:
    """The author's own words, unchanged: the first clause after "Write a chapter about", cut where a reader would."""
    for line in instructions.splitlines():
        said = _PREAMBLE.sub("", line.strip(), count=1)
        clause = _CLAUSE_END.split(said, maxsplit=1)[0].strip(" ,，、\"“”'*#-")
        if len(clause) < 2:
            continue
        if language == "zh" and _CJK.search(clause):
            return _cut_chinese(clause)
        return _cut_english(clause)
    return ""


def _cut_english(clause: str) -> str:
    words = clause.split(" ")
    if len(words) <= ECHO_WORDS_MAX:
        return clause[:120]
    short = " ".join(words[:ECHO_WORDS_MAX])[:120]
    pause = short.rfind(", ")
    if short.count(" ", 0, max(pause, 0)) >= 2:
        return short[:pause]
    return _LOOSE_END.sub("", short)


def _cut_chinese(clause: str) -> str:
    if len(clause) <= ECHO_CHARACTERS_MAX:
        return clause
    pause = clause.rfind("，", 4, ECHO_CHARACTERS_MAX)
    return clause[: pause if pause > 0 else ECHO_CHARACTERS_MAX]


def _directives(instructions: str) -> Directives:
    """The last word on each setting counts."""
    chunks: int | None = None
    delay_s: float | None = None
    for directive in _DIRECTIVE.finditer(instructions):
        for name, value in _SETTING.findall(directive[1]):
            if name == "chunks":
                chunks = min(max(int(value), 1), CHUNKS_MAX)
            else:
                delay_s = min(int(value), DELAY_MS_MAX) / 1_000
    return Directives(chunks, delay_s)
