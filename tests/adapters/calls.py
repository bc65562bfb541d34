"""Calling a provider and keeping what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from adapters.anthropic import AnthropicProvider
from adapters.dashscope import DashScopeProvider
from adapters.gemini import GeminiProvider
from adapters.openai import AzureOpenAIProvider, OpenAIProvider
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
    ToolCall,
    UsageReport,
)
from tests.fakes.anthropic_server import FakeAnthropic
from tests.fakes.dashscope_server import FakeDashScope
from tests.fakes.gemini_server import FakeGemini
from tests.fakes.openai_server import FakeAzure, FakeOpenAI
from tests.fakes.wire import FakeProvider

KEY = "sk-fabula-test-0123456789"
SYSTEM = "You are the co-author of a long novel about a town that sells its echoes."
USER = "写一章：米拉在雾里听见钥匙在嗡鸣。Then let the ferryman tell her what it opens."

ALL_COUNTED = UsageReport(12, 20, cached_input_tokens=4, reasoning_tokens=3, cache_write_tokens=2)

Firm = Literal["openai", "azure", "anthropic", "gemini", "dashscope"]


@dataclass(frozen=True)
class Dialect:
    """How a firm differs: its fake, its adapter, and what its protocol tells of a whole text of 20 tokens."""

    fake: type[FakeProvider]
    adapter: Callable[..., Any]
    usage: UsageReport = ALL_COUNTED
    signature: str = ""


FIRMS: dict[Firm, Dialect] = {
    "openai": Dialect(FakeOpenAI, OpenAIProvider),
    "azure": Dialect(FakeAzure, AzureOpenAIProvider),
    "anthropic": Dialect(FakeAnthropic, AnthropicProvider),
    "gemini": Dialect(FakeGemini, GeminiProvider, replace(ALL_COUNTED, cache_write_tokens=0), "c2lnbmVk"),
    "dashscope": Dialect(FakeDashScope, DashScopeProvider),
}
EMBEDDING_FIRMS: tuple[Firm, ...] = ("openai", "azure", "gemini", "dashscope")
KEY_HEADERS = {dialect.fake.KEY_HEADER.lower() for dialect in FIRMS.values()}
PATIENT = ProviderLimits(connect_s=2, first_token_s=5, idle_s=5, total_s=10)


def completion(model: str = "fake-writer", **options: Any) -> CompletionRequest:
    return CompletionRequest(model, (ChatMessage("system", SYSTEM), ChatMessage("user", USER)), **options)


@dataclass
class Reading:
    """What came of one call."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
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
                case ToolCall():
                    reading.tool_calls.append(event)
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
        self.dialect = FIRMS[firm]
        self.fake = fake
        self._opened: list[Any] = []

    def provider(self, *, limits: ProviderLimits = PATIENT, **options: Any) -> Any:
        arguments = {"base_url": self.fake.base_url, "api_key": KEY, "limits": limits, **options}
        self._opened.append(self.dialect.adapter(**arguments))
        return self._opened[-1]

    async def read(self, model: str, *, limits: ProviderLimits = PATIENT, **options: Any) -> Reading:
        return await read(self.provider(limits=limits, **options).stream(completion(model)))

    def key(self) -> tuple[str, str]:
        """The header, in lower case, and the value by which the firm wants the key."""
        name = self.fake.KEY_HEADER.lower()
        return name, f"Bearer {KEY}" if name == "authorization" else KEY

    def keys_sent(self) -> list[tuple[str, str]]:
        """Of the first call: whatever went where any firm takes keys."""
        headers = {name.lower(): value for name, value in self.fake.exchanges[0].headers.items()}
        return [(name, headers[name]) for name in sorted(KEY_HEADERS) if name in headers]

    async def aclose(self) -> None:
        for provider in self._opened:
            await provider.aclose()
