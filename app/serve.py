"""The API process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from app import operations, telemetry, ui
from app.graphql.documents import Documents
from app.graphql.engine import Engine
from app.graphql.gate import Gate
from app.graphql.http import HttpEndpoint
from app.graphql.ws import Socket
from app.origins import OriginGuard
from app.settings import Settings
from app.wiring import Api, build_api
from domain.accounts import Actor
from resolvers.reads import TenantReads
from resolvers.root import build_schema
from schema.context import Context

SHUTDOWN_S = 3
SOCKET_FAREWELL_S = 2


def create_app(settings: Settings, api: Api) -> FastAPI:
    """The whole HTTP surface over one process's services."""
    schema = build_schema()._schema
    limits = settings.limits
    documents, engine = Documents(schema, limits), Engine(schema, limits, compiled=settings.compiled_execution)
    gate = Gate(schema, engine, limits, api.buckets, settings.introspection)
    sockets: set[Socket] = set()

    def new_context(actor: Actor | None, request_id: str, client: str) -> Context:
        reads = TenantReads(api.database, api.services.events, actor)
        return Context(actor, reads, api.services, request_id, client)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await api.hub.start()
        await api.buckets.start()
        gc.freeze()
        yield
        await api.close()

    app = FastAPI(title="Fabula", lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
    http = HttpEndpoint(documents, gate, api.authenticator.authenticate, new_context, limits)

    async def graphql(request: Request) -> Response:
        return await http(request)

    async def graphql_ws(ws: WebSocket) -> None:
        socket = Socket(ws, documents, gate, api.authenticator.authenticate, new_context, limits)
        sockets.add(socket)
        try:
            await socket.serve()
        finally:
            sockets.discard(socket)

    app.state.sockets, app.state.http = sockets, http
    app.add_route("/graphql", graphql, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    app.add_api_websocket_route("/graphql", graphql_ws)
    operations.add_routes(app, settings, api)
    ui.add_routes(app, settings)
    app.add_middleware(OriginGuard, allowed=settings.allowed_origins, any_loopback=settings.dev)
    return app


class Server(uvicorn.Server):
    """Tells clients of sockets and streams to connect again before it closes."""

    async def shutdown(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        state = self.config.app.state  # type: ignore[union-attr]
        open_sockets = list(state.sockets)
        state.http.restart()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SOCKET_FAREWELL_S):
                await asyncio.gather(*(one.restart() for one in open_sockets), return_exceptions=True)
        await super().shutdown(sockets)  # type: ignore[arg-type]


def server_of(settings: Settings, api: Api) -> Server:
    config = uvicorn.Config(
        create_app(settings, api),
        host=settings.host,
        port=settings.port,
        ws="websockets-sansio",
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
    server = server_of(settings, build_api(settings))
    server.run()
    return 0 if server.started else 1
