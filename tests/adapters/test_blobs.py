"""What every store of blobs does: a directory, a bucket, and the one that the domain's tests stand on."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from adapters.blobs_local import LocalBlobs
from adapters.blobs_s3 import Bucket, S3Blobs
from domain.files.blobs import (
    CHUNK_BYTES,
    BlobMissing,
    BlobsAway,
    BlobStore,
    BlobTooLarge,
    blob_key,
    staging_key,
    thumbnail_key,
)
from domain.ids import TenantId, UploadId, new_id
from tests.domain.memory.files import MemoryBlobs
from tests.fakes.s3_server import NAME, s3_bucket

TREE = Path(__file__).parents[2]
TENANT = TenantId(new_id())


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with s3_bucket() as one:
        yield one


@pytest.fixture(params=["directory", "bucket", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "memory":
        return MemoryBlobs()
    if request.param == "directory":
        return LocalBlobs(tmp_path / "blobs")
    return S3Blobs(request.getfixturevalue("bucket"), tmp_path / "scratch")


@pytest.fixture
def key() -> str:
    return staging_key(TENANT, UploadId(new_id()))


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(store: BlobStore, key: str, *, start: int = 0, length: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in store.open(key, start=start, length=length)])


async def test_what_is_written_is_read(store: BlobStore, key: str) -> None:
    assert await store.write(key, chunks(b"the lamp ", b"", b"burned")) == 15
    assert (await whole(store, key), await store.size(key)) == (b"the lamp burned", 15)
    assert await store.read(key, 15) == b"the lamp burned"
    with pytest.raises(BlobTooLarge):
        await store.read(key, 14)


async def test_a_second_writing_takes_the_place_of_the_first(store: BlobStore, key: str) -> None:
    await store.write(key, chunks(b"a longer text"))
    await store.write(key, chunks(b"short"))
    assert await whole(store, key) == b"short"


async def test_what_is_not_there(store: BlobStore, key: str) -> None:
    with pytest.raises(BlobMissing):
        await whole(store, key)
    with pytest.raises(BlobMissing):
        await store.read(key, 5)
    assert await store.size(key) is None
    await store.delete(key)


async def test_what_is_deleted_is_not_there(store: BlobStore, key: str) -> None:
    await store.write(key, chunks(b"x"))
    await store.delete(key)
    assert await store.size(key) is None


@pytest.mark.parametrize(
    ("start", "length", "found"),
    [(0, 3, b"012"), (2, None, b"23456789"), (2, 4, b"2345"), (9, 5, b"9"), (10, None, b""), (10, 5, b""), (3, 0, b"")],
)
async def test_a_part_is_read(store: BlobStore, key: str, start: int, length: int | None, found: bytes) -> None:
    await store.write(key, chunks(b"0123456789"))
    assert await whole(store, key, start=start, length=length) == found


async def test_writing_that_fails_leaves_what_was_there(store: BlobStore, key: str) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield b"half of "
        raise ValueError("the rest never came")

    with pytest.raises(ValueError, match="never came"):
        await store.write(key, failing())
    assert await store.size(key) is None
    await store.write(key, chunks(b"whole"))
    with pytest.raises(ValueError, match="never came"):
        await store.write(key, failing())
    assert await whole(store, key) == b"whole"


async def test_writers_of_one_key_at_once_leave_one_of_their_texts(store: BlobStore, key: str) -> None:
    async def slowly(letter: bytes) -> AsyncIterator[bytes]:
        for _ in range(20):
            yield letter * 100
            await asyncio.sleep(0)

    await asyncio.gather(*(store.write(key, slowly(letter)) for letter in (b"a", b"b", b"c")))
    found = await whole(store, key)
    assert (len(found), len(set(found))) == (2_000, 1)


@pytest.mark.parametrize("where", ["directory", "bucket"])
async def test_a_large_blob_goes_in_and_out_in_chunks(where: str, bucket: Bucket, tmp_path: Path, key: str) -> None:
    store: BlobStore = LocalBlobs(tmp_path) if where == "directory" else S3Blobs(bucket, tmp_path)
    size_mib = 40

    async def much() -> AsyncIterator[bytes]:
        for n in range(size_mib):
            yield bytes([n]) * (1 << 20)

    await store.size(key)  # what the client of the bucket takes for itself, it has taken
    if where == "directory":
        tracemalloc.start()
    try:
        assert await store.write(key, much()) == size_mib << 20
        seen = 0
        async for chunk in store.open(key):
            assert len(chunk) <= CHUNK_BYTES
            seen += len(chunk)
        assert seen == size_mib << 20
        # The bucket's server is in this process, and has all of it in memory.
        assert where == "bucket" or tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


# -- the directory ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["../x", "/etc/passwd", "staging/../../x", "staging/AB/cd", "staging", "", "a/b\x00c", "a/.."]
)
async def test_nothing_but_our_own_keys_becomes_a_path(tmp_path: Path, key: str) -> None:
    store = LocalBlobs(tmp_path)
    uses: list[Callable[[], object]] = [lambda: store.write(key, chunks(b"x")), lambda: store.read(key, 1),
                                        lambda: store.delete(key), lambda: store.size(key)]  # fmt: skip
    for use in uses:
        with pytest.raises(ValueError, match="no key"):
            await use()  # type: ignore[misc]
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a test may wait


def test_keys_of_two_tenants_or_of_two_uses_never_meet() -> None:
    digest, other = bytes(32), TenantId(new_id())
    upload = UploadId(new_id())
    keys = {make(tenant, digest) for make in (blob_key, thumbnail_key) for tenant in (TENANT, other)}
    assert len(keys | {staging_key(tenant, upload) for tenant in (TENANT, other)}) == 6


WRITER = """
import asyncio, sys
from pathlib import Path
from adapters.blobs_local import LocalBlobs

