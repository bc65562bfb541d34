"""OpenAI's chat protocol, which most of the world speaks: DeepSeek, Moonshot, OpenRouter, vLLM, Ollama, LM Studio.

The SDK sends the request and decodes the events; it is asked for plain objects, since its typed ones cost two thirds of
a token's CPU and are not checked either. It is lenient: a clean end without a finish reason, a web page with status 200
and frames of any shape raise nothing, so `http_guard` stands before it and `frames` behind it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from adapters.chat_json import message_json, tool_call_pieces, tool_json
from adapters.frames import Frame
from adapters.http_errors import ErrorFrame, failure, request_id
from adapters.presets import BY_NAME, LengthField, Preset, preset_for, temperature
from adapters.shapes import count_in, object_in, objects_in, text_in
from adapters.wire_provider import Vectors, WireEmbedder
from domain.generation.provider import CompletionRequest, ProviderErrorCode, UsageReport


class OpenAIProvider(WireEmbedder):
    """Any server of the protocol, with the quirks of its preset. Without a key none is sent, as local servers like it."""

    default_base_url: ClassVar[str | None] = BY_NAME["openai"].base_url

    @property
    def embedding_batch_max(self) -> int:
        return self._preset.embedding_batch_max

    @property
    def _preset(self) -> Preset:
        return preset_for(self._base_url)

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
            "messages": [message_json(message) for message in request.messages],
            "stream": True,
        }
        if self._preset.stream_options:
            body["stream_options"] = {"include_usage": True}
        if request.tools:
            body["tools"] = [tool_json(tool) for tool in request.tools]
        if request.max_output_tokens is not None:
            body[self._length_field] = request.max_output_tokens
        asked = temperature(request.model, request.temperature, self._preset.temperature_max)
        if asked is not None:
            body["temperature"] = asked
        return body

    @property
    def _length_field(self) -> LengthField:
        return self._preset.length_field

    async def _embed(
        self, sdk: Any, texts: Sequence[str], model: str, dimensions: int | None
    ) -> tuple[Vectors, UsageReport | None]:
        body: dict[str, Any] = {"model": model, "input": list(texts), "encoding_format": "float"}
        if dimensions is not None:
            body["dimensions"] = dimensions
        answer = object_in(await sdk.post("/embeddings", body=body, cast_to=object))
        if "error" in answer:
            raise ErrorFrame(answer)
        vectors = [(item.get("index"), item["embedding"]) for item in objects_in(answer.get("data"))]
        return vectors, _usage(answer.get("usage"))


class AzureOpenAIProvider(OpenAIProvider):
    """An Azure resource: the model's name is that of a deployment, and `api_version` among the options its contract.

    `base_url` is the resource's address, such as https://RESOURCE.openai.azure.com.
    """

    default_base_url = None
    key_header = "api-key"
    default_api_version = "2024-10-21"

    def _connect(self, api_key: str | None) -> tuple[Any, Any]:
        import httpx2
        import openai

        if not self._base_url:
            raise failure(ProviderErrorCode.BAD_REQUEST, detail="an Azure channel needs its resource's address")
        http = httpx2.AsyncClient(**self._http_options(httpx2, api_key))
        sdk = openai.AsyncAzureOpenAI(
            azure_endpoint=self._base_url,
            api_version=self._options.get("api_version") or self.default_api_version,
            api_key="-",
            max_retries=0,
            http_client=http,
        )
        return http, sdk

    @property
    def _length_field(self) -> LengthField:
        return "max_completion_tokens"


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
    event = object_in(event)
    if event.get("object") == "error":
        raise ErrorFrame(event)
    usage = _usage(event.get("usage"))
    choice = next((choice for choice in objects_in(event.get("choices")) if not choice.get("index")), None)
    if choice is None:
        return Frame(usage=usage)
    delta = object_in(choice.get("delta"))
    if delta.get("refusal"):
        raise ErrorFrame({"code": "content_policy_violation", "message": "the model refused"})
    return Frame(
        text=text_in(delta.get("content")),
        reasoning=text_in(delta.get("reasoning_content") or delta.get("reasoning")),
        usage=usage,
        finish=text_in(choice.get("finish_reason")) or None,
        tool_calls=tool_call_pieces(delta.get("tool_calls")),
    )


def _usage(usage: Any) -> UsageReport | None:
    if not usage:
        return None
    counts = object_in(usage)
    prompt = object_in(counts.get("prompt_tokens_details"))
    return UsageReport(
        input_tokens=count_in(counts, "prompt_tokens"),
        output_tokens=count_in(counts, "completion_tokens"),
        # DeepSeek and Moonshot count their caches under names of their own.
        cached_input_tokens=count_in(prompt, "cached_tokens")
        or count_in(counts, "prompt_cache_hit_tokens")
        or count_in(counts, "cached_tokens"),
        reasoning_tokens=count_in(object_in(counts.get("completion_tokens_details")), "reasoning_tokens"),
        cache_write_tokens=count_in(prompt, "cache_write_tokens"),
    )
