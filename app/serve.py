"""The API process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import cast

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from app import invoice_files, operations, stripe_webhook, telemetry, ui
from app.file_services import links_of
from app.file_transfer import FileTransfer
from app.graphql.frames import FramedProtocol
from app.graphql.http import HttpEndpoint
from app.graphql.ws import Socket
from app.manifest import ManifestError
from app.origins import ENDPOINT, OriginGuard
from app.settings import Settings
from app.wiring import Api, build_api
from domain.accounts import Actor
from resolvers.reads import TenantReads
from schema.context import Context

SHUTDOWN_S = 3
SOCKET_FAREWELL_S = 2
GC_ALLOCATIONS = 20_000
"""Between two looks for cycles: a reply with a thousand events is a thousand lists, of which none is in a cycle."""


def create_app(settings: Settings, api: Api) -> Surface:
    """The whole HTTP surface over one process's services."""
    limits = settings.limits
    documents, gate = api.documents, api.gate
    sockets: set[Socket] = set()

    def new_context(actor: Actor | None, request_id: str, client: str) -> Context:
        reads = TenantReads(api.database, api.services.events, actor)
        return Context(actor, reads, api.services, request_id, client)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await api.hub.start()
        await api.buckets.start()
        api.uses.start()
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS, 20, 50)
        yield
        await api.close()

    app = FastAPI(title="Fabula", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    http = HttpEndpoint(documents, gate, api.authenticator.authenticate, new_context, limits)

    async def graphql(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await http(Request(scope, receive))
            await response(scope, receive, send)
            return
        socket = Socket(
            WebSocket(scope, receive, send), documents, gate, api.authenticator.authenticate, new_context, limits
        )
        sockets.add(socket)
        try:
            await socket.serve()
        finally:
            sockets.discard(socket)

    operations.add_routes(app, settings, api)
    stripe_webhook.add_routes(app, api.services.payments)
    invoice_files.add_routes(app, api.services.invoice_files)
    blobs = api.services.blobs
    FileTransfer(api.services.units, blobs, links_of(settings, blobs)).add_routes(app)
    ui.add_routes(app, settings)
    guarded = OriginGuard(
        Entrance(graphql, app), allowed=settings.allowed_origins, any_loopback=settings.dev, of_apps=api.origins
    )
    return Surface(guarded, app, sockets, http)


class Entrance:
    """The way to GraphQL does not lead through the framework, which costs more than many an operation."""

    def __init__(self, graphql: ASGIApp, others: ASGIApp) -> None:
        self._graphql = graphql
        self._others = others

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return (self._graphql if scope.get("path") == ENDPOINT else self._others)(scope, receive, send)


@dataclass
class Surface:
    """What uvicorn serves."""

    app: ASGIApp
    framework: FastAPI
    sockets: set[Socket]
    http: HttpEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Server(uvicorn.Server):
    """Tells clients of sockets and streams to connect again before it closes."""

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        surface = cast("Surface", self.config.app)
        open_sockets = list(surface.sockets)
        surface.http.restart()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOCKET_FAREWELL_S):
                await asyncio.gather(*(one.restart() for one in open_sockets), return_exceptions=True)
        await super().shutdown(sockets)  # type: ignore[arg-type]


def server_of(settings: Settings, api: Api) -> Server:
    config = uvicorn.Config(
        create_app(settings, api),
        host=settings.host,
        port=settings.port,
        ws=FramedProtocol,
        ws_max_size=settings.limits.ws_message_bytes_max,
        ws_ping_interval=settings.limits.ws_ping_interval_s,
        ws_ping_timeout=2 * settings.limits.ws_ping_interval_s,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    return Server(config)


def main(settings: Settings, args: argparse.Namespace) -> int:
    telemetry.configure(telemetry.API, settings)
    try:
        api = build_api(settings)
    except ManifestError as error:
        print(f"fabula: {error}", file=sys.stderr)
        return 1
    server = server_of(settings, api)
    server.run()
    return 0 if server.started else 1
