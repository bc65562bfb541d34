"""Alibaba Bailian (Model Studio) through its native protocol.

Built on the SDK's second-generation client; the first one's `AioGeneration` sends a call again after a timeout. The
native protocol sends usage with every frame, and the finish reason as the string "null" until there is one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from adapters.chat_json import message_json, tool_json
from adapters.frames import Frame
from adapters.http_errors import ErrorFrame, request_id
from adapters.presets import DASHSCOPE_TEMPERATURE_MAX, temperature
from adapters.shapes import count_in
from adapters.wire_provider import Vectors, WireEmbedder
from domain.generation.provider import CompletionRequest, ToolCallChunk, UsageReport

_REGION = "cn-beijing"


class DashScopeProvider(WireEmbedder):
    """`base_url` ends in `/api/v1`; the international gateway and private ones differ in the host only."""

    default_base_url = "https://dashscope.aliyuncs.com/api/v1"

    @property
    def embedding_batch_max(self) -> int:
        return 10

    def _connect(self, api_key: str | None) -> tuple[Any, Any]:
        import dashscope
        import httpx

        http = httpx.AsyncClient(base_url=self._base_url, **self._http_options(httpx, api_key))
        sdk = dashscope.AsyncClient(
            base_url=self._base_url,
            protocol="native",
            max_retries=0,
            http_client=http,
            # Named one by one: what is left out the SDK takes from the environment and from files at home.
            api_key="-",
            workspace="",
            region=_REGION,
            timeout=self._limits.total_s,
            config_path=os.devnull,
        )
        return http, sdk

    async def _frames(self, sdk: Any, request: CompletionRequest) -> AsyncGenerator[Frame, None]:
        stream = await sdk.chat.completions.create(
            model=request.model,
            messages=[message_json(message) for message in request.messages],
            tools=[tool_json(tool) for tool in request.tools] or None,
            stream=True,
            max_tokens=request.max_output_tokens,
            temperature=temperature(request.model, request.temperature, DASHSCOPE_TEMPERATURE_MAX),
        )
        try:
            yield Frame(request_id=request_id(stream.headers))
            with _error_frames():
                async for chunk in stream:
                    yield _frame(chunk)
        finally:
            with suppress(Exception):
                await stream.aclose()

    async def _embed(
        self, sdk: Any, texts: Sequence[str], model: str, dimensions: int | None
    ) -> tuple[Vectors, UsageReport | None]:
        with _error_frames():
            answer = await sdk.embeddings.create(model=model, input=list(texts), dimension=dimensions)
        vectors = [(item.index, item.embedding) for item in answer.embeddings]
        # Here the firm counts in `total_tokens` alone.
        tokens = answer.usage.total_tokens if answer.usage else 0
        return vectors, UsageReport(max(tokens, 0), 0) if tokens else None


@contextmanager
def _error_frames() -> Iterator[None]:
    """The SDK raises one class for a frame that holds an error and for one that is no JSON; the first has a code."""
    from dashscope.v2.errors import APIConnectionError, DashScopeError

    try:
        yield
    except APIConnectionError:
        raise
    except DashScopeError as exc:
        if exc.code or exc.body:
            raise ErrorFrame(exc.body) from None
        raise ValueError("a frame that is no JSON object") from None


def _frame(chunk: Any) -> Frame:
    usage = _usage(chunk.usage)
    choice = next((choice for choice in chunk.choices if not choice.index), None)
    if choice is None:
        return Frame(usage=usage, request_id=chunk.request_id)
    finish = choice.finish_reason
    return Frame(
        text=choice.delta.content or "",
        reasoning=choice.delta.reasoning_content or "",
        usage=usage,
        finish=None if finish == "null" else finish or None,
        request_id=chunk.request_id,
        tool_calls=tuple(_piece(call, place) for place, call in enumerate(choice.delta.tool_calls or ())),
    )


def _piece(call: Any, place: int) -> ToolCallChunk:
    index = place if call.index is None else call.index
    return ToolCallChunk(index, call.id or "", call.function.name or "", call.function.arguments)


def _usage(usage: Any) -> UsageReport | None:
    if usage is None:
        return None
    return UsageReport(
        input_tokens=max(usage.input_tokens, 0),
        output_tokens=max(usage.output_tokens, 0),
        cached_input_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(usage, "output_tokens_details", "reasoning_tokens"),
        cache_write_tokens=_detail(usage, "prompt_tokens_details", "cache_creation_input_tokens"),
    )


def _detail(usage: Any, group: str, name: str) -> int:
    """Counters that the SDK passes on unread, as plain dictionaries."""
    details = getattr(usage, group, None)
    return count_in(details, name) if isinstance(details, dict) else 0
