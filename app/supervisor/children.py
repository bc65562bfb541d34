"""The programs that `up` keeps running, and the one shape in which it keeps any of them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from app.embedded import EmbeddedError
from app.embedded.process import end, open_log, spawn
from app.supervisor.policy import RestartPolicy

TREE: Final = Path(__file__).resolve().parents[2]
_WARDEN: Final = str(Path(__file__).with_name("warden.py"))


@dataclass(frozen=True)
class Programs:
    """What is run for each part. Tests put stand-ins here."""

    migrate: Sequence[str]
    api: Sequence[str]
    worker: Sequence[str]
    relay: Sequence[str]
    demo: Sequence[str]


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "app", *words)


PRODUCT: Final = Programs(
    migrate=_command("migrate"),
    api=_command("serve"),
    worker=_command("worker"),
    relay=_command("relay"),
    demo=_command("demo", "--json"),
)


class Service(Protocol):
    """Something kept running: PostgreSQL, Valkey, or a program of ours."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def log(self) -> Path:
        """Where it writes."""

    @property
    def stop_signal(self) -> signal.Signals:
        """What ends it cleanly."""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The one started last."""

    def start(self) -> None:
        """Start, or start again. Raises EmbeddedError."""

    def alive(self) -> bool:
        """Whether it runs."""

    def stop(self, timeout_s: float) -> None:
        """End it, by force after the timeout."""


class Child:
    """A program of ours. It dies at once with the supervisor: nothing it holds needs a farewell."""

    stop_signal: Final = signal.SIGTERM

    def __init__(self, name: str, program: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._program = program
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The one started last."""
        if self._process is None:
            raise EmbeddedError(f"{self.name} was not started")
        return self._process

    def start(self, stdout: int | None = None) -> None:
        """Start it; its output goes to the log, or its standard output to the descriptor given."""
        with open_log(self.log) as log:
            self._process = spawn(
                self._program,
                cwd=TREE,
                env=self._env,
                output=log,
                death_signal=signal.SIGKILL,
                stdout=stdout,
            )

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self, timeout_s: float) -> None:
        """Ask it to end; kill it after the timeout."""
        if self._process is not None:
            end([(self._process, self.stop_signal)], timeout_s)


@dataclass
class Kept:
    """A service with what is remembered about its starts. Times are monotonic seconds."""

    service: Service
    grace_s: float = 0.0
    policy: RestartPolicy = field(default_factory=RestartPolicy)
    started_at: float = 0.0
    due_at: float | None = None


class Warden:
    """Our end of the process that cleans up after us (see `warden.py`)."""

    def __init__(self) -> None:
        self._groups: dict[int, float] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def watch(self, group: int, grace_s: float) -> None:
        """Kill this group `grace_s` after our end."""
        self._groups[group] = grace_s
        self._tell(f"watch {group} {grace_s}")

    def forget(self, group: int) -> None:
        """The group is gone."""
        self._groups.pop(group, None)
        self._tell(f"forget {group}")

    def keep(self) -> None:
        """Start it, or start it again when it died."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", _WARDEN],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for group, grace_s in self._groups.items():
            self._tell(f"watch {group} {grace_s}")

    def release(self) -> None:
        """Let it finish: kills what is still watched."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait()

    def _tell(self, command: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        try:
            self._process.stdin.write(f"{command}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            return  # it died; the next `keep` tells a new one everything
