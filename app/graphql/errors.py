"""What of an error a client may see. Everything unforeseen is masked and logged under the request's id."""

from __future__ import annotations

import logging
from typing import Any

from graphql import ExecutionResult, GraphQLError

from domain.errors import Rejected, Unauthenticated
from persistence.database import PoolFull

logger = logging.getLogger("fabula.graphql")

MASKED = "Internal error"
BUSY_S = 1
BUSY = f"There is too much to do at the moment. Try again in {BUSY_S} s, with the same idempotency key."


class RequestRefused(Exception):
    """A request that is not executed. `status` is HTTP's; a code may be one of HTTP's names, too.

    `details` go into the error's extensions.
    """

    def __init__(
        self, code: str, message: str, status: int = 400, headers: dict[str, str] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.headers = headers or {}
        self.details = details or {}

    def body(self, request_id: str) -> dict[str, Any]:
        error = formatted(self.message, self.code, request_id)
        error["extensions"] |= self.details
        return {"errors": [error]}


class DocumentRefused(Exception):
    """A document that is not executed, for all that is wrong with it."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(" ".join(error.message for error in errors))
        self.errors = errors

    def body(self, request_id: str) -> dict[str, Any]:
        return {"errors": [request_error(error, request_id) for error in self.errors]}


class StreamRefused(Exception):
    """A subscription that cannot begin, or cannot go on. `answer` has the errors as the client is to see them."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["errors"][0]["message"])
        self.answer = answer


def formatted(message: str, code: str, request_id: str, **more: Any) -> dict[str, Any]:
    return {"message": message, **more, "extensions": {"code": code, "requestId": request_id}}


def present(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """An error of execution as a client sees it."""
    place: dict[str, Any] = {}
    if error.locations:
        place["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        place["path"] = error.path
    match cause(error):
        case Rejected() as refusal:
            return formatted(refusal.message, refusal.code, request_id, **place)
        case Unauthenticated() as refusal:
            code = "TOKEN_EXPIRED" if refusal.expired else "UNAUTHENTICATED"
            return formatted(refusal.message, code, request_id, **place)
        case RequestRefused() | DocumentRefused() as refusal:  # of another operation, which this field is about
            first = refusal.body(request_id)["errors"][0]
            return {**first, "message": str(refusal), **place}
        case PoolFull():
            logger.warning("request %s: no connection to PostgreSQL came free", request_id)
            shown = formatted(BUSY, "OVERLOADED", request_id, **place)
            shown["extensions"]["retryAfterS"] = BUSY_S
            return shown
        case None:
            return formatted(error.message, "BAD_USER_INPUT", request_id, **place)
        case unforeseen:
            logger.error("request %s: %s", request_id, unforeseen, exc_info=unforeseen)
            return formatted(MASKED, "INTERNAL_ERROR", request_id, **place)


def cause(error: GraphQLError) -> BaseException | None:
    """The exception behind a GraphQLError; None when GraphQL itself refused the client's input."""
    original: BaseException | None = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original


def request_error(error: GraphQLError, request_id: str, otherwise: str = "GRAPHQL_VALIDATION_FAILED") -> dict[str, Any]:
    """An error of a request of which nothing was executed."""
    extensions = dict(error.extensions or {})
    known = extensions.pop("code", None)
    syntax = error.message.startswith("Syntax Error")
    code = known or ("GRAPHQL_PARSE_FAILED" if syntax else otherwise)
    locations = [location.formatted for location in error.locations or []]
    shown = formatted(error.message, code, request_id, locations=locations)
    shown["extensions"] |= extensions
    return shown


def answer(result: ExecutionResult, request_id: str) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    # Without a path nothing was executed: the variables were refused, by a scalar's own parser perhaps.
    if result.data is None and all(error.path is None for error in result.errors):
        return {"errors": [request_error(error, request_id, "BAD_USER_INPUT") for error in result.errors]}
    return {"errors": [present(error, request_id) for error in result.errors], "data": result.data}
