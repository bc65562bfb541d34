"""One call of a provider: its events, its text, and what it has used.

hear      text goes to the author
drain     the author has left; what still comes is only counted
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from domain.billing import Usage
from domain.channels.entities import CancelPolicy, Channel
from domain.channels.health import Outcome
from domain.generation.endings import Ending, after_finish
from domain.generation.entities import Route
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    Finished,
    ProviderError,
    ReasoningChunk,
    TextChunk,
    TextProvider,
    UsageReport,
    UsageSource,
)
from domain.generation.work import Work
from domain.text import estimated_tokens
from workers.routing import Router, Taken
from workers.telemetry import call_span


class Call:
    """`text` is what the author has; `counted` is what it cost to write that."""

    def __init__(
        self, router: Router, taken: Taken, work: Work, hear: Callable[[str], None], think: Callable[[str], None]
    ) -> None:
        self.taken = taken
        self.price = work.price_of(taken.offer)
        self.text = ""
        self.first_token_at: datetime | None = None
        self.finish_reason: str | None = None
        self._router = router
        self._work = work
        self._hear, self._think = hear, think
        self._began = time.monotonic()
        self._ttft_s: float | None = None
        self._usage: UsageReport | None = None
        self._left: Usage | None = None
        self._unheard = ""
        self._thought = ""

    async def run(self, provider_for: Callable[[Channel], TextProvider]) -> Ending | ProviderError:
        """To the provider's end. The place on the channel is given back, however it ends."""
        outcome = Outcome(stopped=True)
        try:
            ending = await self._exchange(provider_for)
            outcome = Outcome(latency_s=time.monotonic() - self._began)
            return ending
        except ProviderError as error:
            outcome = Outcome(error=error.code, retry_after_s=error.retry_after_s)
            return error
        finally:
            used = self._used()
            outcome = replace(outcome, ttft_s=self._ttft_s, probe=self.taken.probe)
            ended = self._router.ended(self.taken, outcome, used.input_tokens + used.output_tokens)
            await asyncio.shield(ended)  # whoever stops us now must not keep the place

    async def _exchange(self, provider_for: Callable[[Channel], TextProvider]) -> Ending:
        generation, model = self._work.generation, self.taken.model
        request = CompletionRequest(
            model.upstream,
            tuple(ChatMessage(m["role"], m["content"]) for m in generation.prompt),  # type: ignore[arg-type]
            min(generation.max_output_tokens, model.max_output_tokens or generation.max_output_tokens),
            generation.temperature,
        )
        provider = provider_for(self.taken.channel)
        with call_span(self.taken.channel.name, model.name):
            async with contextlib.aclosing(provider), contextlib.aclosing(provider.stream(request)) as events:
                async for event in events:
                    match event:
                        case TextChunk(text):
                            await self._take(text)
                        case UsageReport():
                            self._usage = event
                        case Finished(reason, _):
                            self.finish_reason = reason
                            return after_finish(reason, self.text)
                        case ReasoningChunk(text):
                            # Kept from readers: it may quote what the story must not give away yet. It costs all the same.
                            self._thought += text
                            if self._left is None:
                                self._think(text)
        raise AssertionError("an adapter ends with Finished or raises")

    async def _take(self, text: str) -> None:
        if self._ttft_s is None:
            self._ttft_s = time.monotonic() - self._began
            await self._router.first_token(self.taken, self._ttft_s)
        if self._left is not None:
            self._unheard += text
            return
        if not self.text:
            self.first_token_at = datetime.now(UTC)
        self.text += text
        self._hear(text)

    # -- what it used ---------------------------------------------------------------------------------------------

    def _used(self) -> Usage:
        """The provider's own count, else an estimate; nothing when not even a call was answered."""
        if (said := self._usage) is not None:
            return Usage(
                said.input_tokens, said.output_tokens, said.cached_input_tokens, said.reasoning_tokens, said.source,
                said.cache_write_tokens,
            )  # fmt: skip
        thought, written = estimated_tokens(self._thought), estimated_tokens(self.text + self._unheard)
        if not thought + written:
            return NOTHING
        return Usage(self._work.prompt_tokens, thought + written, 0, thought, UsageSource.ESTIMATE)

    @property
    def counted(self) -> Usage:
        """What the author's text took."""
        return self._used() if self._left is None else self._left

    @property
    def drains(self) -> bool:
        """Whether the provider goes on counting when we hang up, so that only its end tells what it counted."""
        return self.taken.channel.cancel_policy == CancelPolicy.DRAIN

    def leave(self) -> None:
        """The author hears no more of it."""
        self._left = self._used()

    @property
    def unheard(self) -> Usage:
        """What was used beyond the author's text."""
        all_, heard = self._used(), self.counted
        prompt = max(0, all_.input_tokens - heard.input_tokens)
        written = max(0, all_.output_tokens - heard.output_tokens)
        cached = min(prompt, max(0, all_.cached_input_tokens - heard.cached_input_tokens))
        return Usage(
            prompt,
            written,
            cached,
            min(written, max(0, all_.reasoning_tokens - heard.reasoning_tokens)),
            all_.source,
            min(prompt - cached, max(0, all_.cache_write_tokens - heard.cache_write_tokens)),
        )

    @property
    def route(self) -> Route:
        """Where it went, without the reasons."""
        channel = self.taken.channel
        return Route(channel.id, channel.name, self.taken.model.name, {})


NOTHING = Usage(0, 0, source=UsageSource.UNKNOWN)
