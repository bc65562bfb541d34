"""Webhook requests over HTTP: one connection a request, no redirects, and never to an address that is not public."""

from __future__ import annotations

import asyncio
import time

import httpcore2

from adapters.address_guard import NotPublic
from adapters.guarded_network import GuardedNetwork
from domain.operations.webhooks import SEND_S, Answer, Call

CONNECTIONS_MAX = 200
_NO_ANSWER = (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException)


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
        except (OSError, ValueError, *_NO_ANSWER) as failure:
            error = f"{type(failure).__name__}: {failure}"
        return Answer(status, error, round((time.monotonic() - began) * 1_000))

    async def _status(self, call: Call) -> int:
        headers = list(call.headers.items())
        async with self._pool.stream("POST", call.url, headers=headers, content=call.body) as response:
            return response.status
