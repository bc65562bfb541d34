"""GET /invoices/<signed>.pdf: an invoice for whoever was given the link, for a while.

What is signed names the tenant, the invoice, the language and the time; who has the link needs no session. A link that
was changed is refused with 403, one whose time is over with 410.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from adapters.invoice_pdf import render
from domain.errors import NotFound
from domain.ids import InvoiceId, TenantId
from domain.invoices.files import BadLink, InvoiceFile, InvoiceFiles, LinkExpired
from domain.text import base_language
from domain.unit_of_work import OpenUnitOfWork

LINK_TTL = timedelta(minutes=15)
_SIGNED = struct.Struct(">16s16sQ2s")
_MAC_BYTES = 32


@dataclass(frozen=True, slots=True)
class Link:
    """What a link leads to."""

    tenant_id: TenantId
    invoice_id: InvoiceId
    locale: str
    expires_at: datetime


class SignedInvoiceFiles:
    """Implements `domain.invoices.files.InvoiceFiles`. `font`: see `adapters.invoice_pdf`."""

    def __init__(self, units: OpenUnitOfWork, secret: str, font: Path | None) -> None:
        self._units = units
        self._key = hmac.digest(secret.encode(), b"invoice files", "sha256")
        self._font = font

    async def file(self, tenant_id: TenantId, invoice_id: InvoiceId, locale: str) -> InvoiceFile:
        known = "zh" if base_language(locale) == "zh" else "en"
        name, content = await self._content(tenant_id, invoice_id, known)
        link = Link(tenant_id, invoice_id, known, datetime.now(UTC).replace(microsecond=0) + LINK_TTL)
        url = f"/invoices/{self.signed(link)}.pdf"
        return InvoiceFile(url, link.expires_at, name, len(content), hashlib.sha256(content).hexdigest())

    async def opened(self, signed: str) -> tuple[str, bytes]:
        link = self.read(signed)
        if link.expires_at <= datetime.now(UTC):
            raise LinkExpired
        return await self._content(link.tenant_id, link.invoice_id, link.locale)

    async def _content(self, tenant_id: TenantId, invoice_id: InvoiceId, locale: str) -> tuple[str, bytes]:
        """The file's name and its bytes. Raises NotFound."""
        async with self._units(tenant_id) as uow:
            invoice = await uow.invoices.read(invoice_id)
            if invoice is None:
                raise NotFound("The invoice", "id")
            lines = await uow.invoices.lines(invoice_id)
        return f"{invoice.number}-{locale}.pdf", await asyncio.to_thread(render, invoice, lines, locale, self._font)

    def signed(self, link: Link) -> str:
        told = _SIGNED.pack(
            link.tenant_id.bytes, link.invoice_id.bytes, int(link.expires_at.timestamp()), link.locale.encode()
        )
        return base64.urlsafe_b64encode(told + hmac.digest(self._key, told, "sha256")).decode().rstrip("=")

    def read(self, signed: str) -> Link:
        """Raises BadLink for what was not signed by us."""
        try:
            raw = base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4))
        except (binascii.Error, ValueError):
            raise BadLink from None
        told, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(told) != _SIGNED.size or not hmac.compare_digest(mac, hmac.digest(self._key, told, "sha256")):
            raise BadLink
        tenant, invoice, at_s, locale = _SIGNED.unpack(told)
        at = datetime.fromtimestamp(at_s, UTC)
        return Link(TenantId(UUID(bytes=tenant)), InvoiceId(UUID(bytes=invoice)), locale.decode(), at)


def add_routes(app: FastAPI, files: InvoiceFiles) -> None:
    async def download(request: Request) -> Response:
        try:
            name, content = await files.opened(request.path_params["signed"])
        except BadLink:
            return PlainTextResponse("This link is not one of ours.\n", 403)
        except LinkExpired:
            return PlainTextResponse("This link has expired: ask for a new one.\n", 410)
        except NotFound:
            return PlainTextResponse("There is no such invoice.\n", 404)
        headers = {
            "content-disposition": f'attachment; filename="{name}"',
            "cache-control": "private, no-store",
            "x-content-type-options": "nosniff",
        }
        return Response(content, media_type="application/pdf", headers=headers)

    app.add_route("/invoices/{signed}.pdf", download, methods=["GET"])
