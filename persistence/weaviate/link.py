"""The connection to a Weaviate server: made when it is first needed, and kept."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from persistence.weaviate.failures import heard

if TYPE_CHECKING:
    from weaviate import WeaviateAsyncClient

CONNECT_S = 5.0
QUERY_S = 5.0
SEARCH_S = 2.0
"""Somebody waits for a search, and PostgreSQL can answer it too."""
WRITE_S = 30.0
GRPC_PORT = 50_051


@dataclass(frozen=True, slots=True)
class Server:
    """`url` is where its REST API is. Without a `grpc_url`, gRPC is at the same host's usual port."""

    url: str
    grpc_url: str = ""
    api_key: str = ""

    @property
    def rest_place(self) -> tuple[str, int, bool]:
        """Host, port, and whether it is TLS."""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        return parts.hostname or "", parts.port or (443 if secure else 80), secure

    @property
    def grpc_place(self) -> tuple[str, int, bool]:
        host, _, secure = self.rest_place
        if not self.grpc_url:
            return host, GRPC_PORT, secure
        parts = urlsplit(self.grpc_url)
        secure = parts.scheme in {"https", "grpcs"}
        return parts.hostname or host, parts.port or (443 if secure else GRPC_PORT), secure


class Link:
    """Of one event loop."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._client: WeaviateAsyncClient | None = None
        self._connecting = asyncio.Lock()

    async def client(self) -> WeaviateAsyncClient:
        """Connected. Raises IndexAway."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._connected()
        return self._client

    async def _connected(self) -> WeaviateAsyncClient:
        await asyncio.to_thread(import_module, "weaviate")
        client = _client_of(self.server)
        try:
            async with heard(CONNECT_S):
                await client.connect()
        except BaseException:
            await client.close()
            raise
        return client

    async def ping(self) -> str:
        """The server's version, once both of its doors have answered. Raises IndexFailed."""
        client = await self.client()
        async with heard(QUERY_S):
            meta = await client.get_meta()
            await _greet(self.server)
        return str(meta["version"])

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None


def _client_of(server: Server) -> WeaviateAsyncClient:
    """Its own checks at the start are left out: one of them asks a package index whether it is the newest."""
    import weaviate
    from weaviate.classes.init import AdditionalConfig, Auth, Timeout

    (host, port, secure), (grpc_host, grpc_port, grpc_secure) = server.rest_place, server.grpc_place
    return weaviate.use_async_with_custom(
        http_host=host, http_port=port, http_secure=secure,
        grpc_host=grpc_host, grpc_port=grpc_port, grpc_secure=grpc_secure,
        auth_credentials=Auth.api_key(server.api_key) if server.api_key else None,
        additional_config=AdditionalConfig(timeout=Timeout(init=CONNECT_S, query=QUERY_S, insert=WRITE_S)),
        skip_init_checks=True,
    )  # fmt: skip


async def _greet(server: Server) -> None:
    """The client has no call of its own that says whether gRPC answers."""
    import grpc
    from weaviate.proto.v1 import health_weaviate_pb2 as health

    host, port, secure = server.grpc_place
    place = f"{host}:{port}"
    channel: Any = (
        grpc.aio.secure_channel(place, grpc.ssl_channel_credentials()) if secure else grpc.aio.insecure_channel(place)
    )
    async with channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health.WeaviateHealthCheckRequest.SerializeToString,
            response_deserializer=health.WeaviateHealthCheckResponse.FromString,
        )
        await check(health.WeaviateHealthCheckRequest(), timeout=QUERY_S)
