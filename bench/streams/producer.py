"""The worker's side: appends tokens to the logs of many jobs, each at a steady rate, as the product writes them.

    python -m bench.streams.producer < plan.json

A process of its own. It says what it appended in one line of JSON.
"""

from __future__ import annotations

import json
import socket
import sys
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

SLICE_S = 0.002


@dataclass(frozen=True)
class Plan:
    """`starts_at` in Unix seconds; each stream gets `rate` tokens a second, evenly, out of step with the others."""

    redis_url: str
    keys: list[str]
    rate: int
    starts_at: float
    seconds: float


def bulk(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


def connected(url: str) -> socket.socket:
    """A line on which Redis answers nothing: what is measured is the reader."""
    parts = urlsplit(url)
    line = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    setup = b""
    if parts.password:
        setup += b"*2\r\n$4\r\nAUTH\r\n" + bulk(unquote(parts.password).encode())
    setup += b"*2\r\n$6\r\nSELECT\r\n" + bulk((parts.path.strip("/") or "0").encode())
    line.sendall(setup + b"*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n")
    return line


def run(plan: Plan) -> dict[str, float]:
    line = connected(plan.redis_url)
    heads = [b"*9\r\n$4\r\nXADD\r\n" + bulk(key.encode()) for key in plan.keys]
    count, total = len(heads), int(plan.rate * plan.seconds) * len(plan.keys)
    sent, late_s = 0, 0.0
    time.sleep(max(0.0, plan.starts_at - time.time()))
    while sent < total:
        now = time.time()
        due = min(total, int((now - plan.starts_at) * plan.rate * count))
        if due > sent:
            late_s = max(late_s, now - plan.starts_at - sent / (plan.rate * count))
            line.sendall(
                b"".join(entry(heads[number % count], number // count + 1, now) for number in range(sent, due))
            )
            sent = due
        time.sleep(SLICE_S)
    return {"appended": sent, "late_s_max": late_s, "cpu_s": time.process_time()}


def entry(head: bytes, n: int, now: float) -> bytes:
    """The rest of an XADD: a token whose text is the moment of its writing."""
    data = b'{"text":"%.6f "}' % now
    at = b"%d" % (now * 1000)
    parts = (head, bulk(b"1-%d" % n), b"$1\r\nt\r\n$5\r\nDELTA\r\n$1\r\nd\r\n", bulk(data), b"$1\r\na\r\n", bulk(at))
    return b"".join(parts)


if __name__ == "__main__":
    print(json.dumps(run(Plan(**json.load(sys.stdin)))), flush=True)
