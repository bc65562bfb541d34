"""Signed addresses of uploads and of files.

What is signed names the tenant, the thing, what may be done with it and until when: who has the address needs no
session. It is a path on the API's own address, or absolute where the site's public address is known.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from uuid import UUID

from domain.files.blobs import BlobStore, staging_key
from domain.files.entities import FileRules, Upload
from domain.files.links import BadLink, LinkExpired, UploadLink
from domain.ids import FileId, TenantId

_SIGNED = struct.Struct(">B16s16sQQ")
_MAC_BYTES = 32


class Leave(Enum):
    """What a link allows."""

    UPLOAD = 1
    DOWNLOAD = 2
    THUMBNAIL = 3


@dataclass(frozen=True, slots=True)
class Link:
    """`size` is that of an upload in bytes, and 0 otherwise."""

    leave: Leave
    tenant_id: TenantId
    subject: UUID
    size: int
    expires_at: datetime


class SignedFileLinks:
    """Implements `domain.files.links.FileLinks`."""

    def __init__(self, secret: str, public_url: str, blobs: BlobStore, rules: FileRules) -> None:
        self._key = hmac.digest(secret.encode(), b"file links", "sha256")
        self._base = public_url.rstrip("/")
        self._blobs = blobs
        self._ttl_s = int(rules.link_ttl.total_seconds())

    async def upload(self, upload: Upload) -> UploadLink:
        ttl = max(upload.expires_at - datetime.now(UTC), timedelta(seconds=1))
        url = await self._blobs.upload_url(staging_key(upload.tenant_id, upload.id), upload.size, ttl)
        if url is None:
            link = Link(Leave.UPLOAD, upload.tenant_id, upload.id, upload.size, upload.expires_at)
            url = f"{self._base}/uploads/{self.signed(link)}"
        headers = {"content-type": "application/octet-stream"}
        return UploadLink(url, "PUT", headers, upload.expires_at)

    def download(self, tenant_id: TenantId, file_id: FileId, now: datetime, *, thumbnail: bool = False) -> str:
        """Good for at least the time to live, and for at most twice that."""
        expires_s = (int(now.timestamp()) // self._ttl_s + 2) * self._ttl_s
        leave = Leave.THUMBNAIL if thumbnail else Leave.DOWNLOAD
        link = Link(leave, tenant_id, file_id, 0, datetime.fromtimestamp(expires_s, UTC))
        return f"{self._base}/files/{self.signed(link)}"

    def signed(self, link: Link) -> str:
        told = _SIGNED.pack(
            link.leave.value, link.tenant_id.bytes, link.subject.bytes, link.size, int(link.expires_at.timestamp())
        )
        return base64.urlsafe_b64encode(told + hmac.digest(self._key, told, "sha256")).decode().rstrip("=")

    def read(self, signed: str, now: datetime) -> Link:
        """Raises BadLink for what was not signed by us, LinkExpired."""
        try:
            raw = base64.b64decode(signed + "=" * (-len(signed) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise BadLink from None
        told, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(told) != _SIGNED.size or not hmac.compare_digest(mac, hmac.digest(self._key, told, "sha256")):
            raise BadLink
        leave, tenant, subject, size, at_s = _SIGNED.unpack(told)
        expires_at = datetime.fromtimestamp(at_s, UTC)
        if expires_at <= now:
            raise LinkExpired
        return Link(Leave(leave), TenantId(UUID(bytes=tenant)), UUID(bytes=subject), size, expires_at)
