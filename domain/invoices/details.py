"""Whom a tenant's invoices are for. An invoice keeps what was set when it was issued."""

from __future__ import annotations

import re

from domain.accounts import Actor, Permission, clean_email
from domain.errors import ErrorCode, Rejected
from domain.invoices.entities import BillingDetails
from domain.text import clean_line, clean_text
from domain.unit_of_work import UnitOfWork

NAME_CHARS_MAX = 200
ADDRESS_CHARS_MAX = 500
ADDRESS_LINES_MAX = 6
TAX_ID_CHARS_MAX = 40
_COUNTRY = re.compile(r"[A-Z]{2}")


async def set_details(uow: UnitOfWork, actor: Actor, details: BillingDetails) -> BillingDetails:
    """Raises Rejected. Everything but the name may be empty."""
    actor.require(Permission.BILLING)
    address = clean_text(details.address, "address", chars_max=ADDRESS_CHARS_MAX).strip()
    if address.count("\n") >= ADDRESS_LINES_MAX:
        raise Rejected(ErrorCode.TOO_LONG, f"At most {ADDRESS_LINES_MAX} lines.", "input", "address")
    country = details.country.strip().upper()
    if country and not _COUNTRY.fullmatch(country):
        message = "A country is two letters, as in ISO 3166: NZ."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "country")
    cleaned = BillingDetails(
        clean_line(details.name, "name", chars_max=NAME_CHARS_MAX), address,
        clean_line(details.tax_id, "taxId", chars_max=TAX_ID_CHARS_MAX, required=False),
        clean_email(details.email) if details.email.strip() else "", country,
    )  # fmt: skip
    await uow.invoices.set_details(cleaned, uow.now)
    return cleaned
