"""The ports through which a model is asked: for text, and for embeddings.

An adapter turns one firm's wire protocol into the events below and every failure into one `ProviderError`.
It does not retry: whether another try is allowed depends on what the reader has already seen, which only the
generation engine knows.

A stream is `(TextChunk | ReasoningChunk | ToolCallChunk)* ToolCall* UsageReport? Finished`. `Finished` is required: a
provider that closes the connection without a finish reason has been cut, and the adapter raises
`ProviderErrorCode.CUT`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from domain.errors import DomainError


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model may ask to be called. `parameters` is the JSON schema of an object: the arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for, whole. `signature` is the provider's own and goes back to it unread."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    signature: str = ""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """`tool_calls` are what an assistant asked for; a message of the role "tool" answers the one it names."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    model: str
    messages: tuple[ChatMessage, ...]
    max_output_tokens: int | None = None
    temperature: float | None = None
    tools: tuple[Tool, ...] = ()


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
    TOOL_CALLS = "TOOL_CALLS"


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
class ToolCallChunk:
    """A piece of a tool call as it is written. Pieces of one `index` belong together; `arguments` is JSON text."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Token counts of the whole call so far; a later report replaces an earlier one.

    Whatever the firm's own way to count: `input_tokens` is the whole prompt, of which `cached_input_tokens` were read
    from the provider's cache and `cache_write_tokens` written to it; `reasoning_tokens` are part of `output_tokens`.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.PROVIDER_FINAL
    cache_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    reason: FinishReason
    upstream_request_id: str | None = None


ProviderEvent = TextChunk | ReasoningChunk | ToolCallChunk | ToolCall | UsageReport | Finished


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


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector a text, in the order of the texts, all of one length and finite. `usage` when the provider told it."""

    vectors: tuple[tuple[float, ...], ...]
    usage: UsageReport | None = None


class EmbeddingProvider(Protocol):
    """A provider of vectors. A call with more than `embedding_batch_max` texts is refused as BAD_REQUEST."""

    @property
    def embedding_batch_max(self) -> int: ...

    async def embed(self, texts: Sequence[str], model: str, dimensions: int | None = None) -> Embeddings:
        """`dimensions` asks for shorter vectors than the model's own. Raises `ProviderError` only."""
        ...

    async def aclose(self) -> None: ...
