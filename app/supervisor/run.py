"""`python -m app up`: everything on one machine, started in order, kept running, stopped in order.

SetupFailed    a step of the start failed; carries its log's last lines
GaveUp         a part died again and again; carries its log's last lines
"""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from app.embedded import AlreadyRunning, EmbeddedError, PostgresServer, ValkeyServer
from app.embedded.process import DirectoryLock, end, pick_port, port_is_free, signal_group, tail
from app.embedded.valkey import BROKER_DATABASE, STREAMS_DATABASE
from app.settings import APP_ROLE, RELAY_ROLE, Settings, environment_with, role_url
from app.supervisor.children import PRODUCT, Child, Kept, Programs, Service, Warden
from app.supervisor.console import Console
from app.supervisor.files import Demo, Pids, Ready, Secrets, keep_secrets
from app.supervisor.signals import StopRequested, StopSignals

_TICK_S: Final = 0.5
_PROBE_INTERVAL_S: Final = 0.05
_PROBE_TIMEOUT_S: Final = 1.0
_READY_TIMEOUT_S: Final = 90.0
_READY_AGAIN_TIMEOUT_S: Final = 15.0
_STEP_TIMEOUT_S: Final = 300.0
_DATABASE_GRACE_S: Final = 5.0
_OPEN_FILES_MAX: Final = 65_536
_STOP_API_S, _STOP_WORK_S, _STOP_VALKEY_S, _STOP_POSTGRES_S = 2.0, 4.0, 1.0, 2.5  # under 10 s together


class SupervisorError(Exception):
    """`up` cannot go on; the text is for a person."""


class SetupFailed(SupervisorError):
    """A step of the start failed."""


class GaveUp(SupervisorError):
    """A part died five times within ten seconds of its start."""


@dataclass(frozen=True)
class UpOptions:
    """What the command line of `up` decides. Port 0 means any free one."""

    data_dir: Path
    ready_file: Path
    port: int
    workers: int = 1
    demo: bool = True


