"""OpenAI's chat protocol, which most of the world speaks: DeepSeek, Moonshot, OpenRouter, vLLM, Ollama, LM Studio.

The SDK sends the request and decodes the events; it is asked for plain objects, since its typed ones cost two thirds of
a token's CPU and are not checked either. It is lenient: a clean end without a finish reason, a web page with status 200
and frames of any shape raise nothing, so `http_guard` stands before it and `frames` behind it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from adapters.frames import Frame
from adapters.http_errors import ErrorFrame, request_id
from adapters.wire_provider import WireProvider
from domain.generation.provider import CompletionRequest, UsageReport

# These hosts refuse `max_tokens` for their newer models; servers elsewhere know nothing else.
_RENAMED_MAX_TOKENS = ("api.openai.com", ".openai.azure.com")


class OpenAIProvider(WireProvider):
    """Without a key no `Authorization` is sent, as local servers like it."""

    default_base_url = "https://api.openai.com/v1"

    def _connect(self, api_key: str | None) -> tuple[Any, Any]:
        import httpx2
        import openai

        http = httpx2.AsyncClient(**self._http_options(httpx2, api_key))
        # The placeholder is never sent: given None, the SDK would take whatever key the environment holds.
        return http, openai.AsyncOpenAI(base_url=self._base_url, api_key="-", max_retries=0, http_client=http)

    async def _frames(self, sdk: Any, request: CompletionRequest) -> AsyncGenerator[Frame, None]:
        import openai

        stream = await sdk.post(
            "/chat/completions",
            body=self._body(request),
            cast_to=object,
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        try:
            yield Frame(request_id=request_id(stream.response.headers))
            async for chunk in _with_error_frames(stream):
                yield _frame(chunk)
        finally:
            with suppress(Exception):
                await stream.close()

    def _body(self, request: CompletionRequest) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.max_output_tokens is not None:
            host = urlsplit(self._base_url).hostname or ""
            renamed = host.endswith(_RENAMED_MAX_TOKENS)
            body["max_completion_tokens" if renamed else "max_tokens"] = request.max_output_tokens
        if request.temperature is not None:
            body["temperature"] = request.temperature
        return body


async def _with_error_frames(stream: Any) -> AsyncGenerator[Any, None]:
    """The SDK raises a plain `APIError` for a frame that holds an error; its subclasses tell of the connection."""
    import openai

    try:
        async for chunk in stream:
            yield chunk
    except openai.APIConnectionError:
        raise
    except openai.APIError as exc:
        raise ErrorFrame(exc.body) from None


def _frame(event: Any) -> Frame:
    """What is shaped unlike the protocol fails here with a TypeError, and becomes INVALID_RESPONSE."""
    event = _object(event)
    if event.get("object") == "error":
        raise ErrorFrame(event)
    usage = _usage(event.get("usage"))
    choice = next((choice for choice in map(_object, event.get("choices") or ()) if not choice.get("index")), None)
    if choice is None:
        return Frame(usage=usage)
    delta = _object(choice.get("delta"))
    if delta.get("refusal"):
        raise ErrorFrame({"code": "content_policy_violation", "message": "the model refused"})
    return Frame(
        text=_string(delta.get("content")),
        reasoning=_string(delta.get("reasoning_content") or delta.get("reasoning")),
        usage=usage,
        finish=_string(choice.get("finish_reason")) or None,
    )


def _usage(usage: Any) -> UsageReport | None:
    if not usage:
        return None
    counts = _object(usage)
    return UsageReport(
        input_tokens=_count(counts, "prompt_tokens"),
        output_tokens=_count(counts, "completion_tokens"),
        # DeepSeek counts its cache under a name of its own.
        cached_input_tokens=_count(_object(counts.get("prompt_tokens_details")), "cached_tokens")
        or _count(counts, "prompt_cache_hit_tokens"),
        reasoning_tokens=_count(_object(counts.get("completion_tokens_details")), "reasoning_tokens"),
    )


def _count(counts: dict[str, Any], name: str) -> int:
    value = counts.get(name)
    return max(value, 0) if isinstance(value, int) else 0


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} where an object was due")
    return value


def _string(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text was due")
    return value
