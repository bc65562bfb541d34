"""Calling a provider and keeping what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from adapters.dashscope import DashScopeProvider
from adapters.openai import OpenAIProvider
from domain.generation.provider import (
    ChatMessage,
    CompletionRequest,
    Finished,
    ProviderError,
    ProviderEvent,
    ProviderLimits,
    ReasoningChunk,
    TextChunk,
    TextProvider,
    UsageReport,
)
from tests.fakes.dashscope_server import FakeDashScope
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.wire import FakeProvider

KEY = "sk-fabula-test-0123456789"
SYSTEM = "You are the co-author of a long novel about a town that sells its echoes."
USER = "写一章：米拉在雾里听见钥匙在嗡鸣。Then let the ferryman tell her what it opens."

Firm = Literal["openai", "dashscope"]
FIRMS: dict[Firm, tuple[type[FakeProvider], Callable[..., Any]]] = {
    "openai": (FakeOpenAI, OpenAIProvider),
    "dashscope": (FakeDashScope, DashScopeProvider),
}
PATIENT = ProviderLimits(connect_s=2, first_token_s=5, idle_s=5, total_s=10)


def completion(model: str = "fake-writer", **options: Any) -> CompletionRequest:
    return CompletionRequest(model, (ChatMessage("system", SYSTEM), ChatMessage("user", USER)), **options)


@dataclass
class Reading:
    """What came of one call."""

    text: str = ""
    reasoning: str = ""
    usage: list[UsageReport] = field(default_factory=list)
    finished: Finished | None = None
    error: ProviderError | None = None
    events: list[ProviderEvent] = field(default_factory=list)

    @property
    def failure(self) -> ProviderError:
        assert self.error is not None, "the call did not fail"
        return self.error


async def read(stream: AsyncIterator[ProviderEvent], *, patience_s: float = 15) -> Reading:
    """Everything until the stream ends or fails. A stream that does neither is a defect: TimeoutError."""
    reading = Reading()
    async with asyncio.timeout(patience_s):
        await _fill(reading, stream)
    return reading


async def _fill(reading: Reading, stream: AsyncIterator[ProviderEvent]) -> None:
    try:
        async for event in stream:
            reading.events.append(event)
            match event:
                case TextChunk():
                    reading.text += event.text
                case ReasoningChunk():
                    reading.reasoning += event.text
                case UsageReport():
                    reading.usage.append(event)
                case Finished():
                    reading.finished = event
    except ProviderError as error:
        reading.error = error


async def ask(provider: TextProvider, request: CompletionRequest) -> Reading:
    """One call of a provider that nobody needs afterwards."""
    try:
        return await read(provider.stream(request))
    finally:
        await provider.aclose()


class Wire:
    """A firm's fake server and its adapter."""

    def __init__(self, firm: Firm, fake: FakeProvider) -> None:
        self.firm = firm
        self.fake = fake
        self._opened: list[Any] = []

    def provider(self, *, limits: ProviderLimits = PATIENT, **options: Any) -> Any:
        arguments = {"base_url": self.fake.base_url, "api_key": KEY, "limits": limits, **options}
        self._opened.append(FIRMS[self.firm][1](**arguments))
        return self._opened[-1]

    async def read(self, model: str, *, limits: ProviderLimits = PATIENT, **options: Any) -> Reading:
        return await read(self.provider(limits=limits, **options).stream(completion(model)))

    async def aclose(self) -> None:
        for provider in self._opened:
            await provider.aclose()
