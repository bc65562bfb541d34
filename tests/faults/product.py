"""The real product, started once for many tests, with its processes in reach of `kill -9`."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

from app.embedded import PostgresServer, ValkeyServer
from tests.app.processes import Up, alive

START_TIMEOUT_S = 120.0
RETURN_TIMEOUT_S = 30.0


class Product:
    """`python -m app up` on a data directory of its own. `ready` is the ready file's content, read afresh."""

    def __init__(self, **environment: str) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="fabula-faults-"))
        self._up = Up(self._directory / "data", env=environment, command=(sys.executable, "-m", "app", "up"))

    @property
    def ready(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._up.ready_file.read_text(encoding="utf-8"))
        return document

    @property
    def logs(self) -> Path:
        """Where each process writes, e.g. `api.log`."""
        return self._up.data_dir / "logs"

    async def started(self) -> None:
        """Until the ready file is there."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._up.ready_file.exists():
            assert self._up.process.poll() is None, f"up ended: {self._up.output()}"
            assert time.monotonic() < deadline, "no ready file"
            await asyncio.sleep(0.1)

    def pid(self, part: str) -> int:
        """The process of a part: api, worker, relay, postgres or valkey."""
        pids = self.ready["pids"][part]
        return int(pids[0] if isinstance(pids, list) else pids)

    def strike(self, part: str, number: signal.Signals = signal.SIGKILL) -> float:
        """Send a signal to a part's process; when that was, in monotonic seconds."""
        os.kill(self.pid(part), number)
        return time.monotonic()

    async def recovered(self) -> float:
        """Until all is well; when that was."""
        deadline = time.monotonic() + RETURN_TIMEOUT_S
        while not await self._well():
            assert time.monotonic() < deadline, f"not well: {self.ready['pids']}"
            await asyncio.sleep(0.05)
        return time.monotonic()

    async def replaced(self, part: str, old: int) -> float:
        """Until another process than `old` plays a part, and all is well; when that was."""
        deadline = time.monotonic() + RETURN_TIMEOUT_S
        while self.pid(part) == old:
            assert time.monotonic() < deadline, f"{part} is still process {old}"
            await asyncio.sleep(0.05)
        return await self.recovered()

    async def _well(self) -> bool:
        """Whether every process in the ready file runs and /readyz says so."""
        parts = self.ready["pids"].values()
        pids = [pid for part in parts for pid in (part if isinstance(part, list) else [part])]
        return all(pid is None or alive(pid) for pid in pids) and await asyncio.to_thread(
            _answers, f"{self.ready['url']}/readyz"
        )

    def stop(self) -> None:
        """End it, and remove what it kept."""
        self._up.stop()
        PostgresServer(self._up.data_dir / "postgres").destroy()
        ValkeyServer(self._up.data_dir / "valkey").destroy()
        shutil.rmtree(self._directory)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
