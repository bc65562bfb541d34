"""`up` under fire: killed, stopped, started twice, with children that die."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import stat
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from redis import Redis

from app.embedded import PostgresServer, ValkeyServer
from app.embedded.process import pick_port
from tests.app.processes import STANDINS, Up, alive, descendants, interpreter_for, until
from tests.app.standins import DEMO
from tests.pace import slowness

Start = Callable[..., Up]
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One data directory for all: each test starts on what the one before left, however that ended."""
    directory = Path(tempfile.mkdtemp(prefix="fabula-up-"))
    yield directory / "data"
    PostgresServer(directory / "data" / "postgres").destroy()
    ValkeyServer(directory / "data" / "valkey").destroy()
    shutil.rmtree(directory)


@pytest.fixture
def start(data_dir: Path) -> Iterator[Start]:
    started: list[Up] = []

    def _start(*arguments: str, **options: object) -> Up:
        started.append(Up(data_dir, *arguments, **options))  # type: ignore[arg-type]
        return started[-1]

    yield _start
    for up in started:
        up.stop()


def all_gone(pids: set[int]) -> Callable[[], bool]:
    return lambda: not any(alive(pid) for pid in pids)


async def scalar(database_url: str, statement: str) -> object:
    connection = await asyncpg.connect(database_url, ssl=False)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def superuser_url(up: Up) -> str:
    """The application's role is made by migrations, which the stand-in has none of."""
    password = (up.data_dir / "postgres" / "password").read_text(encoding="utf-8")
    port = (up.data_dir / "postgres" / "port").read_text(encoding="utf-8")
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/fabula"


def test_the_ready_file_tells_scripts_all_they_need_and_nobody_else(start: Start) -> None:
    up = start("--workers", "2")
    ready = up.ready()
    port = urlsplit(ready["url"]).port
    database = urlsplit(ready["databaseUrl"])
    assert list(ready) == [
        "url", "graphqlUrl", "graphqlWsUrl", "token", "tenantId", "login", "databaseUrl", "redisUrl", "pids",
    ]  # fmt: skip
    assert ready["graphqlUrl"] == f"http://127.0.0.1:{port}/graphql"
    assert ready["graphqlWsUrl"] == f"ws://127.0.0.1:{port}/graphql"
    assert (ready["token"], ready["tenantId"]) == (DEMO["token"], DEMO["tenantId"])
    assert ready["login"] == {"email": DEMO["email"], "password": DEMO["password"]}
    assert (database.username, database.path) == ("fabula_app", "/fabula")
    assert {part: type(pids) for part, pids in ready["pids"].items()} == {
        "supervisor": int, "api": list, "worker": list, "relay": list, "postgres": int, "valkey": int,
    }  # fmt: skip
    assert ready["pids"]["supervisor"] == up.process.pid
    assert len(ready["pids"]["worker"]) == 2
    assert stat.S_IMODE(up.ready_file.stat().st_mode) == 0o600


def test_a_killed_supervisor_leaves_nothing_running(start: Start) -> None:
    up = start(env={"STANDIN_DEAF": "worker"})
    up.ready()
    family = descendants(up.process.pid)
    assert len(family) > 10  # API, worker and its child, relay, warden, Valkey, PostgreSQL and its processes
    up.process.kill()
    until(all_gone(family), "nothing left", timeout_s=10.0)


def test_a_supervisor_killed_with_its_process_group_leaves_nothing_running(start: Start) -> None:
    up = start()
    up.ready()
    family = descendants(up.process.pid)
    os.killpg(up.process.pid, signal.SIGKILL)
    until(all_gone(family), "nothing left", timeout_s=10.0)


def test_a_supervisor_killed_during_its_start_leaves_nothing_running(start: Start) -> None:
    up = start(env={"STANDIN_SLOW_STEP": "1"})
    until(lambda: len(descendants(up.process.pid)) > 5, "servers")
    family = descendants(up.process.pid)
    up.process.kill()
    until(all_gone(family), "nothing left", timeout_s=10.0)


