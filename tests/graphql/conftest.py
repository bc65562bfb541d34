"""The API served for real on a loopback port, and clients of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from app.serve import create_app
from app.settings import Settings
from app.wiring import Api, build_api
from tests.documents import CHAPTER_CREATE, PROJECT_CREATE, REGISTER


@dataclass
class Served:
    api: Api
    url: str
    settings: Settings

    @property
    def graphql(self) -> str:
        return f"{self.url}/graphql"

    @property
    def ws(self) -> str:
        return self.graphql.replace("http", "ws", 1)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Served]:
    api = build_api(settings)
    config = uvicorn.Config(
        create_app(settings, api), port=0, log_config=None, access_log=False, ws="websockets-sansio",
        ws_max_size=settings.limits.ws_message_bytes_max, ws_per_message_deflate=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event to await
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(api, f"http://127.0.0.1:{port}", settings)
    finally:
        server.should_exit = True
        await task


@pytest.fixture(scope="module")
async def served(settings: Settings) -> AsyncIterator[Served]:
    async with serving(settings) as one:
        yield one


@dataclass
class Client:
    """One person with a token."""

    served: Served
    http: httpx.AsyncClient
    token: str = ""
    tenant_id: str = ""
    refresh_token: str = ""
    email: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def post(self, query: str, **variables: Any) -> httpx.Response:
        headers = dict(self.headers)
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        return await self.http.post(self.served.graphql, json={"query": query, "variables": variables}, headers=headers)

    async def gql(self, query: str, **variables: Any) -> Any:
        """The answer's data; an error fails the test."""
        answer = (await self.post(query, **variables)).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def errors(self, query: str, **variables: Any) -> list[str]:
        """The codes of the answer's errors."""
        return [error["extensions"]["code"] for error in (await self.post(query, **variables)).json()["errors"]]

    async def project(self, title: str = "A novel", language: str = "en") -> str:
        return str((await self.gql(PROJECT_CREATE, title=title, language=language))["projectCreate"]["project"]["id"])

    async def chapter(self, project_id: str, title: str = "One") -> str:
        made = await self.gql(CHAPTER_CREATE, projectId=project_id, title=title)
        return str(made["chapterCreate"]["chapter"]["id"])

    @contextlib.asynccontextmanager
    async def socket(
        self, payload: dict[str, Any] | None = None, *, init: bool = True
    ) -> AsyncIterator[ClientConnection]:
        async with connect(self.served.ws, subprotocols=["graphql-transport-ws"], proxy=None) as ws:  # type: ignore[list-item]
            if init:
                said = payload if payload is not None else {"authorization": f"Bearer {self.token}"}
                await ws.send(json.dumps({"type": "connection_init", "payload": said}))
                assert json.loads(await ws.recv()) == {"type": "connection_ack"}
            yield ws


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(timeout=30, trust_env=False, limits=limits) as client:
        yield client


@pytest.fixture(scope="module")
def anonymous(served: Served, http: httpx.AsyncClient) -> Client:
    return Client(served, http)


async def registered(anonymous: Client, name: str) -> Client:
    email = f"{name}-{secrets.token_hex(4)}@example.org"
    made = (await anonymous.gql(REGISTER, email=email, password="correct horse", name=name))["register"]
    assert made["userErrors"] == []
    return Client(
        anonymous.served, anonymous.http, made["tokens"]["accessToken"], made["viewer"]["tenant"]["id"],
        made["tokens"]["refreshToken"], email,
    )  # fmt: skip


@pytest.fixture(scope="module")
async def alice(anonymous: Client) -> Client:
    return await registered(anonymous, "alice")


@pytest.fixture(scope="module")
async def bob(anonymous: Client) -> Client:
    return await registered(anonymous, "bob")
