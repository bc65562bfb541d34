"""Clients of the running API as strangers would write them: HTTP, graphql-transport-ws, server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import httpx
import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.auth import TokenCredentials
from app.settings import Settings
from app.wiring import Api
from domain.accounts import Membership, Role, User, join_tenant
from domain.billing import top_up_entry
from domain.ids import TenantId, UserId, new_id
from schema.ids import encode_id

PROTOCOL = "graphql-transport-ws"
PATIENCE_S = 10.0
CREDIT_MICROS = 100_000_000
NO_PASSWORD = "no password: signs in with tokens made for it"


class Refused(AssertionError):
    """A GraphQL answer with errors, where a test wanted data."""


@dataclass(repr=False)
class Person:
    """A user in a tenant, with a session. Calls carry the access token unless `headers` say otherwise."""

    site: Site
    tenant_id: TenantId
    user_id: UserId
    session_id: UUID
    access_token: str
    refresh_token: str
    email: str
    role: Role
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def authorization(self) -> str:
        return f"Bearer {self.access_token}"

    @property
    def tenant_gid(self) -> str:
        return encode_id("Tenant", self.tenant_id)

    def with_token(self, token: str) -> Person:
        """The same calls under another token."""
        return replace(self, access_token=token)

    async def ask(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The whole answer, errors and all."""
        headers = {"authorization": self.authorization, **self.headers}
        answer: dict[str, Any] = (await self.site.post(query, variables, **headers)).json()
        return answer

    async def __call__(self, query: str, /, **variables: Any) -> Any:
        """The data of an answer without errors; of its only root field when there is but one."""
        answer = await self.ask(query, **variables)
        if "errors" in answer:
            raise Refused(json.dumps(answer["errors"], indent=1))
        data = answer["data"]
        return next(iter(data.values())) if len(data) == 1 else data

    async def code(self, query: str, /, **variables: Any) -> str:
        """The code of the first top-level error."""
        answer = await self.ask(query, **variables)
        assert "errors" in answer, answer
        return str(answer["errors"][0]["extensions"]["code"])

    async def mutate(self, name: str, fields: str = "__typename", /, **input_: Any) -> Any:
        """The payload of a mutation that takes one input."""
        type_ = name[0].upper() + name[1:] + "Input"
        errors = "" if name == "chapterGenerate" else " userErrors { code message field }"
        return await self(f"mutation ($i: {type_}!) {{ {name}(input: $i) {{ {fields}{errors} }} }}", i=input_)

    async def refusal(self, name: str, /, **input_: Any) -> tuple[str, list[str] | None]:
        """(code, field) of the only user error of a mutation that must do nothing."""
        payload = await self.mutate(name, **input_)
        [error] = payload["userErrors"]
        assert error["message"].endswith("."), error
        return error["code"], error["field"]

    @contextlib.asynccontextmanager
    async def socket(self, **init: Any) -> AsyncIterator[Ws]:
        async with self.site.socket() as ws:
            await ws.init(authorization=self.authorization, **init)
            yield ws

    def short_lived(self, lives_s: float) -> str:
        """An access token of this session that expires that soon; already expired when negative."""
        now = datetime.now(UTC)
        claims = {
            "sub": self.user_id.hex,
            "tid": self.tenant_id.hex,
            "sid": self.session_id.hex,
            "iat": int(now.timestamp()),
            "exp": (now + timedelta(seconds=lives_s)).timestamp(),
        }
        return jwt.encode(claims, self.site.settings.secret.get_secret_value(), algorithm="HS256")


