"""The rules of every stream, whoever sends it.

An adapter yields `Frame`s, the wire's events translated word for word; `events` makes the port's stream of them:

- no frame in time is TIMEOUT. Only what a model writes counts as life: keep-alives for ever are silence;
- an end without a finish reason is CUT, whether the connection broke or closed politely;
- a finish reason followed by more text was not the end (some gateways repeat it on every event);
- after the end nothing can spoil the text: a break while waiting for the usage loses the usage only;
- more characters than `CHARACTERS_MAX` end as LENGTH.

Usage: a provider's counts are PROVIDER_FINAL when they come with the finish reason or after it, PROVIDER_PARTIAL
before. A partial count is reported before an error too, since a provider bills what was cut.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, replace

from adapters.http_errors import Failures, LimitReached, failure
from adapters.tool_calls import ToolCalls
from adapters.wire_codes import finish_of
from domain.generation.provider import (
    Finished,
    FinishReason,
    ProviderError,
    ProviderErrorCode,
    ProviderEvent,
    ProviderLimits,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    UsageReport,
    UsageSource,
)

CHARACTERS_MAX = 2_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of the wire. `finish` is the provider's own word; `request_id` its id of the exchange."""

    text: str = ""
    reasoning: str = ""
    usage: UsageReport | None = None
    finish: str | None = None
    request_id: str | None = None
    tool_calls: tuple[ToolCallChunk, ...] = ()


async def events(
    frames: AsyncGenerator[Frame, None],
    limits: ProviderLimits,
    failures: Failures,
    *,
    characters_max: int = CHARACTERS_MAX,
) -> AsyncGenerator[ProviderEvent, None]:
    """The port's stream. Raises `ProviderError` only; leaving it early closes `frames`, and with it the socket."""
    patience = _Patience(limits)
    reading = _Reading(characters_max)
    try:
        while not reading.overflown:
            try:
                frame = await patience.next(frames)
                taken = () if frame is None else tuple(reading.take(frame))
            except Exception as exc:  # noqa: BLE001 - whatever an SDK raises leaves as a ProviderError
                if reading.complete:
                    break
                for usage in reading.partial_usage():
                    yield usage
                # The provider's words may stand in the original exception; only the redacted ones go on.
                raise failures.explain(exc, opened=reading.opened) from None
            if frame is None:
                break
            for chunk in taken:
                patience.saw_text()
                yield chunk
        for event in reading.end():
            yield event
    finally:
        await frames.aclose()


class _Patience:
    """Waits for frames within the limits. Time that the consumer takes counts for the total only."""

    def __init__(self, limits: ProviderLimits) -> None:
        self._limits = limits
        self._clock = asyncio.get_running_loop().time
        self._deadline = self._clock() + limits.total_s
        self._waited_s = 0.0
        self._begun = False

    def saw_text(self) -> None:
        self._waited_s = 0.0
        self._begun = True

    async def next(self, frames: AsyncGenerator[Frame, None]) -> Frame | None:
        began = self._clock()
        limit, seconds, left_s = self._nearest(began)
        if left_s <= 0:
            # With data always at hand a timeout of zero would never get its turn.
            raise LimitReached(limit, seconds)
        try:
            async with asyncio.timeout(left_s) as scope:
                return await anext(frames, None)
        except TimeoutError:
            if scope.expired():
                raise LimitReached(limit, seconds) from None
            raise
        finally:
            self._waited_s += self._clock() - began

    def _nearest(self, now: float) -> tuple[str, float, float]:
        """(name, length, seconds left) of the limit that runs out first."""
        total = ("total_s", self._limits.total_s, self._deadline - now)
        name, seconds = (
            ("idle_s", self._limits.idle_s) if self._begun else ("first_token_s", self._limits.first_token_s)
        )
        silence = (name, seconds, seconds - self._waited_s)
        return min(total, silence, key=lambda limit: limit[2])


