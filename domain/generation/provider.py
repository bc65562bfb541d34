"""The one port through which text is asked of a model.

An adapter turns one firm's wire protocol into the events below and every failure into one `ProviderError`.
It does not retry: whether another try is allowed depends on what the reader has already seen, which only the
generation engine knows.

A stream is `TextChunk* | ReasoningChunk* ... UsageReport? ... Finished`. `Finished` is required: a provider that
closes the connection without a finish reason has been cut, and the adapter raises `ProviderErrorCode.CUT`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from domain.errors import DomainError


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    model: str
    messages: tuple[ChatMessage, ...]
    max_output_tokens: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """Time limits of one call. None may be infinite: a silent provider must not hold a worker."""

    connect_s: float = 10.0
    first_token_s: float = 60.0
    idle_s: float = 30.0
    total_s: float = 900.0


class FinishReason(StrEnum):
    STOP = "STOP"
    LENGTH = "LENGTH"
    CONTENT_FILTER = "CONTENT_FILTER"


class UsageSource(StrEnum):
    """Where the token counts come from, from the most to the least trustworthy."""

    PROVIDER_FINAL = "PROVIDER_FINAL"
    PROVIDER_PARTIAL = "PROVIDER_PARTIAL"
    PROVIDER_RECEIPT = "PROVIDER_RECEIPT"
    ESTIMATE = "ESTIMATE"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class TextChunk:
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningChunk:
    text: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Token counts of the whole call so far; a later report replaces an earlier one."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.PROVIDER_FINAL


@dataclass(frozen=True, slots=True)
class Finished:
    reason: FinishReason
    upstream_request_id: str | None = None


ProviderEvent = TextChunk | ReasoningChunk | UsageReport | Finished


class ProviderErrorCode(StrEnum):
    RATE_LIMITED = "RATE_LIMITED"
    OVERLOADED = "OVERLOADED"
    TIMEOUT = "TIMEOUT"
    CUT = "CUT"
    INVALID_RESPONSE = "INVALID_RESPONSE"
    CONTENT_BLOCKED = "CONTENT_BLOCKED"
    CONTEXT_TOO_LONG = "CONTEXT_TOO_LONG"
    BAD_REQUEST = "BAD_REQUEST"
    AUTHENTICATION = "AUTHENTICATION"
    MODEL_NOT_FOUND = "MODEL_NOT_FOUND"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    UNREACHABLE = "UNREACHABLE"
    UNKNOWN = "UNKNOWN"


RETRYABLE = frozenset(
    {
        ProviderErrorCode.RATE_LIMITED,
        ProviderErrorCode.OVERLOADED,
        ProviderErrorCode.TIMEOUT,
        ProviderErrorCode.CUT,
        ProviderErrorCode.INVALID_RESPONSE,
        ProviderErrorCode.UNREACHABLE,
        ProviderErrorCode.UNKNOWN,
    }
)


class ProviderError(DomainError):
    """One failed call.

    `message` is a sentence for a writer and never quotes the provider; `detail` is for operators (truncated to 500
    characters, without keys or prompts). `retry_after_s` is the provider's own word, when it gave one.
    """

    def __init__(
        self,
        code: ProviderErrorCode,
        message: str,
        *,
        detail: str = "",
        status: int | None = None,
        retry_after_s: float | None = None,
        upstream_request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail[:500]
        self.status = status
        self.retry_after_s = retry_after_s
        self.upstream_request_id = upstream_request_id

    @property
    def retryable(self) -> bool:
        return self.code in RETRYABLE


class TextProvider(Protocol):
    """A model provider. Cancelling the task that iterates closes the provider's socket at once."""

    def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]: ...

    async def aclose(self) -> None: ...
