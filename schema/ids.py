"""Global ids: opaque strings that carry a type and a UUID."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from domain.errors import ErrorCode, Rejected

_CODES = {
    "ApiToken": b"at",
    "Assistant": b"as",
    "AssistantVersion": b"av",
    "AuditEntry": b"ae",
    "Budget": b"bu",
    "Channel": b"cn",
    "Chapter": b"ch",
    "Chunk": b"ck",
    "ClientApp": b"ca",
    "Citation": b"ct",
    "CodexEntry": b"ce",
    "CodexRelation": b"cr",
    "Conversation": b"cv",
    "ConversationGroup": b"cg",
    "ConversationShare": b"sh",
    "Coupon": b"cu",
    "CouponRedemption": b"cd",
    "Document": b"do",
    "File": b"fi",
    "Generation": b"gn",
    "Invoice": b"iv",
    "Job": b"jb",
    "KnowledgeBase": b"kb",
    "LedgerEntry": b"le",
    "Message": b"ms",
    "Notification": b"nt",
    "OutlineNode": b"on",
    "Plan": b"pl",
    "PlanSubscription": b"ps",
    "PlanVersion": b"pv",
    "Payment": b"py",
    "PaymentMethod": b"pm",
    "Price": b"pr",
    "Project": b"pj",
    "Tenant": b"tn",
    "TextVersion": b"tv",
    "TrustedDocument": b"td",
    "Upload": b"up",
    "User": b"us",
    "WebhookDelivery": b"wd",
    "WebhookEndpoint": b"we",
}
_TYPES = {code: name for name, code in _CODES.items()}
_BYTES = 18


def encode_id(type_name: str, value: UUID) -> str:
    return base64.urlsafe_b64encode(_CODES[type_name] + value.bytes).decode()


def code_of(type_name: str) -> bytes:
    """The two bytes that stand for a type in its ids."""
    return _CODES[type_name]


def split_id(value: str, field: str = "id") -> tuple[str, UUID]:
    """The type's name and the UUID. Raises Rejected(BAD_USER_INPUT) for anything that is no id of this API."""
    try:
        raw = base64.b64decode(value, b"-_", validate=True)
        if len(raw) == _BYTES:
            return _TYPES[raw[:2]], UUID(bytes=raw[2:])
    except (binascii.Error, ValueError, KeyError):
        pass
    raise Rejected(ErrorCode.BAD_USER_INPUT, "This is not an id of this API.", "input", field)


def decode_id(type_name: str, value: str, field: str = "id") -> UUID:
    """The UUID of an id that must be of one type."""
    found, uuid = split_id(value, field)
    if found != type_name:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"This is the id of a {found}, not of a {type_name}.", "input", field)
    return uuid


def decode_optional(type_name: str, value: str | None, field: str) -> UUID | None:
    return decode_id(type_name, value, field) if value is not None else None
