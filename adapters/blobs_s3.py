"""Blobs in a bucket of S3, or of anything that speaks its protocol. Implements `domain.files.blobs.BlobStore`.

botocore blocks, so calls run in threads, each with limits on its time. An object is seen when all of it has arrived,
which is the protocol's promise. A client is given an address for just so many bytes: their number is signed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from domain.files.blobs import CHUNK_BYTES, BlobMissing, BlobsAway, read_whole

CONNECT_S = 5
ANSWER_S = 30
TRIES = 3
_MISSING = frozenset({"404", "NoSuchKey"})
_NOTHING_THERE = "InvalidRange"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Without an `endpoint_url`, Amazon's own; without keys, those that the machine was given."""

    name: str
    region: str
    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = None


class S3Blobs:
    """`scratch` is a directory on a disk, for what is being sent: an object's size has to be known before."""

    def __init__(self, bucket: Bucket, scratch: Path) -> None:
        self._bucket = bucket
        self._scratch = scratch
        self._kept: Any = None

    def _client(self) -> Any:
        """Made in a thread when it is first needed: botocore reads a hundred files for it."""
        if self._kept is None:
            from botocore.config import Config
            from botocore.session import Session

            options = Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if self._bucket.endpoint_url else "auto"},
                connect_timeout=CONNECT_S,
                read_timeout=ANSWER_S,
                retries={"mode": "standard", "total_max_attempts": TRIES},
            )
            self._kept = Session().create_client(
                "s3",
                region_name=self._bucket.region,
                endpoint_url=self._bucket.endpoint_url,
                aws_access_key_id=self._bucket.access_key,
                aws_secret_access_key=self._bucket.secret_key,
                config=options,
            )
        return self._kept

    async def write(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        with await asyncio.to_thread(self._scratch_file) as copy:
            async for chunk in chunks:
                await asyncio.to_thread(copy.write, chunk)
            return await asyncio.to_thread(self._put, key, copy)

    def _put(self, key: str, copy: BinaryIO) -> int:
        size = copy.tell()
        copy.seek(0)
        self._client().put_object(Bucket=self._bucket.name, Key=key, Body=copy, ContentLength=size)
        return size

    async def open(self, key: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if length == 0:
            return
        body = await asyncio.to_thread(self._get, key, start, length)
        if body is None:
            return
        try:
            while chunk := await asyncio.to_thread(_part, body, key):
                yield chunk
        finally:
            body.close()

    def _get(self, key: str, start: int, length: int | None) -> Any:
        """The stream of the bytes; None when there are none behind `start`."""
        from botocore.exceptions import BotoCoreError, ClientError

        last = "" if length is None else str(start + length - 1)
        try:
            answer = self._client().get_object(Bucket=self._bucket.name, Key=key, Range=f"bytes={start}-{last}")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _MISSING:
                raise BlobMissing(key) from None
            if code == _NOTHING_THERE:
                return None
            raise BlobsAway(f"{key}: {code}") from error
        except BotoCoreError as error:
            raise BlobsAway(key) from error
        return answer["Body"]

    async def read(self, key: str, max_bytes: int) -> bytes:
        return await read_whole(self, key, max_bytes)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(lambda: self._client().delete_object(Bucket=self._bucket.name, Key=key))

    async def size(self, key: str) -> int | None:
        return await asyncio.to_thread(self._size, key)

    def _size(self, key: str) -> int | None:
        from botocore.exceptions import ClientError

        try:
            return int(self._client().head_object(Bucket=self._bucket.name, Key=key)["ContentLength"])
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise

    async def upload_url(self, key: str, size: int, ttl: timedelta) -> str | None:
        return await asyncio.to_thread(self._upload_url, key, size, int(ttl.total_seconds()))

    def _upload_url(self, key: str, size: int, ttl_s: int) -> str:
        allowed = {"Bucket": self._bucket.name, "Key": key, "ContentLength": size}
        return str(self._client().generate_presigned_url("put_object", Params=allowed, ExpiresIn=ttl_s))

    async def tidy(self, older_than: timedelta) -> int:
        return 0

    def _scratch_file(self) -> BinaryIO:
        self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._scratch)


def origin_of(bucket: Bucket) -> str:
    """Where clients send to, as in `https://novels.s3.amazonaws.com`. It does not depend on keys, so none are needed."""
    anybody = S3Blobs(replace(bucket, access_key="-", secret_key="-"), Path())
    parts = urlsplit(anybody._upload_url("-", 0, 1))
    return f"{parts.scheme}://{parts.netloc}"


def _part(body: Any, key: str) -> bytes:
    from botocore.exceptions import BotoCoreError

    try:
        return bytes(body.read(CHUNK_BYTES))
    except BotoCoreError as error:
        raise BlobsAway(key) from error
