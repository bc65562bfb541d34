"""Webhook requests over HTTP: one connection a request, no redirects, and never to an address that is not public.

A name is resolved once, every address that it leads to is looked at, and the connection is made to one of those: a
name that leads elsewhere a moment later leads nowhere new.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import httpcore2

from adapters.address_guard import NotPublic, is_public
from domain.operations.webhooks import SEND_S, Answer, Call

CONNECTIONS_MAX = 200


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to what a name leads to. Raises NotPublic unless any address will do."""

    def __init__(self, *, any_address: bool) -> None:
        self._any_address = any_address
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:  # fmt: skip
        found = await asyncio.get_running_loop().getaddrinfo(host, port, proto=6)
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
        if not self._any_address and not all(is_public(one) for one in addresses):
            raise NotPublic(f"{host} leads to an address that is not public")
        for last, address in enumerate(addresses, 1 - len(addresses)):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if last == 0:
                    raise
        raise NotPublic(f"{host} leads nowhere")


class HttpCaller:
    """Implements `domain.operations.webhooks.Caller`. Of an answer only the status is read."""

    def __init__(self, *, any_address: bool) -> None:
        self._pool = httpcore2.AsyncConnectionPool(
            network_backend=GuardedNetwork(any_address=any_address), max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=0,
        )  # fmt: skip

    async def call(self, call: Call) -> Answer:
        began = time.monotonic()
        status, error = None, None
        try:
            async with asyncio.timeout(SEND_S):
                status = await self._status(call)
        except TimeoutError:
            error = f"no answer within {SEND_S:g} s"
        except NotPublic as refusal:
            error = str(refusal)
        except (OSError, ValueError, httpcore2.NetworkError, httpcore2.ProtocolError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        return Answer(status, error, round((time.monotonic() - began) * 1_000))

    async def _status(self, call: Call) -> int:
        headers = list(call.headers.items())
        async with self._pool.stream("POST", call.url, headers=headers, content=call.body) as response:
            return response.status
