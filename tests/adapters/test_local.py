"""A model file on this machine. With the extra `local` and FABULA_TEST_MODEL, the path of a GGUF file, a real model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from adapters import local
from adapters.local import LocalProvider
from domain.generation.provider import FinishReason, ProviderErrorCode, ProviderLimits, UsageSource
from tests.adapters.calls import ask, completion, read

MODEL = os.environ.get("FABULA_TEST_MODEL", "")
with_the_extra = pytest.mark.skipif(find_spec("xllamacpp") is None, reason="the extra `local` is not installed")
with_a_model = pytest.mark.skipif(find_spec("xllamacpp") is None or not MODEL, reason="no model file")


def _provider(path: str) -> LocalProvider:
    options = {"model_path": path, "context_tokens": "2048"}
    return LocalProvider(base_url=None, api_key=None, limits=ProviderLimits(), options=options)


@pytest.fixture
def servers() -> Iterator[None]:
    yield
    for server in local._servers.values():
        server.process.communicate()
    local._servers.clear()


@pytest.fixture
async def provider(servers: None) -> AsyncGenerator[LocalProvider, None]:
    provider = _provider(MODEL)
    yield provider
    await provider.aclose()


async def test_without_the_extra_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model.gguf"
    model.touch()
    monkeypatch.setattr(local, "find_spec", lambda _name: None)
    error = (await ask(_provider(str(model)), completion())).failure
    assert (error.code, error.detail) == (
        ProviderErrorCode.BAD_REQUEST,
        "models on this machine need the package xllamacpp (the extra `local`)",
    )


async def test_without_a_path_there_is_nothing_to_load() -> None:
    error = (await ask(_provider(""), completion())).failure
    assert (error.code, error.detail) == (
        ProviderErrorCode.BAD_REQUEST,
        "a local channel needs the path of its model file",
    )


async def test_a_file_that_is_not_there_is_no_model(tmp_path: Path) -> None:
    error = (await ask(_provider(str(tmp_path / "model.gguf")), completion())).failure
    assert (error.code, error.detail) == (ProviderErrorCode.MODEL_NOT_FOUND, "the model file is not there")


@with_the_extra
async def test_a_file_that_is_no_model_is_refused(tmp_path: Path, servers: None) -> None:
    model = tmp_path / "model.gguf"
    model.write_text("Once upon a time.")
    error = (await ask(_provider(str(model)), completion())).failure
    assert (error.code, error.detail) == (ProviderErrorCode.BAD_REQUEST, "the model file could not be loaded")


@with_a_model
async def test_a_real_model_writes_and_counts(provider: LocalProvider) -> None:
    reading = await read(provider.stream(completion("any", max_output_tokens=12)), patience_s=120)
    assert reading.error is None
    assert reading.text != ""
    assert [(usage.output_tokens, usage.source) for usage in reading.usage] == [(12, UsageSource.PROVIDER_FINAL)]
    assert reading.finished is not None
    assert reading.finished.reason is FinishReason.LENGTH


@with_a_model
async def test_two_providers_share_a_server_and_a_third_gets_a_new_one_when_it_died(provider: LocalProvider) -> None:
    await read(provider.stream(completion("any", max_output_tokens=1)), patience_s=120)
    (first,) = local._servers.values()
    assert (await ask(_provider(MODEL), completion("any", max_output_tokens=1))).error is None
    assert [*local._servers.values()] == [first]
    first.process.kill()
    first.process.communicate()
    assert (await ask(_provider(MODEL), completion("any", max_output_tokens=1))).error is None
    assert [*local._servers.values()] != [first]


@with_a_model
def test_a_killed_worker_leaves_no_server_running() -> None:
    code = (
        "import sys, time; from pathlib import Path; from adapters.local import _server_for\n"
        "print(_server_for(Path(sys.argv[1]), 512).process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, MODEL], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        server = os.pidfd_open(int(worker.stdout.readline()))
        worker.send_signal(signal.SIGKILL)
    try:
        _until_it_ended(server)
    finally:
        os.close(server)


def _until_it_ended(process: int) -> None:
    import select

    assert select.select([process], [], [], 10)[0] == [process]
