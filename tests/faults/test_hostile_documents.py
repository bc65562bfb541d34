"""Documents that are broken or mean harm, sent to the running product: each is refused with its code, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from domain.knowledge.parsing import SOURCE_BYTES_MAX
from tests.adapters.documents import pdf, word, zipped
from tests.adapters.test_reading import LAUGHS
from tests.faults.author import Author
from tests.faults.figures import measured
from tests.faults.library import Library, Refusal, Volume
from tests.faults.product import Product
from tests.pace import slowness

SAMPLE_S = 0.05
WORKER_BYTES_MAX = 512 << 20
"""Of the worker process itself: what it is with its models, and a document's text and chunks."""
ALL_BYTES_MAX = 1 << 30
"""Of the worker and all that read for it, at any moment."""
HONEST_S = 30.0
"""From the last hostile document to an honest one that is READY, with all of them before it."""


def claiming_two_gigabytes() -> bytes:
    """A DOCX of a few hundred bytes whose directory says that its text has two gigabytes."""
    whole = bytearray(zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": "<a/>" * 3}))
    place = whole.rfind(b"PK\x01\x02")
    whole[place + 24 : place + 28] = (2**31).to_bytes(4, "little")
    return bytes(whole)


def hostile() -> list[tuple[Volume, tuple[str, str]]]:
    """Each, with where it is to end and with which code."""
    blanks: dict[str, bytes | str] = {
        "[Content_Types].xml": "<Types/>",
        "word/document.xml": b"<a>" + b" " * 200_000_000,
    }
    return [
        (Volume("truncated.pdf", pdf(30)[:20_000]), ("FAILED", "DAMAGED")),
        (Volume("password.pdf", pdf(1, "secret")), ("FAILED", "ENCRYPTED")),
        (Volume("wrong.docx", pdf(1)), ("uploadComplete", "FILE_TYPE_MISMATCH")),
        (Volume("picture.txt", b"\x89PNG\r\n\x1a\n" + b"x" * 99), ("uploadComplete", "FILE_DAMAGED")),
        (Volume("bomb.docx", zipped(blanks)), ("FAILED", "BOMB")),
        (Volume("entities.docx", word(prolog=LAUGHS, body="&j;")), ("FAILED", "BOMB")),
        (Volume("claims.docx", claiming_two_gigabytes()), ("FAILED", "DAMAGED")),
        (Volume("line.txt", b"x" * SOURCE_BYTES_MAX), ("FAILED", "TOO_LONG")),
        (Volume("line.html", b"<html><p>" + b"x" * (SOURCE_BYTES_MAX - 9)), ("FAILED", "TOO_LARGE")),
        (Volume("blank.txt", b" \n\t \n"), ("FAILED", "EMPTY")),
        (Volume("empty.txt", b""), ("uploadCreate", "EMPTY")),
    ]


class Memory(NamedTuple):
    """The most that was seen of the worker alone, and with its children, in bytes."""

    worker: int
    together: int


@asynccontextmanager
async def weighed(pid: int) -> AsyncIterator[list[Memory]]:
    """Samples of a process and its children, for as long as the block lasts."""
    samples: list[Memory] = []

    async def sample() -> None:
        while True:
            alone = _resident(pid)
            samples.append(Memory(alone, alone + sum(map(_resident, _children(pid)))))
            await asyncio.sleep(SAMPLE_S)

    task = asyncio.create_task(sample())
    try:
        yield samples
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _children(pid: int) -> list[int]:
    """Of all its threads. Who reads a document has none of its own."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(child) for child in (thread / "children").read_text(encoding="ascii").split()]
    return found


async def sent(library: Library, volume: Volume) -> tuple[str, str] | None:
    """Where the API refused it and with which code; None for what the worker is to judge."""
    try:
        await library.put(volume)
    except Refusal as refusal:
        return refusal.where, refusal.code
    return None


async def test_hostile_documents_end_with_a_code_and_the_worker_lives_within_its_memory(
    product: Product, http: httpx.AsyncClient
) -> None:
    volumes = await asyncio.to_thread(hostile)
    author = await Author.newcomer(product, http)
    library = await Library.open(product, author, http)
    worker = product.pid("worker")
    async with weighed(worker) as samples:
        began = time.monotonic()
        found = {volume.name: await sent(library, volume) for volume, _ in volumes}
        accepted = [name for name, refused in found.items() if refused is None]
        behind = time.monotonic()
        assert await sent(library, Volume("honest.pdf", pdf(20))) is None
        ready = await library.ended(["honest.pdf"], HONEST_S * slowness()) - behind
        took = await library.ended(accepted, HONEST_S * slowness()) - began
    try:
        await library.claim("huge.txt", 2**31 - 1)
        raise AssertionError("two gigabytes were welcome")
    except Refusal as refusal:
        assert (refusal.where, refusal.code) == ("uploadCreate", "FILE_TOO_LARGE")

    states = await library.states()
    most = Memory(max(one.worker for one in samples), max(one.together for one in samples))
    measured(f"{len(volumes)} hostile documents: until all have ended", f"{took:.1f} s")
    measured("  an honest one behind them: until READY", f"{ready:.1f} s")
    measured("  most memory", f"worker {most.worker >> 20} MiB, with children {most.together >> 20} MiB")
    assert states.pop("honest.pdf") == ("READY", None)
    assert {name: found[name] or states[name] for name in found} == {volume.name: due for volume, due in volumes}
    assert set(states) == set(accepted)
    assert {one.title for one in await library.passages()} == {"honest.pdf"}
    assert product.pid("worker") == worker
    assert len(samples) > 20 and most.together > most.worker
    assert most.worker < WORKER_BYTES_MAX and most.together < ALL_BYTES_MAX
