"""What can go wrong, from the reader's side.

FabulaError
    ConnectionLost          no answer came: the network, or a connection that closed. Worth another try
    NotGraphQL              something other than the API answered, such as a proxy; `status`
    UserErrors              a mutation did nothing, and its payload says why; `errors`
    RequestRefused          the API refused the operation; `errors`, `code`, `request_id`
        Unauthenticated     no token, or one that is not accepted any more
        Forbidden           the token may not do this
        BadInput            the operation or its variables are not right
        RateLimited         too much at once; `retry_after_s` when the API says so
        InternalError       the API's own fault; give the request id when you report it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class FabulaError(Exception):
    """The root of all that this package raises of its own."""


class ConnectionLost(FabulaError):
    """`close_code` is the WebSocket's, when one was closed by the server."""

    def __init__(self, message: str, close_code: int | None = None) -> None:
        super().__init__(message)
        self.close_code = close_code


class NotGraphQL(FabulaError):
    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status} without a GraphQL answer")
        self.status = status


class UserError(Protocol):
    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def field(self) -> list[str] | None: ...


class UserErrors(FabulaError):
    def __init__(self, errors: Sequence[UserError]) -> None:
        super().__init__(" ".join(error.message for error in errors))
        self.errors = errors

    @property
    def code(self) -> str:
        return self.errors[0].code


class Payload(Protocol):
    @property
    def user_errors(self) -> Sequence[UserError]: ...


def check(payload: Payload) -> None:
    """Raises UserErrors when a mutation's payload has any."""
    if payload.user_errors:
        raise UserErrors(payload.user_errors)


@dataclass(frozen=True)
class GraphQLError:
    message: str
    code: str
    path: tuple[str | int, ...]
    request_id: str | None


class RequestRefused(FabulaError):
    def __init__(self, errors: Sequence[GraphQLError], retry_after_s: float | None = None) -> None:
        super().__init__("; ".join(f"{error.code}: {error.message}" for error in errors))
        self.errors = errors
        self.retry_after_s = retry_after_s

    @property
    def code(self) -> str:
        return self.errors[0].code

    @property
    def request_id(self) -> str | None:
        return self.errors[0].request_id


class Unauthenticated(RequestRefused):
    pass


class Forbidden(RequestRefused):
    pass


class BadInput(RequestRefused):
    pass


class RateLimited(RequestRefused):
    pass


class InternalError(RequestRefused):
    pass


KINDS: dict[str, type[RequestRefused]] = {
    "UNAUTHENTICATED": Unauthenticated,
    "FORBIDDEN": Forbidden,
    "BAD_REQUEST": BadInput,
    "BAD_USER_INPUT": BadInput,
    "GRAPHQL_PARSE_FAILED": BadInput,
    "GRAPHQL_VALIDATION_FAILED": BadInput,
    "RATE_LIMITED": RateLimited,
    "INTERNAL_SERVER_ERROR": InternalError,
}


def refusal(errors: list[dict[str, Any]], retry_after_s: float | None = None) -> RequestRefused:
    """The exception for the `errors` of an answer, of the kind of the first one's code."""
    read = [_read(error) for error in errors]
    return KINDS.get(read[0].code, RequestRefused)(read, retry_after_s)


def _read(error: dict[str, Any]) -> GraphQLError:
    extensions = error.get("extensions") or {}
    code = str(extensions.get("code", ""))
    return GraphQLError(str(error.get("message")), code, tuple(error.get("path") or ()), extensions.get("requestId"))
