"""Finding model servers on this machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest
from aiohttp import web

from adapters.local_servers import USUAL_PORTS, LocalServer, find_local_servers
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.wire import closed_port
from tests.pace import slowness


@pytest.fixture
async def fake() -> AsyncGenerator[FakeOpenAI, None]:
    async with FakeOpenAI() as fake:
        yield fake


def _port(fake: FakeOpenAI) -> int:
    return int(fake.base_url.split(":")[2].split("/")[0])


async def _answering(response: web.Response, delay_s: float = 0.0) -> list[LocalServer]:
    async def models(_request: web.Request) -> web.Response:
        await asyncio.sleep(delay_s)
        return response

    app = web.Application()
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        return await find_local_servers(own_port=None, ports=[("Some", runner.addresses[0][1])])
    finally:
        await runner.cleanup()


async def test_a_running_server_is_found_with_the_models_that_write(fake: FakeOpenAI) -> None:
    found = await find_local_servers(own_port=None, ports=[("Ollama", _port(fake)), ("LM Studio", closed_port())])
    assert found == [LocalServer("Ollama", fake.base_url, ("fake-writer",))]


async def test_servers_come_in_the_order_of_their_ports(fake: FakeOpenAI) -> None:
    async with FakeOpenAI() as second:
        found = await find_local_servers(own_port=None, ports=[("B", _port(second)), ("A", _port(fake))])
    assert [server.name for server in found] == ["B", "A"]


async def test_our_own_port_is_not_asked(fake: FakeOpenAI) -> None:
    assert await find_local_servers(own_port=_port(fake), ports=[("vLLM", _port(fake))]) == []


async def test_a_server_without_a_writing_model_is_not_offered(fake: FakeOpenAI) -> None:
    fake.models = ("nomic-embed-text",)
    assert await find_local_servers(own_port=None, ports=[("Ollama", _port(fake))]) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<html></html>", "content_type": "text/html"},
        {"text": "{"},
        {"text": "[]"},
        {"text": '{"data": 7}'},
        {"text": '{"data": [7, {"id": 7}, {"id": ""}]}'},
        {"text": '{"data": [{"id": "m"}]}', "status": 401},
        {"text": '{"data": [{"id": "m"}]}' + " " * 300_000},
    ],
)
async def test_another_program_on_the_port_is_left_alone(answer: dict[str, object]) -> None:
    assert await _answering(web.Response(**answer)) == []  # type: ignore[arg-type]


async def test_a_port_that_hangs_costs_a_third_of_a_second() -> None:
    began = time.monotonic()
    assert await _answering(web.Response(text="{}"), delay_s=5) == []
    assert time.monotonic() - began < slowness()


async def test_the_environments_proxy_is_not_asked(fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert len(await find_local_servers(own_port=None, ports=[("Ollama", _port(fake))])) == 1


def test_the_usual_ports_are_known() -> None:
    assert dict(USUAL_PORTS) == {"Ollama": 11434, "LM Studio": 1234, "llama.cpp": 8080, "vLLM": 8000}
