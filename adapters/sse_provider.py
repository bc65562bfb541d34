"""A firm's own protocol, spoken without its SDK: JSON out, server-sent events in (docs/decisions/0009)."""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, ClassVar

from adapters.frames import Frame
from adapters.http_errors import request_id
from adapters.wire_provider import WireProvider
from domain.generation.provider import CompletionRequest

Reader = Callable[[Any], Frame]
"""One call's: turns each event's JSON into a frame."""


class SseProvider(WireProvider):
    """`base_url` may name a version of the protocol; `version` is taken when it does not."""

    version: ClassVar[str]
    headers: ClassVar[Mapping[str, str]] = {}

    def _connect(self, api_key: str | None) -> tuple[Any, Any]:
        import httpx2
        import httpx_sse  # noqa: F401 - here, where an import may take its time

        options = self._http_options(httpx2, api_key)
        http = httpx2.AsyncClient(base_url=self._address(), headers=self.headers, **options)
        return http, http

    def _address(self) -> str:
        base_url = self._base_url.rstrip("/")
        return base_url if re.search(r"/v\d\w*$", base_url) else f"{base_url}/{self.version}"

    async def _frames(self, sdk: Any, request: CompletionRequest) -> AsyncGenerator[Frame, None]:
        from httpx_sse import EventSource

        path, body = self._question(request)
        read = self._reader()
        async with sdk.stream("POST", path, json=body, headers={"accept": "text/event-stream"}) as response:
            yield Frame(request_id=request_id(response.headers))
            async with aclosing(EventSource(response).aiter_sse()) as events:
                async for event in events:
                    yield read(json.loads(event.data))

    @abstractmethod
    def _question(self, request: CompletionRequest) -> tuple[str, dict[str, Any]]:
        """(path below the version, body)."""

    @abstractmethod
    def _reader(self) -> Reader: ...
