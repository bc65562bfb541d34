"""A tenant's channel connects to what was looked at, and to nothing in a private network."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

import adapters.guarded_network
from adapters.guarded_network import GuardedNetwork
from domain.generation.provider import ProviderErrorCode
from tests.adapters.calls import Reading, Wire, completion, read
from tests.fakes.behaviour import expected_text
from tests.fakes.wire import closed_port

GUARD = adapters.guarded_network


def answering(monkeypatch: pytest.MonkeyPatch, *answers: str, public: str) -> list[str]:
    """A resolver with these answers in turn, the first of which counts as public. Returns those not yet given."""
    left = list(answers)

    def resolve(_host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (left.pop(0), port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(GUARD, "is_public", lambda address: address == public)
    return left


async def called(wire: Wire) -> Reading:
    url = wire.fake.base_url.replace("127.0.0.1", "moving.example")
    return await read(wire.provider(base_url=url, public_only=True).stream(completion("ok")))


async def test_a_name_that_leads_elsewhere_a_moment_later_leads_nowhere_new(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.2 stands for a public address at which nobody listens: traffic of tests stays on this machine."""
    left = answering(monkeypatch, "127.0.0.2", "127.0.0.1", public="127.0.0.2")
    reading = await called(wire)
    assert (reading.failure.code, left, wire.fake.exchanges) == (ProviderErrorCode.UNREACHABLE, ["127.0.0.1"], [])


async def test_the_connection_is_made_to_the_address_that_was_looked_at(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And through no proxy of the environment, at which nobody listens."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
    left = answering(monkeypatch, "127.0.0.1", "192.0.2.1", public="127.0.0.1")
    reading = await called(wire)
    assert (reading.error, reading.text, left) == (None, expected_text(20), ["192.0.2.1"])
    assert wire.fake.exchanges[0].headers["Host"].startswith("moving.example:")


async def test_an_address_of_a_private_network_is_not_called(wire: Wire) -> None:
    reading = await wire.read("ok", public_only=True)
    assert reading.failure.code is ProviderErrorCode.UNREACHABLE
    assert str(reading.failure) == "The model's server is not on the open internet."
    assert wire.fake.exchanges == []


async def test_names_that_are_not_found_in_time_leave_the_rest_of_the_process_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stuck = threading.Event()

    def resolve(*_: Any, **__: Any) -> list[Any]:
        stuck.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(GUARD, "LOOKUP_S", 0.1)
    network = GuardedNetwork()
    asked = [network.connect_tcp("slow.example", 1) for _ in range(GUARD.LOOKUPS_MAX + 1)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert {str(one) for one in found} == {"slow.example cannot be looked up within 0.1 s"}
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 1) == "free"
    stuck.set()
