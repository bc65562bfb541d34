"""Which web pages may call the API. A browser always says where a page comes from; programs say nothing."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.accounts import Actor
from persistence.database import OUTAGES, Database
from persistence.integrations.reads import KNOWN_ORIGINS

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ALLOW = {
    "access-control-allow-methods": "GET, POST, PUT, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, x-tenant, traceparent, x-fabula-preflight, apollo-require-preflight",
    "access-control-max-age": "600",
}

Message = MutableMapping[str, Any]

KNOWN_TTL_S = 10.0
ENDPOINT = "/graphql"
FOREIGN = "fabula.foreign_origin"
"""Set in the scope of a call from a page that only some client application allows: its token must be that one's."""


class AppOrigins:
    """The web origins that client applications allow, over all tenants. Believed for KNOWN_TTL_S."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: frozenset[str] = frozenset()
        self._until = 0.0

    def forget(self) -> None:
        self._until = 0.0

    async def knows(self, origin: str) -> bool:
        """False while PostgreSQL is away."""
        if self._until <= time.monotonic():
            self._until = time.monotonic() + KNOWN_TTL_S
            try:
                rows = await self._database.platform_rows(KNOWN_ORIGINS)
            except OUTAGES:
                rows = []
            self._known = frozenset(row.origin for row in rows)
        return origin in self._known


def may_call(scope: Scope, actor: Actor | None) -> bool:
    """Whether credentials may be used by the page that calls: those of an application only by its own pages."""
    own = actor.client.origins if actor is not None and actor.client is not None else ()
    if not own and FOREIGN not in scope:
        return True
    origin = Headers(scope=scope).get("origin")
    return origin is None or origin in own


class OriginGuard:
    """Refuses pages of other origins, over HTTP and WebSocket alike, and answers preflights of the allowed ones."""

    def __init__(self, app: ASGIApp, *, allowed: tuple[str, ...], any_loopback: bool, of_apps: AppOrigins) -> None:
        self._app = app
        self._allowed = frozenset(allowed)
        self._any_loopback = any_loopback
        self._of_apps = of_apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        for name, _ in scope["headers"]:
            if name == b"origin":
                break
        else:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers["origin"]
        if not self._may(origin, headers.get("host", "")) and not await self._may_as_an_apps(origin, scope):
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

    async def _may_as_an_apps(self, origin: str, scope: Scope) -> bool:
        if scope["path"] != ENDPOINT or not await self._of_apps.knows(origin):
            return False
        scope[FOREIGN] = True
        return True

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