async def endless():
    while True:
        yield b"x" * 100_000
        print("wrote", flush=True)
        await asyncio.sleep(0.01)

asyncio.run(LocalBlobs(Path(sys.argv[1])).write(sys.argv[2], endless()))
"""


async def test_a_writer_that_is_killed_leaves_nothing_under_the_key(tmp_path: Path, key: str) -> None:
    store = LocalBlobs(tmp_path)
    await store.write(key, chunks(b"what was there"))
    with subprocess.Popen(  # noqa: ASYNC220 - it prints at once
        [sys.executable, "-c", WRITER, str(tmp_path), key], stdout=subprocess.PIPE, cwd=TREE
    ) as writer:  # fmt: skip
        assert writer.stdout is not None
        for _ in range(3):
            assert writer.stdout.readline() == b"wrote\n"
        writer.send_signal(signal.SIGKILL)
    assert await whole(store, key) == b"what was there"
    [part] = (tmp_path / "parts").iterdir()
    assert await store.tidy(timedelta(hours=1)) == 0  # somebody may still be at it
    an_hour_ago = time.time() - 3_601
    os.utime(part, (an_hour_ago, an_hour_ago))
    assert (await store.tidy(timedelta(hours=1)), part.exists()) == (1, False)


async def test_files_are_nobody_elses_to_read(tmp_path: Path, key: str) -> None:
    await LocalBlobs(tmp_path / "root").write(key, chunks(b"x"))
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "root" / key).stat().st_mode & 0o777 == 0o600


async def test_a_directory_takes_no_uploads_by_itself(tmp_path: Path, key: str) -> None:
    assert await LocalBlobs(tmp_path).upload_url(key, 5, timedelta(minutes=1)) is None


# -- the bucket ------------------------------------------------------------------------------------------------------


async def test_a_bucket_takes_just_so_many_bytes_from_whoever_has_the_address(
    bucket: Bucket, tmp_path: Path, key: str
) -> None:
    store = S3Blobs(bucket, tmp_path)
    url = await store.upload_url(key, 5, timedelta(minutes=10))
    assert url is not None
    query = httpx.URL(url).params
    assert (query["X-Amz-Expires"], query["X-Amz-SignedHeaders"]) == ("600", "content-length;host")
    assert httpx.URL(url).path == f"/{NAME}/{key}"
    async with httpx.AsyncClient(trust_env=False) as http:
        sent = await http.put(url, content=b"hello", headers={"content-type": "application/octet-stream"})
    assert (sent.status_code, await whole(store, key)) == (200, b"hello")


async def test_another_size_has_another_signature(bucket: Bucket, tmp_path: Path, key: str) -> None:
    store = S3Blobs(bucket, tmp_path)
    urls = [await store.upload_url(key, size, timedelta(minutes=10)) for size in (5, 6)]
    five, six = (httpx.URL(str(one)).params["X-Amz-Signature"] for one in urls)
    assert five != six


async def test_a_bucket_that_is_away_is_an_error_and_no_missing_blob(tmp_path: Path, key: str) -> None:
    away = S3Blobs(Bucket(NAME, "us-east-1", "http://127.0.0.1:9", "k", "s"), tmp_path)
    with pytest.raises(Exception, match="Could not connect"):
        await away.size(key)


async def test_a_bucket_has_nothing_to_tidy(bucket: Bucket, tmp_path: Path) -> None:
    assert await S3Blobs(bucket, tmp_path).tidy(timedelta()) == 0


async def test_a_store_that_does_not_answer_is_away(tmp_path: Path, key: str) -> None:
    nobody = Bucket(NAME, "us-east-1", "http://127.0.0.1:9", "test-key", "test-secret")
    folder = LocalBlobs(tmp_path)
    (tmp_path / key).mkdir(parents=True)
    for store in (S3Blobs(nobody, tmp_path), folder):
        with pytest.raises(BlobsAway):
            await store.read(key, 10)
