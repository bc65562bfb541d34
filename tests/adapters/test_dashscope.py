"""What only the native DashScope protocol has."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.dashscope import DashScopeProvider
from domain.generation.provider import ProviderErrorCode, ProviderLimits, UsageSource
from tests.adapters.calls import FIRMS, ask, completion
from tests.fakes.dashscope_server import FakeDashScope


@pytest.fixture
async def fake() -> AsyncGenerator[FakeDashScope, None]:
    async with FakeDashScope() as fake:
        yield fake


def _provider(fake: FakeDashScope, api_key: str | None = "sk-1") -> DashScopeProvider:
    return DashScopeProvider(base_url=fake.base_url, api_key=api_key, limits=ProviderLimits())


async def test_text_is_asked_for_piece_by_piece(fake: FakeDashScope) -> None:
    await ask(_provider(fake), completion())
    exchange = fake.exchanges[0]
    assert exchange.path == "/api/v1/services/aigc/text-generation/generation"
    assert exchange.headers["X-DashScope-SSE"] == "enable"
    assert exchange.body["parameters"] == {"result_format": "message", "incremental_output": True}


@pytest.mark.parametrize("mode", ["cut", "eof", "garbage"])
async def test_what_was_counted_before_a_break_is_told_as_partial(fake: FakeDashScope, mode: str) -> None:
    reading = await ask(_provider(fake), completion(mode))
    counted = replace(FIRMS["dashscope"].usage, output_tokens=5, source=UsageSource.PROVIDER_PARTIAL)
    assert (reading.usage, reading.error is not None) == ([counted], True)


async def test_a_throttled_call_is_rate_limited_by_its_code(fake: FakeDashScope) -> None:
    reading = await ask(_provider(fake), completion("status:status=400,code=Throttling.RateQuota"))
    assert reading.failure.code is ProviderErrorCode.RATE_LIMITED


async def test_too_long_a_prompt_is_told_from_other_bad_parameters(fake: FakeDashScope) -> None:
    too_long = "status:status=400,code=InvalidParameter,message=Range of input length should be [1 to 30720]"
    other = "status:status=400,code=InvalidParameter,message=temperature must be below 2"
    codes = [(await ask(_provider(fake), completion(model))).failure.code for model in (too_long, other)]
    assert codes == [ProviderErrorCode.CONTEXT_TOO_LONG, ProviderErrorCode.BAD_REQUEST]


async def test_a_key_kept_at_home_is_not_taken(
    fake: FakeDashScope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ".dashscope"
    home.mkdir()
    (home / "api_key").write_text("sk-foreign")
    (home / "config.toml").write_text('api_key = "sk-foreign"\nworkspace = "foreign"\nbase_url = "http://127.0.0.1:9"')
    monkeypatch.setenv("HOME", str(tmp_path))
    reading = await ask(_provider(fake, api_key=None), completion())
    assert (reading.error, "foreign" in str(fake.exchanges[0].headers)) == (None, False)


async def test_a_broken_settings_file_at_home_does_no_harm(
    fake: FakeDashScope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".dashscope").mkdir()
    (tmp_path / ".dashscope" / "config.toml").write_text("no [ toml")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (await ask(_provider(fake), completion())).error is None


async def test_the_sdk_has_nothing_to_warn_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        provider = DashScopeProvider(base_url=None, api_key="sk-1", limits=ProviderLimits())
        await provider._opened()
    await provider.aclose()
