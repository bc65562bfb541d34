"""PUT /uploads/<signed> and GET /files/<signed>: bytes in and out, for whoever was given the address.

A refusal is JSON with a `code` and a `message`. LINK_INVALID (403) was not signed by us or was changed, LINK_EXPIRED
(410) was good once, FILE_TOO_LARGE (413) and INCOMPLETE (400) are not the bytes that were announced, NOT_FOUND (404)
and CONFLICT (409) say that the file was deleted meanwhile or the upload completed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import orjson
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from app.file_links import Leave, Link, SignedFileLinks
from domain.errors import DomainError
from domain.files.blobs import BlobMissing, BlobStore, blob_key, staging_key, thumbnail_key
from domain.files.entities import File, UploadState
from domain.files.links import BadLink, LinkExpired
from domain.ids import FileId, UploadId
from domain.unit_of_work import OpenUnitOfWork

UPLOAD_S = 900.0
"""Longer nobody takes to send a file."""
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")
_SAFE = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "cache-control": "private, max-age=900",
    "referrer-policy": "no-referrer",
    "accept-ranges": "bytes",
}
"""A browser takes the bytes for what we say they are, and runs nothing in them."""


class Refused(DomainError):
    """What the caller is told, with an HTTP status."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers


@dataclass(frozen=True, slots=True)
class FileTransfer:
    """The HTTP side of files."""

    units: OpenUnitOfWork
    blobs: BlobStore
    links: SignedFileLinks

    def add_routes(self, app: FastAPI) -> None:
        app.add_route("/uploads/{signed}", _answered(self.take), methods=["PUT"])
        app.add_route("/files/{signed}", _answered(self.give), methods=["GET", "HEAD"])

    async def take(self, request: Request) -> Response:
        link = self._link(request, Leave.UPLOAD)
        claimed = request.headers.get("content-length", "")
        if claimed.isdigit() and int(claimed) != link.size:
            raise _other_size(link.size, int(claimed))
        async with self.units(link.tenant_id) as uow:
            upload = await uow.files.upload(UploadId(link.subject))
        if upload is None:
            raise Refused(404, "NOT_FOUND", "There is no such upload.")
        if upload.state != UploadState.PENDING:
            raise Refused(409, "CONFLICT", "This upload was completed.")
        try:
            async with asyncio.timeout(UPLOAD_S):
                await self.blobs.write(staging_key(upload.tenant_id, upload.id), _just(request, link.size))
        except TimeoutError:
            raise Refused(408, "INCOMPLETE", f"The bytes did not come within {UPLOAD_S:.0f} seconds.") from None
        except ClientDisconnect:
            raise Refused(400, "INCOMPLETE", "The connection broke.") from None
        return Response(status_code=204)

    async def give(self, request: Request) -> Response:
        link = self._link(request, Leave.DOWNLOAD, Leave.THUMBNAIL)
        async with self.units(link.tenant_id) as uow:
            file = await uow.files.file(FileId(link.subject))
        thumbnail = link.leave is Leave.THUMBNAIL
        if file is None or (thumbnail and not file.has_thumbnail):
            raise Refused(404, "NOT_FOUND", "There is no such file.")
        key = (thumbnail_key if thumbnail else blob_key)(file.tenant_id, file.sha256)
        size = await self.blobs.size(key)
        if size is None:
            raise Refused(404, "NOT_FOUND", "There is no such file.")
        headers = _SAFE | {"etag": _etag(file, thumbnail), "content-disposition": _disposition(file, thumbnail)}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        part = _part(request, size, headers["etag"])
        start, length = part or (0, size)
        headers |= {"content-type": _content_type(file, thumbnail), "content-length": str(length)}
        if part is not None:
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{size}"
        status = 200 if part is None else 206
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return StreamingResponse(self.blobs.open(key, start=start, length=length), status, headers)

    def _link(self, request: Request, *leaves: Leave) -> Link:
        try:
            link = self.links.read(request.path_params["signed"], datetime.now(UTC))
        except BadLink:
            raise _invalid() from None
        except LinkExpired:
            raise Refused(410, "LINK_EXPIRED", "This link has expired: ask for a new one.") from None
        if link.leave not in leaves:
            raise _invalid()
        return link


def _invalid() -> Refused:
    return Refused(403, "LINK_INVALID", "This link is not one of ours.")


def _answered(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except BlobMissing:
            refusal = Refused(404, "NOT_FOUND", "There is no such file.")
        except Refused as refused:
            refusal = refused
        body = orjson.dumps({"code": refusal.code, "message": refusal.message})
        # What the client still sends of a body that is refused is not read: the connection cannot be used again.
        more = {"connection": "close"} if request.method == "PUT" else {}
        return Response(body, refusal.status, refusal.headers | more, "application/json")

    return answer


def _other_size(announced: int, sent: int) -> Refused:
    if sent > announced:
        return Refused(413, "FILE_TOO_LARGE", f"More than the {announced:,} bytes that were announced.")
    return Refused(400, "INCOMPLETE", f"{sent:,} bytes, where {announced:,} were announced.")


async def _just(request: Request, size: int) -> AsyncIterator[bytes]:
    """The request's body, which must be of this size. Raises Refused as soon as it is known not to be."""
    sent = 0
    async for chunk in request.stream():
        sent += len(chunk)
        if sent > size:
            raise _other_size(size, sent)
        yield chunk
    if sent < size:
        raise _other_size(size, sent)


def _etag(file: File, thumbnail: bool) -> str:
    return f'"{file.sha256.hex()}{"-thumbnail" if thumbnail else ""}"'


def _content_type(file: File, thumbnail: bool) -> str:
    if thumbnail:
        return "image/webp"
    return f"{file.mime}; charset={file.charset}" if file.charset else file.mime


def _disposition(file: File, thumbnail: bool) -> str:
    """Images are shown; everything else is saved, under its name (RFC 6266)."""
    kind = "inline" if thumbnail or file.width is not None else "attachment"
    plain = re.sub(r"[^ !#-\[\]-~]|%", "_", file.name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(file.name, safe='')}"


def _part(request: Request, size: int, etag: str) -> tuple[int, int] | None:
    """Start and length of the range that is asked for; None for the whole. Raises Refused."""
    asked = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if asked is None or not (asked[1] or asked[2]) or request.headers.get("if-range", etag) != etag:
        return None
    if asked[1]:
        start, last = int(asked[1]), min(int(asked[2] or size), size - 1)
    else:
        start, last = max(0, size - int(asked[2])), size - 1
    if asked[2] and asked[1] and int(asked[2]) < int(asked[1]):
        return None
    if start > last:
        raise Refused(416, "RANGE", f"The file has {size:,} bytes.", **{"content-range": f"bytes */{size}"})
    return start, last - start + 1
