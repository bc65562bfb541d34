"""Watching real processes: who descends from whom, who is gone, and a supervisor run as a person would run it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

TREE = Path(__file__).resolve().parents[2]
STANDINS = str(Path(__file__).with_name("standins.py"))
_Answer = TypeVar("_Answer")


def until(get: Callable[[], _Answer], what: str, timeout_s: float = 30.0) -> _Answer:
    """Ask again until the answer is true."""
    deadline = time.monotonic() + timeout_s
    while not (answer := get()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)
    return answer


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ..., start time at 19. Empty when gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    """A zombie is dead: whether it is reaped is its parent's affair."""
    stat = _stat(pid)
    return bool(stat) and stat[0] not in "ZX"


def descendants(pid: int) -> set[int]:
    """Everything that was started by it, and by those."""
    parents = {
        int(one.name): int(stat[1])
        for one in Path("/proc").iterdir()
        if one.name.isdigit()
        if (stat := _stat(int(one.name)))
    }
    family, size = {pid}, 0
    while len(family) != size:
        size = len(family)
        family |= {child for child, parent in parents.items() if parent in family}
    return family - {pid}


class Up:
    """A running `up`, over the stand-ins unless told otherwise."""

    def __init__(
        self,
        data_dir: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        command: Sequence[str] = (sys.executable, STANDINS, "up"),
        as_uid: int | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.ready_file = data_dir / "ready.json"
        self._output = ""
        self.process = subprocess.Popen(
            [*command, "--data-dir", str(data_dir), "--port", "0", *arguments],
            cwd=TREE,
            env={**os.environ, "PYTHONPATH": str(TREE), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=as_uid,
            group=as_uid,
            extra_groups=None if as_uid is None else [],
        )

    def ready(self) -> dict[str, Any]:
        """The ready file's content, once this process wrote it: a killed one before it may have left its own."""

        def written() -> dict[str, Any]:
            assert self.process.poll() is None, f"up ended: {self.output()}"
            if not self.ready_file.exists():
                return {}
            document: dict[str, Any] = json.loads(self.ready_file.read_text(encoding="utf-8"))
            return document if document["pids"]["supervisor"] == self.process.pid else {}

        return until(written, "the ready file")

    def rewritten(self, part: str, old: object) -> dict[str, Any]:
        """The ready file's content, once it names another process for a part."""

        def new() -> bool:
            document = self.ready()
            return bool(document["pids"][part] != old)

        until(new, f"another {part} in the ready file")
        return self.ready()

    def output(self, timeout_s: float = 15.0) -> str:
        """All it printed, once it ended."""
        if not self._output:
            self._output = self.process.communicate(timeout=timeout_s)[0].decode()
        return self._output

    def stop(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.output()


def interpreter_for(uid: int) -> dict[str, str]:
    """How another account could run this tree: {"python", "PYTHONPATH"}, or {} when it cannot reach one of them.

    Our own interpreter may lie in a home directory; the system's of the same version does as well.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = os.pathsep.join([str(TREE), sysconfig.get_paths()["purelib"]])
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        with contextlib.suppress(OSError):
            done = subprocess.run(
                [python, "-c", "import app.settings"],
                cwd=TREE,
                env={"PYTHONPATH": path},
                user=uid,
                group=uid,
                extra_groups=[],
                capture_output=True,
                check=False,
            )
            if done.returncode == 0:
                return {"python": python, "PYTHONPATH": path}
    return {}
