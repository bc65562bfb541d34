"""The client: keep-alive connections that ask one after the other, in a process of its own.

python -m bench.http.load < plan.json > figures.json
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from statistics import quantiles


@dataclass(frozen=True)
class Plan:
    """`bodies[n]` is sent with `tokens[n]`, in rotation, over `connections` at once, for `seconds`."""

    port: int
    path: str
    tokens: list[str]
    bodies: list[str]
    connections: int
    seconds: float


@dataclass(frozen=True)
class Figures:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    last: str


def requests(plan: Plan) -> list[bytes]:
    made = []
    for token, body in zip(plan.tokens, plan.bodies, strict=True):
        payload = body.encode()
        head = (
            f"POST {plan.path} HTTP/1.1\r\nhost: 127.0.0.1:{plan.port}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {token}\r\ncontent-length: {len(payload)}\r\n\r\n"
        )
        made.append(head.encode() + payload)
    return made


class Asker(asyncio.Protocol):
    """Sends the next request when an answer is whole. Raises through `failed` what is no 200."""

    def __init__(self, asked: list[bytes], until: float, number: int, took: list[float]) -> None:
        self._asked = asked
        self._until = until
        self._turn = number
        self._took = took
        self._buffer = b""
        self._began = 0.0
        self.done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        self._turn += 1
        self._began = time.perf_counter()
        self._transport.write(self._asked[self._turn % len(self._asked)])

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        if not lower.startswith(b"http/1.1 200"):
            self.done.set_exception(RuntimeError(self._buffer[:2_000].decode()))
            self._transport.close()
            return
        at = lower.index(b"content-length:") + 15
        if len(rest) < int(lower[at:].split(b"\r\n", 1)[0]):
            return
        now = time.perf_counter()
        self._took.append(now - self._began)
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self.done.set_result(rest)
            self._transport.close()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError("the server closed the connection"))


async def run(plan: Plan) -> Figures:
    loop = asyncio.get_running_loop()
    took: list[float] = []
    began = time.perf_counter()
    until = began + plan.seconds
    asked = requests(plan)
    askers = []
    for number in range(plan.connections):
        _, asker = await loop.create_connection(partial(Asker, asked, until, number, took), "127.0.0.1", plan.port)
        askers.append(asker)
    answers = await asyncio.gather(*(asker.done for asker in askers))
    spent = time.perf_counter() - began
    cuts = quantiles(took, n=100)
    return Figures(len(took), spent, cuts[49] * 1000, cuts[98] * 1000, answers[0].decode())


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(run(Plan(**json.load(sys.stdin)))))))