async def test_a_start_right_after_a_kill_finds_its_rows(start: Start) -> None:
    up = start()
    up.ready()
    url = superuser_url(up)
    await scalar(url, "create table if not exists survivors as select 42 as number")
    up.process.kill()
    start().ready()
    assert await scalar(url, "select number from survivors") == 42


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_stop_signal_ends_everything_within_ten_seconds(start: Start, number: signal.Signals) -> None:
    up = start()
    up.ready()
    family = descendants(up.process.pid)
    asked = time.monotonic()
    up.process.send_signal(number)
    assert up.process.wait(15) == 0
    assert time.monotonic() - asked < 10.0 * slowness()
    assert not [pid for pid in family if alive(pid)]
    assert not up.ready_file.exists()


def test_a_child_that_ignores_the_stop_signal_is_killed_within_ten_seconds(start: Start) -> None:
    up = start(env={"STANDIN_DEAF": "worker"})
    up.ready()
    family = descendants(up.process.pid)
    asked = time.monotonic()
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(15) == 0
    assert time.monotonic() - asked < 10.0 * slowness()
    assert not [pid for pid in family if alive(pid)]


def test_a_stop_signal_during_the_start_is_heeded(start: Start) -> None:
    up = start(env={"STANDIN_SLOW_STEP": "1"})
    until(lambda: len(descendants(up.process.pid)) > 5, "servers")
    family = descendants(up.process.pid)
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(15) == 0
    assert not [pid for pid in family if alive(pid)]


@pytest.mark.parametrize("part", ["api", "worker", "relay"])
def test_a_killed_program_is_started_again_and_the_ready_file_says_so(start: Start, part: str) -> None:
    up = start()
    before = up.ready()
    pid = before["pids"][part][0]
    family = descendants(pid)
    os.kill(pid, signal.SIGKILL)
    after = up.rewritten(part, before["pids"][part])
    assert alive(after["pids"][part][0])
    assert after | {"pids": None} == before | {"pids": None}
    assert not [child for child in family if alive(child)]
    with urllib.request.urlopen(f"{after['url']}/readyz", timeout=5) as answer:
        assert answer.status == 200


async def test_a_killed_postgresql_returns_on_the_same_port_with_every_row(start: Start) -> None:
    up = start()
    before = up.ready()
    url = superuser_url(up)
    await scalar(url, "create table if not exists kept as select generate_series(1, 1000) as number")
    os.kill(before["pids"]["postgres"], signal.SIGKILL)
    after = up.rewritten("postgres", before["pids"]["postgres"])
    assert after["databaseUrl"] == before["databaseUrl"]
    assert await scalar(url, "select sum(number) from kept") == 500_500


def test_a_killed_valkey_returns_on_the_same_port_with_every_key(start: Start) -> None:
    up = start()
    before = up.ready()
    with Redis.from_url(before["redisUrl"]) as client:
        client.mset({f"kept:{number}": number for number in range(1000)})
        until(lambda: client.info("persistence")["aof_pending_bio_fsync"] == 0, "the log on disk")
    os.kill(before["pids"]["valkey"], signal.SIGKILL)
    after = up.rewritten("valkey", before["pids"]["valkey"])
    assert after["redisUrl"] == before["redisUrl"]
    with Redis.from_url(after["redisUrl"]) as client:
        assert sum(int(value or 0) for value in client.mget([f"kept:{number}" for number in range(1000)])) == 499_500


def test_a_program_killed_more_often_than_five_times_is_still_started_again(start: Start) -> None:
    up = start()
    pids = up.ready()["pids"]["worker"]
    for _kill in range(7):
        os.kill(pids[0], signal.SIGKILL)
        pids = up.rewritten("worker", pids)["pids"]["worker"]
    assert up.process.poll() is None


