"""Documents: parsed, measured and validated once, then kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from graphql import DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType, parse, validate

from app.graphql.errors import DocumentRefused
from app.graphql.request import GraphQLRequest
from app.graphql.size import too_large
from app.settings import Limits

CACHE_MAX = 1_000
CACHED_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that may be executed, and the operation that was chosen in it."""

    document: DocumentNode
    operation: OperationDefinitionNode
    request: GraphQLRequest

    @property
    def kind(self) -> OperationType:
        return self.operation.operation


class Documents:
    """The operation cache of one process."""

    def __init__(self, schema: GraphQLSchema, limits: Limits) -> None:
        self._schema = schema
        self._limits = limits
        self._cache: OrderedDict[str, DocumentNode | list[GraphQLError]] = OrderedDict()

    def prepare(self, request: GraphQLRequest) -> Prepared:
        """The operation to run. Raises DocumentRefused with what is wrong with it."""
        document = self._cache.get(request.query)
        if document is None:
            document = self._check(request.query)
            if len(request.query) <= CACHED_CHARS_MAX:
                self._cache[request.query] = document
                if len(self._cache) > CACHE_MAX:
                    self._cache.popitem(last=False)
        if isinstance(document, list):
            raise DocumentRefused(document)
        operation = _operation(document, request.operation_name)
        if operation is None:
            message = "Name the operation to run with `operationName`."
            raise DocumentRefused([GraphQLError(message, extensions={"code": "BAD_REQUEST"})])
        return Prepared(document, operation, request)

    def _check(self, query: str) -> DocumentNode | list[GraphQLError]:
        try:
            document = parse(query, max_tokens=self._limits.query_tokens_max)
        except GraphQLError as error:
            return [error]
        return too_large(document, self._limits) or validate(self._schema, document, max_errors=20) or document


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None:
        return operations[0] if len(operations) == 1 else None
    return next((node for node in operations if node.name and node.name.value == name), None)
