"""A text engine that needs no model, no key and no network: the product's first chapter on a bare machine.

Model: `demo-writer`. Equal requests give equal text. It writes English or Chinese, whichever the request asks for, in a
length that fits `max_output_tokens`, puts the author's own words into the first paragraph and the codex's names
everywhere. It is no model, and the version it makes says so.

In a conversation it answers from the passages that it is given, with their marks, and gives titles and summaries.

For tests, the author's instructions may hold a directive:

    [demo:chunks=200 delay_ms=5]    exactly 200 chunks, 5 ms apart; either setting may stand alone

`chunks` is 1 to 200,000 and overrules the length; the last chunk may then end in the middle of a sentence. `delay_ms`
is 0 to 60,000. The directive itself is never echoed. A call stays within the channel's time limits all the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from itertools import islice

from adapters.demo_text.bank import Language, bank
from adapters.demo_text.grammar import Teller
from adapters.demo_text.reading import Brief, read
from adapters.demo_text.talk import spoken
from adapters.frames import Frame, events
from adapters.http_errors import Failures, failure
from domain.generation.context import OUTPUT_MARGIN
from domain.generation.provider import (
    CompletionRequest,
    ProviderErrorCode,
    ProviderEvent,
    ProviderLimits,
    UsageReport,
    UsageSource,
)
from domain.text import estimated_tokens

MODEL = "demo-writer"
TOKENS_DEFAULT = 900
TOKENS_MAX = 60_000

_SENTENCE_END = re.compile(r"[.!?]”?(?=\s|$)|[。！？]”?")


class DemoProvider:
    """`chunk_delay_s` is the pause between two chunks; the first comes at once."""

    def __init__(self, *, chunk_delay_s: float = 0.02, limits: ProviderLimits | None = None) -> None:
        self._chunk_delay_s = chunk_delay_s
        self._limits = limits or ProviderLimits()

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        if request.model != MODEL:
            raise failure(ProviderErrorCode.MODEL_NOT_FOUND, detail=f"the demo engine offers {MODEL} only")
        failures = Failures([message.content for message in request.messages], None)
        async with aclosing(events(self._frames(request), self._limits, failures)) as stream:
            async for event in stream:
                yield event

    async def aclose(self) -> None:
        """Nothing is held open."""

    async def _frames(self, request: CompletionRequest) -> AsyncGenerator[Frame, None]:
        digest = hashlib.sha256(repr(request).encode(errors="surrogatepass")).hexdigest()
        brief = read(request)
        chunks, finish = _chunks(request, brief, random.Random(digest))
        delay_s = self._chunk_delay_s if brief.directives.delay_s is None else brief.directives.delay_s
        written: list[str] = []
        for chunk in chunks:
            if written:
                await asyncio.sleep(delay_s)
            written.append(chunk)
            yield Frame(text=chunk)
        prompt = "\n".join(message.content for message in request.messages)
        usage = UsageReport(estimated_tokens(prompt), estimated_tokens("".join(written)), source=UsageSource.ESTIMATE)
        yield Frame(finish=finish, usage=usage, request_id=f"demo-{digest[:16]}")


def _chunks(request: CompletionRequest, brief: Brief, dice: random.Random) -> tuple[Iterator[str], str]:
    """The text in pieces, and its finish reason."""
    teller = Teller(bank(brief.language), brief.cast, dice)
    if brief.directives.chunks is not None:
        return islice(_pieces(_endless(teller), brief.language, dice), brief.directives.chunks), "stop"
    room = min(request.max_output_tokens or TOKENS_DEFAULT * OUTPUT_MARGIN, TOKENS_MAX)
    said = spoken(request.messages)
    text, whole = _cut(_chapter(teller, room / OUTPUT_MARGIN) if said is None else said, room)
    return _pieces(iter([text]), brief.language, dice), "stop" if whole else "length"


def _chapter(teller: Teller, aim_tokens: float) -> str:
    """A chapter of about `aim_tokens`, and never shorter than an opening and a closing."""
    paragraphs = [teller.opening()]
    closing = teller.closing()
    left = aim_tokens - estimated_tokens(paragraphs[0]) - estimated_tokens(closing)
    for paragraph in teller.middle():
        tokens = estimated_tokens(paragraph)
        # As near to the aim as paragraphs allow: over it by less than half of one, or under.
        if tokens > 2 * left:
            break
        left -= tokens
        paragraphs.append(paragraph)
    return "\n\n".join([*paragraphs, closing])


def _endless(teller: Teller) -> Iterator[str]:
    yield teller.opening()
    for paragraph in teller.middle():
        yield f"\n\n{paragraph}"


def _cut(text: str, tokens: float) -> tuple[str, bool]:
    """(what fits, whether it ends with a sentence)."""
    if estimated_tokens(text) <= tokens:
        return text, True
    fitting = [end for end in (mark.end() for mark in _SENTENCE_END.finditer(text)) if _fits(text[:end], tokens)]
    if fitting:
        return text[: fitting[-1]], True
    end = next(end for end in range(len(text), -1, -1) if _fits(text[:end], tokens))
    return text[: max(end, 1)], False


def _fits(text: str, tokens: float) -> bool:
    return estimated_tokens(text) <= tokens


def _pieces(texts: Iterator[str], language: Language, dice: random.Random) -> Iterator[str]:
    """Words with the blanks behind them, or one to three characters."""
    for text in texts:
        if language == "en":
            yield from re.findall(r"\s*\S+\s*?(?=\S|$)|\s+", text)
            continue
        start = 0
        while start < len(text):
            size = dice.randint(1, 3)
            yield text[start : start + size]
            start += size