def test_a_program_that_keeps_dying_ends_up_with_its_last_words(start: Start) -> None:
    up = start(env={"STANDIN_CRASHES": "relay"})
    output = up.output(timeout_s=30.0)
    assert up.process.returncode == 1
    assert "relay keeps dying (ended (exit 3))" in output
    assert output.rstrip().endswith("relay cannot find its pen")
    assert output.count("starting it again") == 4


def test_a_failed_migration_ends_up_with_its_last_words(start: Start) -> None:
    up = start(env={"STANDIN_CRASHES": "migrate"})
    output = up.output()
    assert up.process.returncode == 1
    assert output.rstrip().endswith("migrate cannot find its pen")


def test_a_second_start_on_one_data_directory_names_the_first(start: Start) -> None:
    first = start()
    ready = first.ready()
    second = start()
    output = second.output()
    assert second.process.returncode == 1
    assert f"already runs on {first.data_dir}: {ready['url']} (process {first.process.pid})" in output
    assert first.ready() == ready


def test_a_port_in_use_is_reported_before_anything_starts(start: Start) -> None:
    with socket.create_server(("127.0.0.1", pick_port())) as taken:
        port = taken.getsockname()[1]
        up = start("--port", str(port))
        output = up.output()
    assert up.process.returncode == 1
    assert output.endswith(f"fabula: port {port} on 127.0.0.1 is in use; `--port 0` takes a free one\n")


@pytest.mark.skipif(
    os.geteuid() != 0 or not interpreter_for(NOBODY.pw_uid),
    reason="only root can become another user, who must be able to read the tree and an interpreter",
)
def test_an_ordinary_user_runs_it_all_in_a_directory_of_his_own() -> None:
    home = Path(tempfile.mkdtemp(prefix="fabula-nobody-"))
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    other = interpreter_for(NOBODY.pw_uid)
    up = Up(
        home / "data",
        env={"HOME": str(home), "PYTHONPATH": other["PYTHONPATH"]},
        command=(other["python"], STANDINS, "up"),
        as_uid=NOBODY.pw_uid,
    )
    try:
        ready = up.ready()
        assert Path(f"/proc/{ready['pids']['postgres']}").stat().st_uid == NOBODY.pw_uid
        assert (home / "data" / "postgres" / "state" / "data").is_dir()
        family = descendants(up.process.pid)
        up.process.kill()
        until(all_gone(family), "nothing left", timeout_s=10.0)
    finally:
        up.stop()
        shutil.rmtree(home)


def test_servers_given_by_url_take_the_place_of_ours(start: Start, tmp_path: Path) -> None:
    postgres, valkey = PostgresServer(tmp_path / "postgres"), ValkeyServer(tmp_path / "valkey")
    try:
        postgres.start()
        valkey.start()
        up = start(env={"DATABASE_URL": postgres.url(), "REDIS_URL": valkey.url()})
        ready = up.ready()
        assert (ready["pids"]["postgres"], ready["pids"]["valkey"]) == (None, None)
        assert ready["redisUrl"] == valkey.url()
        assert urlsplit(ready["databaseUrl"]).port == postgres.port
        assert urlsplit(ready["databaseUrl"]).username == "fabula_app"
    finally:
        postgres.destroy()
        valkey.destroy()


def test_without_the_demo_there_is_no_login_to_give_away(start: Start) -> None:
    ready = start("--no-demo").ready()
    assert (ready["token"], ready["tenantId"], ready["login"]) == (None, None, None)


def test_the_output_shows_each_step_and_no_secret_but_the_demo_login(start: Start) -> None:
    up = start()
    ready = up.ready()
    up.stop()
    output = up.output()
    steps = [line.split("s  ", 1)[1].split(" ...")[0] for line in output.splitlines() if " ... " in line]
    assert steps == ["PostgreSQL: start", "Valkey: start", "database: migrate", "API, workers, demo: start"]
    assert DEMO["password"] in output
    secrets = json.loads((up.data_dir / "secrets.json").read_text(encoding="utf-8"))
    assert not [name for name, value in secrets.items() if value in output]
    assert urlsplit(ready["redisUrl"]).password not in output
