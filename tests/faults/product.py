"""The real product, started once for many tests, with its processes in reach of `kill -9`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

from app.embedded import PostgresServer, ValkeyServer
from tests.app.processes import TREE, Up, alive

START_TIMEOUT_S = 120.0
RETURN_TIMEOUT_S = 30.0


async def eventually(check: Callable[[], Awaitable[bool]], what: str, timeout_s: float) -> float:
    """Ask again until the answer is true; when that was, in monotonic seconds."""
    deadline = time.monotonic() + timeout_s
    while not await check():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        await asyncio.sleep(0.02)
    return time.monotonic()


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

    @contextlib.contextmanager
    def asleep(self, part: str) -> Iterator[float]:
        """A part's process stands still for as long as the block lasts, or until it is killed; since when."""
        pid = self.pid(part)
        try:
            yield self.strike(part, signal.SIGSTOP)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextlib.asynccontextmanager
    async def second_worker(self) -> AsyncIterator[None]:
        """One more worker like the first, for as long as the block lasts."""
        environment = _environment_of(self.pid("worker"))
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app",
            "worker",
            cwd=TREE,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            assert process.stdout is not None
            while b"worker is ready" not in await process.stdout.readline():
                assert process.returncode is None
            yield
        finally:
            process.kill()
            await process.communicate()

    async def recovered(self) -> float:
        """Until all is well; when that was."""
        return await eventually(self._well, "every process, and /readyz", RETURN_TIMEOUT_S)

    async def replaced(self, part: str, old: int) -> float:
        """Until another process than `old` plays a part, and all is well; when that was."""

        async def another() -> bool:
            return self.pid(part) != old

        await eventually(another, f"another {part} than process {old}", RETURN_TIMEOUT_S)
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


def _environment_of(pid: int) -> dict[str, str]:
    variables = Path(f"/proc/{pid}/environ").read_bytes().rstrip(b"\0").split(b"\0")
    return dict(os.fsdecode(variable).split("=", 1) for variable in variables)