class _Reading:
    """What has been read so far, and what the end of it means."""

    def __init__(self, characters_max: int) -> None:
        self._room = characters_max
        self._text = Cleaner()
        self._reasoning = Cleaner()
        self._calls = ToolCalls()
        self._wrote = False
        self._finish: FinishReason | None = None
        self._finish_was_early = False
        self._usage: UsageReport | None = None
        self._request_id: str | None = None
        self.opened = False

    @property
    def overflown(self) -> bool:
        return self._room <= 0

    @property
    def complete(self) -> bool:
        """The text is whole, so that a break from here on costs nothing but the usage."""
        return self._finish is not None and not self._finish_was_early

    def take(self, frame: Frame) -> Iterator[TextChunk | ReasoningChunk | ToolCallChunk]:
        self.opened = True
        self._request_id = frame.request_id or self._request_id
        if reasoning := self._fit(self._reasoning.add(frame.reasoning)):
            yield ReasoningChunk(reasoning)
        if text := self._fit(self._text.add(frame.text)):
            self._goes_on()
            yield TextChunk(text)
        for piece in frame.tool_calls:
            self._room -= len(piece.arguments)
            self._calls.add(piece)
            self._goes_on()
            yield piece
        if frame.finish:
            self._finish_with(frame.finish)
        if frame.usage is not None:
            source = frame.usage.source if self._finish is not None else _partial(frame.usage.source)
            self._usage = replace(frame.usage, source=source)

    def _goes_on(self) -> None:
        self._wrote = True
        if self._finish is not None:
            self._finish, self._finish_was_early = None, True

    def partial_usage(self) -> Iterator[UsageReport]:
        """What a broken stream has counted, whatever its last frame called itself."""
        for usage in self._counted():
            yield replace(usage, source=_partial(usage.source))

    def _counted(self) -> Iterator[UsageReport]:
        # Counts that leave out what was written (some servers send zeros) are no counts.
        if self._usage is not None and (self._usage.output_tokens or not self._wrote):
            yield self._usage

    def end(self) -> Iterator[ProviderEvent]:
        """The last events of a stream that ended without an error on the wire. Raises CUT, or INVALID_RESPONSE for tool
        calls that cannot be read; calls of a text that was cut short are not whole and are left out.
        """
        reason = FinishReason.LENGTH if self.overflown else self._finish
        if reason is None:
            yield from self.partial_usage()
            raise failure(
                ProviderErrorCode.CUT, detail="ended without a finish reason", upstream_request_id=self._request_id
            )
        if left := self._text.flush():
            yield TextChunk(left)
        if reason in (FinishReason.STOP, FinishReason.TOOL_CALLS):
            try:
                yield from self._calls.whole()
            except ProviderError:
                yield from self._counted()
                raise
            # Several servers say "stop" after tool calls too.
            reason = FinishReason.TOOL_CALLS if self._calls else reason
        yield from self._counted()
        yield Finished(reason, self._request_id)

    def _finish_with(self, word: str) -> None:
        reason = finish_of(word)
        if not isinstance(reason, FinishReason):
            raise failure(reason, detail=f"finish reason {word[:40]!r}", upstream_request_id=self._request_id)
        # A later "stop" does not make a text whole that was cut short.
        if self._finish is None or self._finish is FinishReason.STOP:
            self._finish = reason

    def _fit(self, text: str) -> str:
        kept = text[: max(self._room, 0)]
        self._room -= len(text)
        return kept


class Cleaner:
    """Makes a provider's pieces storable: joins surrogate halves that two pieces share, drops control characters.

    UTF-8 refuses the one, PostgreSQL and the domain's own rules the other. A half without its other becomes U+FFFD.
    """

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        if not piece:
            return ""
        piece = self._half + piece
        self._half = ""
        if "\ud800" <= piece[-1] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        return _storable(piece)

    def flush(self) -> str:
        left, self._half = _storable(self._half), ""
        return left


def _partial(source: UsageSource) -> UsageSource:
    return UsageSource.PROVIDER_PARTIAL if source is UsageSource.PROVIDER_FINAL else source


def _storable(text: str) -> str:
    text = _CONTROL.sub("", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
