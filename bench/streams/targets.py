"""The servers that are compared, each started alone as one process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.embedded.process import end, open_log, pick_port, spawn, tail
from app.settings import environment_with
from bench.node import node
from bench.streams.stage import Stage

TREE = Path(__file__).resolve().parents[2]
NODE = Path(__file__).parent / "node"
START_S = 60.0
NODE_PEERS = ("graphql_ws_node",)
TARGETS = ("fabula", "strawberry_stock", "raw_websocket", *NODE_PEERS)
QUERY = """subscription ($id: ID!) {
  generationEvents(id: $id) { __typename seq cursor at ... on TextDelta { text } }
}"""
PATHS = {"fabula": "/graphql", "strawberry_stock": "/stock", "raw_websocket": "/raw", "graphql_ws_node": "/graphql"}


@dataclass(frozen=True)
class Server:
    pid: int
    port: int

    def cpu_s(self) -> float:
        """User and system time of the process, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self) -> int:
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def running(target: str, stage: Stage, cache: Path) -> Iterator[Server]:
    port = pick_port()
    changes = {
        **stage.settings.as_variables(),
        "FABULA_PORT": str(port),
        "FABULA_LOG_LEVEL": "WARNING",
        "NODE_ENV": "production",
    }
    log = cache / f"{target}.log"
    with open_log(log) as output:
        since = output.tell()
        process = spawn(
            _program(target, port, stage.redis_url, cache), cwd=TREE, env=environment_with(changes), output=output,
            death_signal=signal.SIGKILL,
        )  # fmt: skip
        try:
            wait_for(process, port, lambda: tail(log, since=since))
            yield Server(process.pid, port)
        finally:
            end([(process, signal.SIGTERM)], 10.0)


def _program(target: str, port: int, redis_url: str, cache: Path) -> list[str | Path]:
    match target:
        case "fabula":
            return [sys.executable, "-m", "app", "serve"]
        case "graphql_ws_node":
            place = cache / "node"
            return [node(place), place / "server.mjs", str(port), redis_url]
        case _:
            return [sys.executable, "-m", "bench.streams.peers", str(port), redis_url]


def wait_for(process: subprocess.Popen[bytes], port: int, said: object) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {said() if callable(said) else said}")
