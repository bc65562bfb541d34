"""What a client asks: the parameters of one GraphQL request, the same over every transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.graphql.errors import RequestRefused
from domain.integrations import SHA256, document_hash, read_hash

UNKNOWN_HASH = ""
"""Stands for a documentId that is no SHA-256: a name that no registry has."""


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """`query` is the text, empty when only a hash was sent; `document_hash` is 64 digits, None without one.

    `persisted_query` says that the hash came as `extensions.persistedQuery`, whose clients want words of their own.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    document_hash: str | None = None
    persisted_query: bool = False

    @property
    def bare(self) -> bool:
        """Whether it is a hash and nothing else, so that it is the same as any other with that hash."""
        return not self.variables and self.operation_name is None and not self.query


def read_request(body: Any) -> GraphQLRequest:
    """The parameters of a request, checked for their types. Raises RequestRefused."""
    if not isinstance(body, dict):
        raise RequestRefused("BAD_REQUEST", "The body must be a JSON object.")
    query, variables, name = body.get("query"), body.get("variables"), body.get("operationName")
    extensions = body.get("extensions")
    if variables is not None and not isinstance(variables, dict):
        raise RequestRefused("BAD_REQUEST", "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise RequestRefused("BAD_REQUEST", "`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise RequestRefused("BAD_REQUEST", "`extensions` must be an object.")
    persisted = (extensions or {}).get("persistedQuery")
    named = _named_hash(body.get("documentId"), persisted)
    text = query if isinstance(query, str) and query.strip() else ""
    if not text and (named is None or not isinstance(query, str | None)):
        raise RequestRefused("BAD_REQUEST", "`query` must be a non-empty string, or `documentId` name a document.")
    if text and named is not None and document_hash(text) != named:
        raise RequestRefused("BAD_USER_INPUT", "The hash is not the SHA-256 of `query`.")
    return GraphQLRequest(text, variables, name, named, persisted is not None)


def _named_hash(document_id: Any, persisted: Any) -> str | None:
    """The hash that a request names, in either way. Raises RequestRefused when the ways differ, or make no sense."""
    named = {one for one in (_of_document_id(document_id), _of_persisted_query(persisted)) if one is not None}
    if len(named) > 1:
        raise RequestRefused("BAD_USER_INPUT", "`documentId` and `extensions.persistedQuery` name different documents.")
    return named.pop() if named else None


def _of_document_id(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise RequestRefused("BAD_REQUEST", "`documentId` must be a non-empty string.")
    return (read_hash(value) if value.startswith(SHA256) else None) or UNKNOWN_HASH


def _of_persisted_query(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("version") != 1 or not isinstance(value.get("sha256Hash"), str):
        raise RequestRefused("BAD_REQUEST", "`extensions.persistedQuery` must be {version: 1, sha256Hash}.")
    return read_hash(value["sha256Hash"]) or UNKNOWN_HASH
