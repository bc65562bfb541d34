"""The root of every error that the domain raises on purpose.

    DomainError
    ├── Rejected            the caller's input or the world's state forbids it: code, message, field
    │   ├── Forbidden       the caller is known and may not
    │   └── NotFound        no such thing for this caller (missing and forbidden read alike)
    ├── Unauthenticated     the caller is not known, or no longer
    ├── LeaseLost           another worker owns the job now: whatever this one does is refused
    └── ProviderError       a model provider failed (domain.generation.provider)

Errors carry objects, not only text, and know nothing of HTTP or GraphQL.
"""

from __future__ import annotations

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every code a client may meet in `userErrors` or `errors[].extensions.code`."""

    BAD_USER_INPUT = "BAD_USER_INPUT"
    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    CONFLICT = "CONFLICT"
    INVALID_STATE = "INVALID_STATE"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    TOO_LONG = "TOO_LONG"
    EMPTY = "EMPTY"
    INVALID_CHARACTERS = "INVALID_CHARACTERS"
    LIMIT_REACHED = "LIMIT_REACHED"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    PAYMENT_OVERDUE = "PAYMENT_OVERDUE"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    PAYMENT_REFUSED = "PAYMENT_REFUSED"
    CONTEXT_TOO_SMALL = "CONTEXT_TOO_SMALL"
    NO_CHANNEL = "NO_CHANNEL"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    TOKEN_EXPIRED = "TOKEN_EXPIRED"
    TOKEN_REUSED = "TOKEN_REUSED"
    RATE_LIMITED = "RATE_LIMITED"
    NOT_ENTITLED = "NOT_ENTITLED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    COUPON_INVALID = "COUPON_INVALID"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    STORAGE_FULL = "STORAGE_FULL"
    FILE_TYPE_REFUSED = "FILE_TYPE_REFUSED"
    FILE_TYPE_MISMATCH = "FILE_TYPE_MISMATCH"
    FILE_AMBIGUOUS = "FILE_AMBIGUOUS"
    FILE_DAMAGED = "FILE_DAMAGED"
    HASH_MISMATCH = "HASH_MISMATCH"


class DomainError(Exception):
    """Root of the tree above."""


class Rejected(DomainError):
    """A refusal that a person can act on.

    `field` is the path inside the mutation's input, e.g. `("input", "title")`; empty when no single field is at fault.
    """

    def __init__(self, code: ErrorCode, message: str, *field: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class Forbidden(Rejected):
    def __init__(self, message: str = "Your role does not allow this.") -> None:
        super().__init__(ErrorCode.FORBIDDEN, message)


class NotFound(Rejected):
    def __init__(self, what: str, *field: str) -> None:
        super().__init__(ErrorCode.NOT_FOUND, f"{what} was not found.", *field)


class Unauthenticated(DomainError):
    """No valid credentials. `expired` tells a client that refreshing may help."""

    def __init__(self, message: str = "Sign in first.", *, expired: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.expired = expired


class LeaseLost(DomainError):
    """The job's lease token is no longer ours."""
