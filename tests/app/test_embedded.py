"""Our own PostgreSQL and Valkey, as `up` and the tests themselves use them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis import AuthenticationError, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.embedded import AlreadyRunning, EmbeddedError, PostgresServer, ValkeyServer
from app.embedded.process import open_log, pick_port, port_is_free, tail
from tests.app.processes import TREE, alive, descendants, until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs servers under another account")


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A directory that every account can enter, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="fabula-embedded-"))
    directory.chmod(0o711)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def postgres(base: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(base / "postgres", options={"fsync": "off"})
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def valkey(base: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(base / "valkey")
    server.start()
    yield server
    server.destroy()


@contextlib.contextmanager
def started_elsewhere(kind: type[PostgresServer | ValkeyServer], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server started by a process of its own, which is killed at the end of the block."""
    program = (
        f"import time; from pathlib import Path; from app.embedded import {kind.__name__} as Server\n"
        f"server = Server(Path({str(directory)!r})); server.start(); print('started', flush=True); time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=TREE, stdout=subprocess.PIPE) as starter:
        try:
            assert starter.stdout is not None
            assert starter.stdout.readline() == b"started\n"
            yield starter
        finally:
            starter.kill()


async def scalar(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_the_database_knows_vectors_and_chinese_trigrams(postgres: PostgresServer) -> None:
    for extension in ("vector", "pg_trgm"):
        await scalar(postgres.url(), f"create extension {extension}")
    assert await scalar(postgres.url(), "select '[1,2]'::vector <-> '[1,2]'::vector") == 0.0
    assert await scalar(postgres.url(), "select similarity('春江花月夜', '春江花月夜')") == 1.0


async def test_a_wrong_password_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await scalar(postgres.url(password="wrong"), "select 1")


def test_the_passwords_are_for_their_owner_only(base: Path, postgres: PostgresServer, valkey: ValkeyServer) -> None:
    for directory in ("postgres", "valkey"):
        assert stat.S_IMODE((base / directory / "password").stat().st_mode) == 0o600


def test_the_password_is_in_no_command_line(base: Path, postgres: PostgresServer, valkey: ValkeyServer) -> None:
    for server, directory in ((postgres, "postgres"), (valkey, "valkey")):
        words = Path(f"/proc/{server.pid}/cmdline").read_text(encoding="utf-8")
        assert (base / directory / "password").read_text(encoding="utf-8") not in words


def test_a_second_server_on_one_directory_is_refused(
    base: Path, postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    for second in (PostgresServer(base / "postgres"), ValkeyServer(base / "valkey")):
        with pytest.raises(AlreadyRunning, match="is in use by another process"):
            second.start()


async def test_a_killed_server_started_again_has_its_port_and_rows(postgres: PostgresServer) -> None:
    url = postgres.url()
    await scalar(url, "create table rows as select generate_series(1, 100) as number")
    os.kill(postgres.pid, signal.SIGKILL)
    until(lambda: not postgres.alive(), "its end")
    postgres.start()
    assert postgres.url() == url
    assert await scalar(url, "select count(*) from rows") == 100


def test_a_server_started_anew_keeps_port_and_keys(base: Path, valkey: ValkeyServer) -> None:
    with Redis.from_url(valkey.url()) as client:
        client.set("kept", "yes")
    url = valkey.url()
    valkey.stop()
    again = ValkeyServer(base / "valkey")
    again.start()
    with Redis.from_url(again.url()) as client:
        assert client.get("kept") == b"yes"
    assert again.url() == url
    again.stop()
    valkey.start()


def test_valkey_wants_its_password(valkey: ValkeyServer) -> None:
    with Redis(port=valkey.port, retry=Retry(NoBackoff(), 0)) as client, pytest.raises(AuthenticationError):
        client.ping()


def test_the_broker_has_keys_of_its_own(valkey: ValkeyServer) -> None:
    with Redis.from_url(valkey.url(0)) as streams, Redis.from_url(valkey.url(1)) as broker:
        streams.set("here", "yes")
        assert broker.get("here") is None


async def test_a_half_made_database_is_made_again(base: Path) -> None:
    server = PostgresServer(base / "half")
    data = base / "half" / "state" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n", encoding="utf-8")
    (base / "half").chmod(0o711)
    shutil.chown(base / "half" / "state", *_server_account())
    try:
        server.start()
        assert await scalar(server.url(), "select 1") == 1
    finally:
        server.destroy()


def _server_account() -> tuple[int, int]:
    return (65_534, 65_534) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


def test_a_pid_file_left_by_a_crash_does_not_stop_the_start(postgres: PostgresServer, base: Path) -> None:
    """After a crash of the machine its number may belong to another program of the same account."""
    postgres.stop()
    pid_file = base / "postgres" / "state" / "data" / "postmaster.pid"
    uid, gid = _server_account() if os.geteuid() == 0 else (None, None)
    other = subprocess.Popen(["/bin/sleep", "3600"], user=uid, group=gid)
    try:
        pid_file.write_text(f"{other.pid}\n{pid_file.parent}\n", encoding="utf-8")
        postgres.start()
        assert postgres.alive()
    finally:
        other.kill()
        other.wait()


def test_a_start_waits_for_a_server_that_is_still_ending(base: Path) -> None:
    directory = base / "slow end"
    with started_elsewhere(PostgresServer, directory) as starter:
        postmaster = _postmaster(directory)
        os.kill(postmaster, signal.SIGSTOP)
        starter.kill()
    server = PostgresServer(directory)
    timer = threading.Timer(0.5, os.kill, (postmaster, signal.SIGCONT))
    try:
        timer.start()
        server.start()
        assert (server.alive(), alive(postmaster)) == (True, False)
    finally:
        timer.join()
        server.destroy()


def _postmaster(directory: Path) -> int:
    return int((directory / "state" / "data" / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])


def test_a_remembered_port_that_was_taken_meanwhile_is_replaced_at_a_new_start(
    base: Path, valkey: ValkeyServer
) -> None:
    old_port = valkey.port
    valkey.stop()
    with socket.create_server(("127.0.0.1", old_port)):
        again = ValkeyServer(base / "valkey")
        again.start()
        new_port = again.port
        again.stop()
    assert new_port != old_port
    valkey.start()


def test_a_port_that_was_taken_during_a_restart_is_an_error_and_no_move(valkey: ValkeyServer) -> None:
    valkey.stop()
    with socket.create_server(("127.0.0.1", valkey.port)), pytest.raises(EmbeddedError, match="was taken by another"):
        valkey.start()
    valkey.start()


@pytest.mark.parametrize("kind", [PostgresServer, ValkeyServer])
def test_destroying_leaves_no_process_and_no_file(base: Path, kind: type[PostgresServer | ValkeyServer]) -> None:
    directory = base / "a name with spaces"
    server = kind(directory)
    server.start()
    pid, state = server.pid, (directory / "state").resolve()
    server.destroy()
    assert (alive(pid), state.exists(), directory.exists()) == (False, False, False)


@pytest.mark.parametrize("kind", [PostgresServer, ValkeyServer])
def test_a_server_ends_with_the_process_that_started_it(base: Path, kind: type[PostgresServer | ValkeyServer]) -> None:
    with started_elsewhere(kind, base / "orphan") as starter:
        family = descendants(starter.pid)
        assert len(family) > 0
    until(lambda: not any(alive(pid) for pid in family), "their end", timeout_s=10.0)
    kind(base / "orphan").destroy()


def test_a_start_from_another_thread_is_refused(base: Path) -> None:
    """The kernel would end the server with that thread."""
    errors: list[BaseException] = []

    def start() -> None:
        try:
            ValkeyServer(base / "threaded").start()
        except EmbeddedError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


@as_root
def test_under_root_the_servers_run_as_another_account(postgres: PostgresServer, valkey: ValkeyServer) -> None:
    for server in (postgres, valkey):
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0


@as_root
def test_under_root_the_state_lies_in_the_directory_when_the_account_can_enter_it(
    base: Path, postgres: PostgresServer
) -> None:
    assert (base / "postgres" / "state").is_dir()
    assert not (base / "postgres" / "state").is_symlink()


@as_root
def test_under_root_the_state_lies_elsewhere_behind_a_link_when_it_cannot(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    server = ValkeyServer(tmp_path / "closed" / "valkey")
    (tmp_path / "closed").mkdir(mode=0o700)
    server.start()
    target = (tmp_path / "closed" / "valkey" / "state").resolve()
    assert not target.is_relative_to(tmp_path)
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    (tmp_path / "closed").rename(tmp_path / "moved")  # a moved directory keeps its state
    server.stop()
    moved = ValkeyServer(tmp_path / "moved" / "valkey")
    moved.start()
    assert (tmp_path / "moved" / "valkey" / "state").resolve() == target
    moved.destroy()
    assert not target.exists()


@as_root
def test_under_root_states_that_killed_tests_left_are_removed(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "one").mkdir()
    with started_elsewhere(ValkeyServer, tmp_path / "one" / "valkey"):
        running = (tmp_path / "one" / "valkey" / "state").resolve()
        (tmp_path / "one").rename(tmp_path / "moved while it runs")
        _start_and_destroy(ValkeyServer(tmp_path / "two"))
        assert running.exists()
    until(lambda: not used_as_cwd(running), "its end")
    _start_and_destroy(ValkeyServer(tmp_path / "three"))
    assert not running.exists()


def _start_and_destroy(server: ValkeyServer) -> None:
    server.start()
    server.destroy()


def used_as_cwd(directory: Path) -> bool:
    links = Path("/proc").glob("[0-9]*/cwd")
    return any(link.exists() and link.resolve() == directory for link in links)


def test_a_picked_port_is_free_and_no_outgoing_connection_can_take_it() -> None:
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    port = pick_port()
    assert port_is_free(port)
    assert port < first_outgoing


def test_a_log_that_grew_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_bytes(b"x" * (8 * 1024 * 1024 + 1))
    with open_log(path) as log:
        log.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "api.log.1").stat().st_size == 8 * 1024 * 1024 + 1


def test_the_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "api.log"
    path.write_text("".join(f"line {number}\n" for number in range(5000)), encoding="utf-8")
    assert tail(path, lines_max=2) == "line 4998\nline 4999"
    assert tail(path, since=path.stat().st_size) == ""
    assert tail(tmp_path / "none.log") == ""
