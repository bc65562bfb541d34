"""A model file (GGUF) on this machine, without a key and without a network.

The file is served by a process of its own (`adapters.local_server`), started when it is first asked for, shared by all
providers of the file in this process, and started again when it died. Loading may take a minute.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from adapters.http_errors import failure
from adapters.openai import OpenAIProvider
from domain.generation.provider import ProviderErrorCode

CONTEXT_TOKENS = 8_192
LOADING_S_MAX = 300.0


@dataclass(frozen=True, slots=True)
class _Server:
    process: subprocess.Popen[str]
    base_url: str
    api_key: str


_starting = Lock()
_servers: dict[tuple[Path, int], _Server] = {}


class LocalProvider(OpenAIProvider):
    """`model_path` among the options names the file, `context_tokens` how much it takes in, prompt and text together.

    The model's name in a request is not looked at.
    """

    def _connect(self, api_key: str | None) -> tuple[Any, Any]:
        server = _server_for(_file(self._options.get("model_path", "")), self._context_tokens)
        self._base_url = server.base_url
        return super()._connect(server.api_key)

    @property
    def _context_tokens(self) -> int:
        return int(self._options.get("context_tokens", CONTEXT_TOKENS))


def _file(path: str) -> Path:
    if not path:
        raise failure(ProviderErrorCode.BAD_REQUEST, detail="a local channel needs the path of its model file")
    if not Path(path).is_file():
        raise failure(ProviderErrorCode.MODEL_NOT_FOUND, detail="the model file is not there")
    if find_spec("xllamacpp") is None:
        detail = "models on this machine need the package xllamacpp (the extra `local`)"
        raise failure(ProviderErrorCode.BAD_REQUEST, detail=detail)
    return Path(path).resolve()


def _server_for(file: Path, context_tokens: int) -> _Server:
    """Raises BAD_REQUEST for a file that cannot be loaded, or not in `LOADING_S_MAX`."""
    with _starting:
        server = _servers.get((file, context_tokens))
        if server is None or server.process.poll() is not None:
            server = _started(file, context_tokens)
            _servers[file, context_tokens] = server
        return server


def _started(file: Path, context_tokens: int) -> _Server:
    process = subprocess.Popen(
        [sys.executable, "-m", "adapters.local_server", str(file), str(context_tokens)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        # The environment's secrets are none of its business, and a Ctrl-C is for the worker, which may drain.
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    key = secrets.token_urlsafe()
    too_long = Timer(LOADING_S_MAX, process.kill)
    too_long.start()
    address = ""
    with suppress(BrokenPipeError), process.stdout as answer:
        process.stdin.write(f"{key}\n")
        process.stdin.flush()
        address = answer.readline().strip()
    too_long.cancel()
    if not address:
        process.communicate()
        raise failure(ProviderErrorCode.BAD_REQUEST, detail="the model file could not be loaded")
    return _Server(process, f"{address}/v1", key)
