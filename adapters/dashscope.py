"""Alibaba Bailian (Model Studio) through its native protocol.

Built on the SDK's second-generation client; the first one's `AioGeneration` sends a call again after a timeout. The
native protocol sends usage with every frame, and the finish reason as the string "null" until there is one.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

from adapters.frames import Frame
from adapters.http_errors import ErrorFrame, request_id
from adapters.wire_provider import WireProvider
from domain.generation.provider import CompletionRequest, UsageReport

_REGION = "cn-beijing"


class DashScopeProvider(WireProvider):
    """`base_url` ends in `/api/v1`; the international gateway and private ones differ in the host only."""

    default_base_url = "https://dashscope.aliyuncs.com/api/v1"

    def _connect(self, api_key: str | None) -> tuple[Any, Any]:
        import dashscope
        import httpx

        http = httpx.AsyncClient(**self._http_options(httpx, api_key))
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
            messages=[{"role": message.role, "content": message.content} for message in request.messages],
            stream=True,
            max_tokens=request.max_output_tokens,
            temperature=request.temperature,
        )
        try:
            yield Frame(request_id=request_id(stream.headers))
            async for chunk in _with_error_frames(stream):
                yield _frame(chunk)
        finally:
            with suppress(Exception):
                await stream.aclose()


async def _with_error_frames(stream: Any) -> AsyncGenerator[Any, None]:
    """The SDK raises one class for a frame that holds an error and for one that is no JSON; the first has a code."""
    from dashscope.v2.errors import APIConnectionError, DashScopeError

    try:
        async for chunk in stream:
            yield chunk
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
    )


def _usage(usage: Any) -> UsageReport | None:
    if usage is None:
        return None
    return UsageReport(
        input_tokens=max(usage.input_tokens, 0),
        output_tokens=max(usage.output_tokens, 0),
        cached_input_tokens=_detail(usage, "prompt_tokens_details", "cached_tokens"),
        reasoning_tokens=_detail(usage, "output_tokens_details", "reasoning_tokens"),
    )


def _detail(usage: Any, group: str, name: str) -> int:
    """Counters that the SDK passes on unread, as plain dictionaries."""
    details = getattr(usage, group, None)
    value = details.get(name) if isinstance(details, dict) else None
    return max(value, 0) if isinstance(value, int) else 0
