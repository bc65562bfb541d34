"""The fake providers as programs, since other tests point a running product at them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from adapters.factory import ChannelKind, provider_for
from domain.generation.provider import ProviderErrorCode, ProviderLimits
from tests.adapters.calls import completion, read
from tests.fakes.behaviour import MODES, Behaviour, expected_text, token
from tests.fakes.openai_server import FakeOpenAI

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def _program(name: str, *options: str) -> AsyncGenerator[str, None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.fakes.{name}", "--port", "0", *options, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        assert await process.wait() == 0


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openai_server", "OPENAI_COMPATIBLE"),
        ("anthropic_server", "ANTHROPIC"),
        ("gemini_server", "GEMINI"),
        ("dashscope_server", "DASHSCOPE"),
    ],
)
async def test_a_fake_runs_as_a_program_and_is_steered_from_outside(name: str, kind: ChannelKind) -> None:
    async with _program(name, "--tokens", "30", "--delay-ms", "1") as base_url, httpx.AsyncClient() as control:
        page = f"{base_url.rsplit('/v1', 1)[0].removesuffix('/api')}/control"
        provider = provider_for(kind, base_url=base_url, api_key="k", limits=ProviderLimits(), demo_delay_s=0)
        assert (await read(provider.stream(completion()))).text == expected_text(30)
        assert (await control.post(page, json={"mode": "cut", "after": 3, "times": 1})).status_code == 200
        first, second = [await read(provider.stream(completion())) for _ in range(2)]
        assert (first.failure.code, first.text) == (ProviderErrorCode.CUT, expected_text(3))
        assert (second.error, second.text) == (None, expected_text(30))
        seen = (await control.get(page)).json()["requests"]
        assert [(request["tokens_sent"], request["ending"]) for request in seen] == [
            (30, "complete"), (3, "fault"), (30, "complete"),
        ]  # fmt: skip
        await provider.aclose()


async def test_a_setting_that_does_not_exist_is_refused() -> None:
    async with FakeOpenAI() as fake, httpx.AsyncClient() as control:
        page = fake.base_url.replace("/v1", "/control")
        assert (await control.post(page, json={"mood": "bad"})).status_code == 400
        assert (await control.post(page, json={"mode": "bad"})).status_code == 400


def test_a_models_name_is_a_behaviour_only_when_it_names_one() -> None:
    default = Behaviour(tokens=3)
    assert default.for_model("llama3:8b") == default
    assert default.for_model("cut:after=2") == Behaviour(mode="cut", tokens=3, after=2)
    assert all(default.for_model(mode).mode == mode for mode in MODES)


def test_every_token_can_be_told_from_every_other() -> None:
    assert expected_text(3) == "w0001 w0002 w0003 "
    assert token(12, "zh") == "词0012，"
