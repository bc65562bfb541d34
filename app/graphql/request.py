"""What a client asks: the parameters of one GraphQL request, the same over every transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.graphql.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


def read_request(body: Any) -> GraphQLRequest:
    """The parameters of a request, checked for their types. Raises RequestRefused."""
    if not isinstance(body, dict):
        raise RequestRefused("BAD_REQUEST", "The body must be a JSON object.")
    query, variables, name = body.get("query"), body.get("variables"), body.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise RequestRefused("BAD_REQUEST", "`query` must be a non-empty string.")
    if variables is not None and not isinstance(variables, dict):
        raise RequestRefused("BAD_REQUEST", "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise RequestRefused("BAD_REQUEST", "`operationName` must be a string.")
    if body.get("extensions") is not None and not isinstance(body["extensions"], dict):
        raise RequestRefused("BAD_REQUEST", "`extensions` must be an object.")
    return GraphQLRequest(query, variables, name)
