"""Addresses that let whoever has them send or fetch bytes, for a while.

BadLink         it was not signed by us, or was changed
LinkExpired     it was good once
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.errors import DomainError
from domain.files.entities import Upload
from domain.ids import FileId, TenantId


class BadLink(DomainError):
    """It was not signed by us, or was changed."""


class LinkExpired(DomainError):
    """It was good once."""


@dataclass(frozen=True, slots=True)
class UploadLink:
    """How to send the bytes: by this method, to this address, with these headers and no credentials."""

    url: str
    method: str
    headers: dict[str, str]
    expires_at: datetime


class FileLinks(Protocol):
    async def upload(self, upload: Upload) -> UploadLink: ...
    def download(self, tenant_id: TenantId, file_id: FileId, now: datetime, *, thumbnail: bool = False) -> str:
        """An address that stays the same for a while, so that a browser need not fetch an image twice."""
        ...
