"""Reads documents, each in a child process that may crash, hang or run out of memory without harm."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any

import orjson

from adapters.reading import limits
from domain.knowledge.entities import DocumentErrorCode
from domain.knowledge.failures import IngestFailed
from domain.knowledge.parsing import SOURCE_BYTES_MAX, Reading, Source
from domain.knowledge.pieces import Piece
from domain.knowledge.policies import ChunkPolicy

TREE = Path(__file__).resolve().parents[2]
STDERR_CHARS_MAX = 2_000
_KILLED_BY = {
    signal.SIGXCPU: DocumentErrorCode.TIMED_OUT,
    signal.SIGKILL: DocumentErrorCode.OUT_OF_MEMORY,
}

logger = logging.getLogger(__name__)


class ChildReader:
    """Implements `domain.knowledge.parsing.Reader`."""

    def __init__(self, *, wall_s: float = limits.WALL_S) -> None:
        self._wall_s = wall_s

    async def read(self, source: Source, policy: ChunkPolicy) -> Reading:
        header = orjson.dumps({"mime": source.mime, "name": source.name, "policy": policy.to_json()}) + b"\n"
        child = await _started()
        try:
            async with asyncio.timeout(self._wall_s):
                answer = await _exchange(child, header, source.parts)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        except TimeoutError:
            raise IngestFailed(DocumentErrorCode.TIMED_OUT, f"no answer within {self._wall_s:g} s") from None
        finally:
            await asyncio.shield(_ended(child))
        return await asyncio.to_thread(_reading, answer, child.returncode)


async def _started() -> asyncio.subprocess.Process:
    """Without our environment: it has our secrets."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-B", "-m", "adapters.reading",
        stdin=pipe, stdout=pipe, stderr=pipe, cwd=TREE, start_new_session=True,
        env={"PYTHONPATH": str(TREE), "LANG": "C.UTF-8", "PATH": os.defpath, "MALLOC_ARENA_MAX": "2"},
    )  # fmt: skip


async def _exchange(child: asyncio.subprocess.Process, header: bytes, parts: AsyncIterable[bytes]) -> bytes:
    assert child.stderr is not None
    async with asyncio.TaskGroup() as group:
        feeding = group.create_task(_feed(child, header, parts))
        complaints = group.create_task(_read(child.stderr, STDERR_CHARS_MAX, drop=True))
        assert child.stdout is not None
        answer = await _read(child.stdout, limits.RESULT_BYTES_MAX)
        if not answer:
            feeding.cancel()
    await child.wait()
    if complaints.result():
        logger.warning("the reading process said: %s", complaints.result().decode(errors="replace"))
    return answer


async def _feed(child: asyncio.subprocess.Process, header: bytes, parts: AsyncIterable[bytes]) -> None:
    """A child that is gone is asked no further: what it came to shows in its answer."""
    assert child.stdin is not None
    size = 0
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(header)
        async for part in parts:
            size += len(part)
            if size > SOURCE_BYTES_MAX:
                raise IngestFailed(DocumentErrorCode.TOO_LARGE)
            child.stdin.write(part)
            await child.stdin.drain()
        child.stdin.close()
        await child.stdin.wait_closed()


async def _read(stream: asyncio.StreamReader, most: int, *, drop: bool = False) -> bytes:
    """All of a stream; what is more than `most` is dropped, or refused."""
    parts: list[bytes] = []
    size = 0
    while part := await stream.read(256 * 1024):
        if size + len(part) > most and not drop:
            raise IngestFailed(DocumentErrorCode.TOO_LONG, "the answer is too long")
        parts.append(part[: max(0, most - size)])
        size += len(part)
    return b"".join(parts)


async def _ended(child: asyncio.subprocess.Process) -> None:
    """Whatever it does, it stops now, with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def _reading(answer: bytes, code: int | None) -> Reading:
    if not answer:
        killed_by = signal.Signals(-code) if code is not None and code < 0 else None
        failed = _KILLED_BY.get(killed_by, DocumentErrorCode.PARSER_CRASHED) if killed_by else None
        raise IngestFailed(failed or DocumentErrorCode.PARSER_CRASHED, f"it ended with {killed_by or code}")
    try:
        said: dict[str, Any] = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise IngestFailed(DocumentErrorCode.PARSER_CRASHED, "half an answer") from None
    if (error := said.get("error")) is not None:
        raise IngestFailed(DocumentErrorCode(error), said["detail"])
    return Reading(said["text"], said["pages"], said["language"], [Piece(*one) for one in said["pieces"]])
