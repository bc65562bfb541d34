"""Webhook requests: never to this machine or a private network, whatever their names say."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

import adapters.guarded_network
from adapters.address_guard import is_public
from adapters.webhooks import HttpCaller
from domain.operations.webhooks import Call
from tests.fakes.webhook_server import FakeReceiver


@pytest.fixture
async def receiver() -> AsyncIterator[FakeReceiver]:
    async with FakeReceiver() as one:
        yield one


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
     "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1"],
)  # fmt: skip
def test_no_address_of_a_machine_or_network_of_ours_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert is_public(address)


async def test_a_name_with_one_address_of_ours_is_not_called_at_any(
    receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    call = Call(f"http://both.example:{receiver.port}/hooks", {}, b"{}")
    answer = await HttpCaller(any_address=False).call(call)
    assert (answer.error, asked, receiver.received) == (
        "both.example leads to an address that is not public", ["both.example"], [],
    )  # fmt: skip


async def test_a_connection_is_made_to_what_was_looked_at(
    receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is asked about once: a second answer could lead elsewhere."""
    answers = ["127.0.0.1", "192.0.2.1"]

    def resolve(_host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (answers.pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(adapters.guarded_network, "is_public", lambda address: address == "127.0.0.1")
    answer = await HttpCaller(any_address=False).call(Call(f"http://once.example:{receiver.port}/hooks", {}, b"{}"))
    assert (answer.status, answers) == (200, ["192.0.2.1"])
    assert receiver.received[0].headers["host"] == f"once.example:{receiver.port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
async def test_this_machine_is_not_called_whatever_it_is_named(receiver: FakeReceiver, host: str) -> None:
    call = Call(f"http://{host}:{receiver.port}/hooks", {}, b"{}")
    answer = await HttpCaller(any_address=False).call(call)
    assert (answer.status, receiver.received) == (None, [])
    assert answer.error is not None and answer.error.endswith("leads to an address that is not public")
    if host == "localhost":
        assert (await HttpCaller(any_address=True).call(call)).status == 200


async def test_a_name_that_is_not_found_in_time_is_an_answer_like_another(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: stuck.wait(10))
    monkeypatch.setattr(adapters.guarded_network, "LOOKUP_S", 0.05)
    answer = await HttpCaller(any_address=False).call(Call("http://slow.example/hooks", {}, b"{}"))
    stuck.set()
    assert (answer.status, answer.error) == (None, "ConnectTimeout: slow.example cannot be looked up within 0.05 s")
