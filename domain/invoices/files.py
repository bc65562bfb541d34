"""Invoices as files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.errors import DomainError
from domain.ids import InvoiceId, TenantId


@dataclass(frozen=True, slots=True)
class InvoiceFile:
    """`url` is a path on the API's own address; whoever has it gets the file until `expires_at`. `size` in bytes."""

    url: str
    expires_at: datetime
    name: str
    size: int
    sha256: str


class BadLink(DomainError):
    """It was not signed by us, or was changed."""


class LinkExpired(DomainError):
    """It was good once."""


class InvoiceFiles(Protocol):
    """Makes PDF files of invoices: in Chinese for a Chinese locale and in English for any other."""

    async def file(self, tenant_id: TenantId, invoice_id: InvoiceId, locale: str) -> InvoiceFile:
        """Raises NotFound."""
        ...

    async def opened(self, signed: str) -> tuple[str, bytes]:
        """The name and the content behind a link. Raises BadLink, LinkExpired, and NotFound."""
        ...