class Supervisor:
    """One `up`: use it once, from the main thread."""

    def __init__(
        self,
        options: UpOptions,
        settings: Settings,
        *,
        programs: Programs = PRODUCT,
        console: Console | None = None,
    ) -> None:
        self._options = options
        self._given = settings
        self._programs = programs
        self._console = console or Console()
        self._signals = StopSignals()
        self._lock = DirectoryLock(options.data_dir / "lock")
        self._warden = Warden()
        self._kept: list[Kept] = []
        self._postgres: PostgresServer | None = None
        self._valkey: ValkeyServer | None = None
        self._api: list[Child] = []
        self._workers: list[Child] = []
        self._relay: list[Child] = []
        self._address = ("", 0)
        self._ready: Ready | None = None
        self._announce_by: float | None = None

    def run(self) -> None:
        """Until a signal asks to stop. Raises SupervisorError, EmbeddedError."""
        self._take_directory()
        with self._signals:
            try:
                self._set_up()
                while True:
                    self._tick(_TICK_S if self._announce_by is None else _PROBE_INTERVAL_S)
            except StopRequested:
                self._console.say("stopping")
            finally:
                self._stop()
        self._console.say("stopped")

    # Setting up

    def _take_directory(self) -> None:
        """Raises AlreadyRunning, with the address of the one that runs."""
        self._options.data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        try:
            self._lock.take()
        except AlreadyRunning:
            other = self._lock.read()
            where = f"{other.get('url', 'not ready yet')} (process {other.get('pid', 'unknown')})"
            raise AlreadyRunning(f"Fabula already runs on {self._options.data_dir}: {where}") from None
        self._lock.write({"pid": os.getpid()})
        self._options.ready_file.unlink(missing_ok=True)

    def _set_up(self) -> None:
        port = self._choose_port()
        _allow_many_connections()
        self._warden.keep()
        secrets = keep_secrets(self._options.data_dir / "secrets.json")
        self._start_servers()
        settings = self._effective(secrets, port)
        environment = environment_with({**settings.as_variables(), "PYTHONUNBUFFERED": "1"})
        with self._console.step("database: migrate"):
            self._run_step("migrate", self._programs.migrate, environment)
        self._address = (_reachable(settings.host), port)
        url = f"http://{_bracketed(self._address[0])}:{port}"
        self._lock.write({"pid": os.getpid(), "url": url})
        with self._console.step("API, workers, demo: start"):
            self._api = [self._child("api", self._programs.api, environment)]
            self._workers = [
                self._child(f"worker-{number}", self._programs.worker, environment)
                for number in range(1, self._options.workers + 1)
            ]
            demo = self._make_demo(environment) if self._options.demo else None
            self._wait_until_ready()
        # Last, because nothing waits for it: while the others start, processor time is what a person waits for.
        self._relay = [self._child("relay", self._programs.relay, environment)]
        database_url = settings.database_app_url.get_secret_value()
        self._ready = Ready(url, database_url, settings.redis_url.get_secret_value(), demo)
        self._announce()
        self._console.block(_welcome(self._ready))

    def _choose_port(self) -> int:
        host = self._given.host
        port = self._options.port or pick_port(host)
        if not port_is_free(port, host):
            raise SetupFailed(f"port {port} on {host} is in use; `--port 0` takes a free one")
        return port

    def _start_servers(self) -> None:
        data = self._options.data_dir
        if not self._given.database_url.get_secret_value():
            self._postgres = PostgresServer(data / "postgres", log=data / "logs" / "postgres.log")
            with self._console.step("PostgreSQL: start"):
                self._keep(self._postgres, _DATABASE_GRACE_S)
        if not self._given.redis_url.get_secret_value():
            self._valkey = ValkeyServer(data / "valkey", log=data / "logs" / "valkey.log")
            with self._console.step("Valkey: start"):
                self._keep(self._valkey, _DATABASE_GRACE_S)

    def _effective(self, secrets: Secrets, port: int) -> Settings:
        """The given settings with every blank filled; the addresses of our own servers displace given ones."""
        given = self._given
        app_password = given.app_password if len(given.app_password) else SecretStr(secrets.app_password)
        relay_password = given.relay_password if len(given.relay_password) else SecretStr(secrets.relay_password)
        changes: dict[str, object] = {
            "secret": given.secret if len(given.secret) else SecretStr(secrets.secret),
            "app_password": app_password,
            "relay_password": relay_password,
            "channel_keys": given.channel_keys or (SecretStr(secrets.channel_key),),
            "data_dir": self._options.data_dir,
            "port": port,
            "dev": True,
        }
        url = SecretStr(self._postgres.url()) if self._postgres else given.database_url
        for name, role, password in (
            ("database_app_url", APP_ROLE, app_password),
            ("database_relay_url", RELAY_ROLE, relay_password),
        ):
            if self._postgres or not len(getattr(given, name)):
                changes[name] = role_url(url, role, password)
        if self._valkey:
            changes["redis_url"] = SecretStr(self._valkey.url(STREAMS_DATABASE))
            changes["broker_url"] = SecretStr(self._valkey.url(BROKER_DATABASE))
        return given.model_copy(update={**changes, "database_url": url})

    def _child(self, name: str, program: Sequence[str], environment: dict[str, str]) -> Child:
        child = Child(name, program, env=environment, log=self._options.data_dir / "logs" / f"{name}.log")
        self._keep(child)
        return child

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while not self._answers_ready():
            if time.monotonic() > deadline:
                log = tail(self._api[0].log)
                raise SetupFailed(f"/readyz did not answer 200 within {_READY_TIMEOUT_S:.0f} s; the API's log:\n{log}")
            self._tick(_PROBE_INTERVAL_S)

    def _make_demo(self, environment: dict[str, str]) -> Demo:
        output = self._run_step("demo", self._programs.demo, environment)
        try:
            return Demo.parse(output)
        except ValueError as error:
            raise SetupFailed(str(error)) from None

    def _run_step(self, name: str, program: Sequence[str], environment: dict[str, str]) -> str:
        """Run a program to its end while the others are kept running; what it wrote to standard output."""
        child = Child(name, program, env=environment, log=self._options.data_dir / "logs" / f"{name}.log")
        deadline = time.monotonic() + _STEP_TIMEOUT_S
        with tempfile.TemporaryFile() as output:
            child.start(stdout=output.fileno())
            try:
                while child.alive() and time.monotonic() < deadline:
                    self._tick(_TICK_S)
            finally:
                child.stop(timeout_s=1.0)
            if child.process.returncode != 0:
                raise SetupFailed(f"{name} failed (exit {child.process.returncode}):\n{tail(child.log)}")
            output.seek(0)
            return output.read().decode("utf-8", "replace")

    # Keeping

    def _keep(self, service: Service, grace_s: float = 0.0) -> None:
        kept = Kept(service, grace_s)
        self._kept.append(kept)
        self._start(kept)

    def _start(self, kept: Kept) -> None:
        with self._signals.interruptible():
            kept.service.start()
        kept.started_at, kept.due_at = time.monotonic(), None
        self._warden.watch(kept.service.process.pid, kept.grace_s)

    def _tick(self, pause_s: float) -> None:
        """Wait for something to happen, then see to it. Raises StopRequested, GaveUp."""
        now = time.monotonic()
        due = min((kept.due_at for kept in self._kept if kept.due_at is not None), default=now + pause_s)
        self._signals.wait(max(0.0, min(pause_s, due - now)))
        self._warden.keep()
        for kept in self._kept:
            if kept.due_at is None:
                if not kept.service.alive():
                    self._after_death(kept)
            elif time.monotonic() >= kept.due_at:
                self._start_again(kept)
        self._announce_when_ready()

    def _after_death(self, kept: Kept) -> None:
        process = kept.service.process
        signal_group(process, signal.SIGKILL)
        self._warden.forget(process.pid)
        self._schedule(kept, process.returncode, _ending(process.returncode))

    def _start_again(self, kept: Kept) -> None:
        try:
            self._start(kept)
        except EmbeddedError as error:
            self._schedule(kept, 1, f"could not start: {error}")
            return
        self._console.say(f"{kept.service.name} runs again (process {kept.service.process.pid})")
        self._announce_by = time.monotonic() + _READY_AGAIN_TIMEOUT_S

    def _schedule(self, kept: Kept, exit_code: int, what: str) -> None:
        uptime_s = time.monotonic() - kept.started_at
        delay_s = kept.policy.delay_after_death_s(uptime_s, exit_code)
        if delay_s is None:
            log = tail(kept.service.log)
            raise GaveUp(f"{kept.service.name} keeps dying ({what}); the end of {kept.service.log}:\n{log}")
        kept.due_at = time.monotonic() + delay_s
        self._console.say(f"{kept.service.name} {what}; starting it again")

    # Telling others

    def _answers_ready(self) -> bool:
        connection = http.client.HTTPConnection(*self._address, timeout=_PROBE_TIMEOUT_S)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _announce_when_ready(self) -> None:
        """After a restart the file is written again once all is well, or after a while in any case."""
        if self._announce_by is None or self._ready is None:
            return
        if time.monotonic() >= self._announce_by or self._answers_ready():
            self._announce()

    def _announce(self) -> None:
        self._announce_by = None
        if self._ready is not None:
            self._ready.write(self._options.ready_file, self._pids())

    def _pids(self) -> Pids:
        return Pids(
            supervisor=os.getpid(),
            api=[child.process.pid for child in self._api],
            worker=[child.process.pid for child in self._workers],
            relay=[child.process.pid for child in self._relay],
            postgres=self._postgres.pid if self._postgres else None,
            valkey=self._valkey.pid if self._valkey else None,
        )

    # Stopping

    def _stop(self) -> None:
        """The API first, so that nothing new comes in; the databases last. A second signal kills at once."""
        stages: tuple[tuple[Sequence[Service | None], float], ...] = (
            (self._api, _STOP_API_S),
            ([*self._workers, *self._relay], _STOP_WORK_S),
            ([self._valkey], _STOP_VALKEY_S),
            ([self._postgres], _STOP_POSTGRES_S),
        )
        patience = 1.0
        for services, bound_s in stages:
            running = [(s.process, s.stop_signal) for s in services if s is not None and s.alive()]
            try:
                with self._signals.interruptible():
                    end(running, bound_s * patience)
            except StopRequested:
                patience = 0.0
        self._options.ready_file.unlink(missing_ok=True)
        self._warden.release()
        for server in (self._valkey, self._postgres):
            if server is not None:
                server.stop(timeout_s=0.0)
        self._lock.free()


def _allow_many_connections() -> None:
    """A thousand WebSockets need more than the usual 1,024 files; children inherit the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES_MAX)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _reachable(host: str) -> str:
    """An address to call a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ending(exit_code: int) -> str:
    return f"was killed by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"ended (exit {exit_code})"


def _welcome(ready: Ready) -> str:
    lines = [
        "Fabula is ready.",
        f"  Studio     {ready.url}/",
        f"  GraphiQL   {ready.url}/graphiql",
        f"  GraphQL    {ready.url}/graphql",
    ]
    if ready.demo is not None:
        lines.append(f"  Login      {ready.demo.email}  {ready.demo.password}")
    return "\n".join([*lines, "Ctrl-C stops everything."])
