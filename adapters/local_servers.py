"""Finds the OpenAI-compatible model servers that people run on their own machine.

Asks the usual ports of 127.0.0.1 and no other address. Whatever answers may be any program, so the answer is bounded
in time, size and shape before it is believed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

PROBE_S = 0.3
ANSWER_BYTES_MAX = 256 << 10
MODELS_MAX = 200

USUAL_PORTS: tuple[tuple[str, int], ...] = (
    ("Ollama", 11434),
    ("LM Studio", 1234),
    ("llama.cpp", 8080),
    ("vLLM", 8000),
)


@dataclass(frozen=True, slots=True)
class LocalServer:
    """`models` are the ids of those that write text, in the server's order; never empty."""

    name: str
    base_url: str
    models: tuple[str, ...]


async def find_local_servers(
    *, own_port: int | None, ports: Sequence[tuple[str, int]] = USUAL_PORTS
) -> list[LocalServer]:
    """All that answer within `PROBE_S`, in the order of `ports`. `own_port` is this process's own and is not asked."""
    import httpx

    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=PROBE_S, verify=False) as client:
        probes = [_probe(client, name, port) for name, port in ports if port != own_port]
        return [server for server in await asyncio.gather(*probes) if server is not None]


async def _probe(client: Any, name: str, port: int) -> LocalServer | None:
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        async with asyncio.timeout(PROBE_S):
            models = _text_models(await _get(client, f"{base_url}/models"))
    except Exception:  # noqa: BLE001 - a probe that fails, for whatever reason, has found nothing
        return None
    return LocalServer(name, base_url, models) if models else None


async def _get(client: Any, url: str) -> bytes:
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with client.stream("GET", url, headers=headers) as response:
        if response.status_code != 200:
            raise ValueError("not a 200")
        answer = bytearray()
        async for chunk in response.aiter_raw():
            answer += chunk
            if len(answer) > ANSWER_BYTES_MAX:
                raise ValueError("too long an answer")
    return bytes(answer)


def _text_models(body: bytes) -> tuple[str, ...]:
    """From `{"data": [{"id": ...}]}`. Servers list embedding models beside the others; those write no text."""
    document = json.loads(body)
    entries = document.get("data") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return ()
    ids = [entry.get("id") for entry in entries[:MODELS_MAX] if isinstance(entry, dict)]
    return tuple(model for model in ids if isinstance(model, str) and 0 < len(model) <= 200 and "embed" not in model)
