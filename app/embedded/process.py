"""Child processes that cannot outlive us, their logs, their ports and the locks on their directories."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from app.embedded.errors import AlreadyRunning, EmbeddedError

LOOPBACK: Final = "127.0.0.1"
_LAUNCHER: Final = str(Path(__file__).with_name("launch.py"))
_LOG_BYTES_MAX: Final = 8 * 1024 * 1024
_PORT_FIRST: Final = 15_000
_PORT_LAST_BY_DEFAULT: Final = 32_767


@dataclass(frozen=True)
class Account:
    """The operating system's user a server runs as."""

    uid: int
    gid: int


def spawn(
    program: Sequence[str | Path],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: IO[bytes] | int,
    death_signal: signal.Signals,
    account: Account | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start `program` in a session of its own; it gets `death_signal` when this process ends, however it ends."""
    if threading.current_thread() is not threading.main_thread():
        raise EmbeddedError("a server has to be started from the main thread: it ends with the thread that started it")
    uid, gid = (account.uid, account.gid) if account else (-1, -1)
    launch = [
        sys.executable,
        "-I",
        "-S",
        _LAUNCHER,
        os.getpid(),
        int(death_signal),
        uid,
        gid,
        *program,
    ]
    return subprocess.Popen(
        [str(word) for word in launch],
        cwd=cwd,
        env=dict(env),
        stdin=stdin,
        stdout=output if stdout is None else stdout,
        stderr=output,
        start_new_session=True,
    )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal a child and all that it started. Its group may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def end(processes: Iterable[tuple[subprocess.Popen[bytes], signal.Signals]], timeout_s: float) -> None:
    """Ask children to end, each with its own signal, and kill the groups of those still there after `timeout_s`."""
    running = [(process, number) for process, number in processes if process.poll() is None]
    deadline = time.monotonic() + timeout_s
    for process, number in running:
        process.send_signal(number)
    try:
        for process, _number in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    finally:
        for process, _number in running:
            signal_group(process, signal.SIGKILL)
            process.wait()


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending; a log that grew past 8 MiB is set aside first, as `<name>.1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_BYTES_MAX:
            path.replace(path.with_name(path.name + ".1"))
    return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab", buffering=0)


def tail(path: Path, *, since: int = 0, lines_max: int = 20, bytes_max: int = 16_384) -> str:
    """The last lines of a log, no earlier than byte `since`; nothing when there is no log."""
    try:
        with path.open("rb") as log:
            log.seek(max(since, path.stat().st_size - bytes_max))
            text = log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines_max:])


def write_private(path: Path, text: str) -> None:
    """Put a file in place whole, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def port_is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now; a closed connection's remains do not count."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def pick_port(host: str = LOOPBACK) -> int:
    """A free port below the kernel's range for outgoing connections.

    A port inside it may be taken by any client while our server restarts, even by a client of that very server:
    a connect to a free loopback port of the range now and then connects to itself and holds it.
    """
    last = _PORT_LAST_BY_DEFAULT
    with contextlib.suppress(OSError, ValueError):
        last = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0]) - 1
    candidates = range(_PORT_FIRST, last + 1) if last - _PORT_FIRST >= 1000 else range(_PORT_FIRST, 65_536)
    for port in random.SystemRandom().sample(candidates, 200):
        if port_is_free(port, host):
            return port
    raise EmbeddedError(f"no free port found on {host}")


def poll_until(deadline: float, interval_s: float = 0.02) -> Iterator[float]:
    """Yield the seconds left until `deadline` (monotonic), pausing between."""
    while (left := deadline - time.monotonic()) > 0:
        yield left
        time.sleep(min(interval_s, left))


class DirectoryLock:
    """One process at a time may use a directory. The kernel frees the lock when its holder ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises AlreadyRunning, or EmbeddedError when the directory is another user's."""
        if self._descriptor is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            raise EmbeddedError(f"{self._path.parent} belongs to another user (root?): use another directory") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(f"{self._path.parent} is in use by another process") from None
        self._descriptor = descriptor

    def write(self, note: Mapping[str, Any]) -> None:
        """Leave a note for whoever finds the lock taken."""
        if self._descriptor is None:
            raise EmbeddedError("the lock is not held")
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps(note).encode(), 0)

    def read(self) -> dict[str, Any]:
        """The holder's note; empty when it left none."""
        try:
            note = json.loads(self._path.read_bytes() or b"{}")
        except (FileNotFoundError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def free(self) -> None:
        """Give the directory up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
