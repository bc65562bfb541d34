"""What both servers are: a directory, a lock on it, a remembered port, a child process and its log."""

from __future__ import annotations

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, ClassVar

from app.embedded.errors import EmbeddedError, ServerDied
from app.embedded.place import remove_state, state_directory
from app.embedded.ports import RememberedPort
from app.embedded.process import DirectoryLock, end, open_log, poll_until, port_is_free, tail


class EmbeddedServer(ABC):
    """One server on loopback with its data under `directory`; `start` again after it died keeps port and data.

    `log` is where it writes. Use it from the main thread.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    """It ends its sessions, writes all out and ends."""
    quit_signal: ClassVar[signal.Signals]
    """It ends although it has not yet started."""
    start_timeout_s: ClassVar[float]
    stop_timeout_s: ClassVar[float]

    def __init__(self, directory: Path, *, log: Path | None = None) -> None:
        self._directory = directory.absolute()
        self.log = log or self._directory / "log"
        self._port = RememberedPort(self._directory / "port")
        self._lock = DirectoryLock(self._directory / "lock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make what is missing on first use, start, and wait until it answers.

        Raises Unsupported, AlreadyRunning, ServerDied.
        """
        if self.alive():
            return
        self._lock.take()
        self._state, self._account = state_directory(self._directory)
        self._prepare()
        for port in self._port.candidates():
            if self._run_on(port):
                self._port.remember(port)
                return

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self.process.pid

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._port.number

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server. Raises EmbeddedError before the first start."""
        if self._process is None:
            raise EmbeddedError(f"{self.name} was not started")
        return self._process

    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout_s: float | None = None) -> None:
        """Write all out and end. Killed after `timeout_s`, or `stop_timeout_s`."""
        if self._process is not None:
            end([(self._process, self.stop_signal)], self.stop_timeout_s if timeout_s is None else timeout_s)
        self._lock.free()

    def destroy(self) -> None:
        """Stop and remove all data."""
        self.stop(timeout_s=5.0)
        remove_state(self._directory)

    @abstractmethod
    def _prepare(self) -> None:
        """Make what a start needs in `_directory` and `_state`."""

    @abstractmethod
    def _launch(self, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the program, which is to listen on that port."""

    @abstractmethod
    def _is_ready(self, port: int, pid: int) -> bool:
        """Whether the process that was launched takes connections."""

    def _password(self) -> str:
        return (self._directory / "password").read_text(encoding="utf-8")

    def _run_on(self, port: int) -> bool:
        """Start on this port; False when another program took it. Raises ServerDied."""
        with open_log(self.log) as log:
            start = log.tell()
            process = self._process = self._launch(port, log)
        for _left in poll_until(time.monotonic() + self.start_timeout_s):
            if process.poll() is not None:
                if not port_is_free(port):
                    return False
                ended = f"ended while starting (exit {process.returncode})"
                raise ServerDied(self.name, ended, tail(self.log, since=start))
            if self._is_ready(port, process.pid):
                return True
        end([(process, self.quit_signal)], 2.0)
        late = f"was not ready within {self.start_timeout_s:.0f} s"
        raise ServerDied(self.name, late, tail(self.log, since=start))
