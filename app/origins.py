"""Which web pages may call the API. A browser always says where a page comes from; programs say nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ALLOW = {
    "access-control-allow-methods": "GET, POST, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, x-tenant, traceparent",
    "access-control-max-age": "600",
}

Message = MutableMapping[str, Any]


class OriginGuard:
    """Refuses pages of other origins, over HTTP and WebSocket alike, and answers preflights of the allowed ones."""

    def __init__(self, app: ASGIApp, *, allowed: tuple[str, ...], any_loopback: bool) -> None:
        self._app = app
        self._allowed = frozenset(allowed)
        self._any_loopback = any_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
        elif not self._may(origin, headers.get("host", "")):
            await self._refuse(scope, receive, send)
        elif scope["type"] == "http" and scope["method"] == "OPTIONS":
            answer = PlainTextResponse("", 204, {**_ALLOW, **_echo(origin)})
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, _with_headers(send, _echo(origin)))

    def _may(self, origin: str, host: str) -> bool:
        parts = urlsplit(origin)
        if origin in self._allowed or parts.netloc == host:
            return True
        return self._any_loopback and parts.hostname in LOOPBACK

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 4403, "reason": "Origin not allowed"})
        else:
            await PlainTextResponse("This origin is not allowed.\n", 403)(scope, receive, send)


def _echo(origin: str) -> dict[str, str]:
    shown = "retry-after, x-request-id"
    return {"access-control-allow-origin": origin, "access-control-expose-headers": shown, "vary": "origin"}


def _with_headers(send: Send, more: dict[str, str]) -> Callable[[Message], Awaitable[None]]:
    added = [(name.encode(), value.encode()) for name, value in more.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *added]
        await send(message)

    return sending
