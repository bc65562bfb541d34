"""Documents: parsed, measured and validated once, then kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType, parse, validate

from app.graphql.errors import DocumentRefused
from app.graphql.request import GraphQLRequest
from app.graphql.size import too_large
from app.settings import Limits

CACHE_MAX = 1_000
CACHED_CHARS_MAX = 20_000
TRUSTED_MAX = 5_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that may be executed, and the operation that was chosen in it.

    `document_hash` is the document's place in a registry when it is a trusted one.
    """

    document: DocumentNode
    operation: OperationDefinitionNode
    request: GraphQLRequest
    document_hash: str | None = None

    @property
    def kind(self) -> OperationType:
        return self.operation.operation

    @property
    def trusted(self) -> bool:
        return self.document_hash is not None


class Documents:
    """The operation cache of one process: free text by its text, trusted documents by their hash."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._cache: OrderedDict[str, DocumentNode | list[GraphQLError]] = OrderedDict()
        self._trusted: OrderedDict[str, DocumentNode] = OrderedDict()
        self._ready: OrderedDict[str, Prepared] = OrderedDict()

    def prepare(self, request: GraphQLRequest) -> Prepared:
        """The operation to run. Raises DocumentRefused with what is wrong with it."""
        document = self._cache.get(request.query)
        if document is None:
            document = self.check(request.query)
            if len(request.query) <= CACHED_CHARS_MAX:
                _keep(self._cache, request.query, document, CACHE_MAX)
        if isinstance(document, list):
            raise DocumentRefused(document)
        return _chosen(document, request, None)

    def prepare_trusted(self, request: GraphQLRequest, hash_: str, text: str, *, valid: bool) -> Prepared:
        """The same for a registered document. `valid`: this schema has accepted it before. Raises DocumentRefused."""
        bare = request.bare
        if bare and (ready := self._ready.get(hash_)) is not None:
            return ready
        document = self._trusted.get(hash_)
        if document is None:
            checked = parse(text) if valid else self.check(text)
            if isinstance(checked, list):
                raise DocumentRefused(checked)
            document = checked
            _keep(self._trusted, hash_, document, TRUSTED_MAX)
        prepared = _chosen(document, request, hash_)
        if bare:
            _keep(self._ready, hash_, prepared, TRUSTED_MAX)
        return prepared

    def check(self, query: str) -> DocumentNode | list[GraphQLError]:
        """The document when it may be executed, or what is wrong with it."""
        try:
            document = parse(query, max_tokens=self._limits.query_tokens_max)
        except GraphQLError as error:
            return [error]
        return too_large(document, self._limits) or validate(self._schema, document, max_errors=20) or document


def _keep(cache: OrderedDict[str, T], key: str, value: T, size_max: int) -> None:
    cache[key] = value
    if len(cache) > size_max:
        cache.popitem(last=False)


def _chosen(document: DocumentNode, request: GraphQLRequest, hash_: str | None) -> Prepared:
    operation = _operation(document, request.operation_name)
    if operation is None:
        message = "Name the operation to run with `operationName`."
        raise DocumentRefused([GraphQLError(message, extensions={"code": "BAD_REQUEST"})])
    return Prepared(document, operation, request, hash_)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None:
        return operations[0] if len(operations) == 1 else None
    return next((node for node in operations if node.name and node.name.value == name), None)