@dataclass(repr=False)
class Site:
    """A running API and what it takes to talk to it."""

    url: str
    ws_url: str
    http: httpx.AsyncClient
    api: Api
    settings: Settings

    @cached_property
    def credentials(self) -> TokenCredentials:
        return TokenCredentials(self.settings.secret.get_secret_value())

    async def post(self, query: str, variables: dict[str, Any] | None = None, /, **headers: str) -> httpx.Response:
        return await self.http.post("/graphql", json={"query": query, "variables": variables or {}}, headers=headers)

    async def tenant(self, *, credit_micros: int = CREDIT_MICROS, platform_admin: bool = False) -> Person:
        """A new tenant and its owner, signed in."""
        tenant_id = TenantId(new_id())
        email = f"{secrets.token_hex(6)}@example.org"
        async with self.api.services.units(tenant_id) as uow:
            user, _ = await join_tenant(
                uow.accounts, email=email, password_hash=NO_PASSWORD, display_name="Owner", tenant_name="Studio",
                locale="en", tenant_id=tenant_id, platform_admin=platform_admin,
            )  # fmt: skip
            await uow.billing.open_wallet()
            if credit_micros:
                await uow.billing.post(top_up_entry("starting-credit", credit_micros))
        return await self.sign_in(user, tenant_id, Role.OWNER)

    async def member(self, owner: Person, role: Role) -> Person:
        """Another user of the same tenant."""
        user = User(UserId(new_id()), f"{secrets.token_hex(6)}@example.org", role.title(), NO_PASSWORD)
        async with self.api.services.units(owner.tenant_id) as uow:
            assert await uow.accounts.add_user(user)
            await uow.accounts.add_membership(Membership(owner.tenant_id, user.id, role))
        return await self.sign_in(user, owner.tenant_id, role)

    async def also_in(self, person: Person, owner: Person, role: Role) -> None:
        """Make a user a member of another tenant as well."""
        async with self.api.services.units(owner.tenant_id) as uow:
            await uow.accounts.add_membership(Membership(owner.tenant_id, person.user_id, role))

    async def sign_in(self, user: User, tenant_id: TenantId, role: Role) -> Person:
        async with self.api.services.units(tenant_id) as uow:
            session, issued = self.credentials.new_session(user, tenant_id, uow.now)
            await uow.accounts.add_session(session)
        return Person(
            self, tenant_id, user.id, session.id, issued.access_token, issued.refresh_token, user.email, role
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def socket(self, *, protocols: tuple[str, ...] = (PROTOCOL,), **options: Any) -> AsyncIterator[Ws]:
        """A WebSocket before its initialisation."""
        subprotocols: Any = list(protocols) or None
        async with connect(self.ws_url, subprotocols=subprotocols, proxy=None, **options) as connection:
            yield Ws(connection)

    @contextlib.asynccontextmanager
    async def sse(self, query: str, variables: dict[str, Any], **headers: str) -> AsyncIterator[AsyncIterator[Any]]:
        """The events of a stream: (name, data) pairs."""
        body = {"query": query, "variables": variables}
        headers["accept"] = "text/event-stream"
        async with self.http.stream("POST", "/graphql", json=body, headers=headers) as response:
            assert response.status_code == 200, (response.status_code, await response.aread())
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            yield _events(response)


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name, data = "", ""
    async for line in response.aiter_lines():
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data = line[5:].strip()
        elif not line and name:
            yield name, json.loads(data) if data else None
            name, data = "", ""


async def eventually(ask: Callable[[], Awaitable[Any]], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """The first answer that is true, for what no event tells of."""
    try:
        async with asyncio.timeout(timeout_s):
            while not (answer := await ask()):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {timeout_s} s: {what}") from None
    return answer


class Ws:
    """One socket. `receive` gives the next message, `closed` the code with which the server ended it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        async with asyncio.timeout(timeout_s):
            message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def init(self, **payload: Any) -> None:
        await self.send(type="connection_init", payload=payload)
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, id_: str, query: str, **variables: Any) -> None:
        await self.send(id=id_, type="subscribe", payload={"query": query, "variables": variables})

    async def works(self) -> None:
        """Every operation before this one has begun."""
        await self.subscribe("probe", "{ __typename }")
        while (message := await self.receive())["id"] != "probe":
            assert message["type"] == "next", message
        assert (await self.receive())["type"] == "complete"

    async def code_of(self, id_: str) -> str:
        """The code of the error that ends an operation."""
        while (message := await self.receive())["id"] != id_:
            pass
        assert message["type"] == "error", message
        return str(message["payload"][0]["extensions"]["code"])

    async def closed(self, timeout_s: float = PATIENCE_S) -> int:
        """The close code; messages that come before it are dropped."""
        async with asyncio.timeout(timeout_s):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed:
                pass
        assert self.connection.close_code is not None
        return self.connection.close_code

    async def events(self, id_: str, timeout_s: float = PATIENCE_S) -> AsyncIterator[dict[str, Any]]:
        """The only root field of each answer to one operation, until it completes."""
        while (message := await self.receive(timeout_s))["type"] != "complete":
            assert (message["id"], message["type"]) == (id_, "next"), message
            assert "errors" not in message["payload"], message
            yield next(iter(message["payload"]["data"].values()))
