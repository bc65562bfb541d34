"""The rules of supervision, without a process to supervise."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from app.supervisor.files import Demo, keep_secrets
from app.supervisor.policy import RestartPolicy
from app.supervisor.signals import StopRequested, StopSignals
from app.supervisor.warden import watched


def test_five_deaths_soon_after_a_start_are_the_end() -> None:
    policy = RestartPolicy()
    assert [policy.delay_after_death_s(9.9, 1) for _death in range(5)] == [0.2, 0.5, 1.0, 1.0, None]


def test_a_long_run_is_a_new_beginning() -> None:
    policy = RestartPolicy(early_deaths=4)
    assert policy.delay_after_death_s(10.0, 1) == 0.1
    assert policy.early_deaths == 0


def test_a_kill_from_outside_is_not_counted() -> None:
    policy = RestartPolicy(early_deaths=4)
    assert policy.delay_after_death_s(0.1, -signal.SIGKILL) == 0.1
    assert policy.early_deaths == 4


def test_a_segmentation_fault_is_counted() -> None:
    assert RestartPolicy(early_deaths=4).delay_after_death_s(0.1, -signal.SIGSEGV) is None


def test_the_warden_knows_who_is_left() -> None:
    assert watched(["watch 10 0.0\n", "watch 11 5.0\n", "watch 12 0.0\n", "forget 10\n"]) == {11: 5.0, 12: 0.0}


def test_the_login_is_the_last_line_of_the_demo_commands_output() -> None:
    line = '{"email": "e", "password": "p", "token": "t", "tenantId": "i"}'
    assert Demo.parse(f"made a novel\n{line}\n") == Demo("e", "p", "t", "i")


@pytest.mark.parametrize("output", ["", "no JSON", "{}", "[]"])
def test_an_output_without_a_login_is_refused(output: str) -> None:
    with pytest.raises(ValueError):
        Demo.parse(output)


def test_secrets_are_made_once_and_kept_to_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    made = keep_secrets(path)
    assert keep_secrets(path) == made
    assert len({made.secret, made.app_password, made.relay_password}) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.secret not in repr(made)


def test_a_signal_is_noticed_by_the_next_wait() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopRequested):
            signals.wait(60.0)


def test_a_signal_ends_an_interruptible_block_at_once() -> None:
    with StopSignals() as signals, pytest.raises(StopRequested), signals.interruptible():
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()


def test_a_signal_that_came_before_an_interruptible_block_keeps_it_from_starting() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(StopRequested), signals.interruptible():
            raise AssertionError("the block ran")


def test_one_signal_is_one_request() -> None:
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(StopRequested):
            signals.wait(0.0)
        signals.wait(0.0)
