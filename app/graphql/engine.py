"""Execution: parse and validate once a document, then run it under limits.

A document is refused before it runs when it is too long, too deep, or too wide; the limits are settings.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, cast

import strawberry
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute,
    parse,
    subscribe,
    validate,
)

from app.graphql.errors import RequestRefused, formatted, present
from app.graphql.tracing import operation_span
from app.settings import Limits
from domain.errors import Rejected, Unauthenticated
from schema.context import Context

CACHE_MAX = 1_000
CACHED_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that may be executed, and the operation that was chosen in it."""

    document: DocumentNode
    operation: OperationDefinitionNode
    request: GraphQLRequest

    @property
    def kind(self) -> OperationType:
        return self.operation.operation


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


class Engine:
    def __init__(self, schema: strawberry.Schema, limits: Limits) -> None:
        self.schema = schema._schema
        self._limits = limits
        self._cache: OrderedDict[str, DocumentNode | list[GraphQLError]] = OrderedDict()

    def prepare(self, request: GraphQLRequest, request_id: str) -> Prepared | dict[str, Any]:
        """The operation to run, or the answer that says why there is none."""
        document = self._cache.get(request.query)
        if document is None:
            document = self._check(request.query)
            if len(request.query) <= CACHED_CHARS_MAX:
                self._cache[request.query] = document
                if len(self._cache) > CACHE_MAX:
                    self._cache.popitem(last=False)
        if isinstance(document, list):
            return {"errors": [_request_error(error, request_id) for error in document]}
        operation = _operation(document, request.operation_name)
        if operation is None:
            message = "Name the operation to run with `operationName`."
            return {"errors": [formatted(message, "BAD_REQUEST", request_id)]}
        return Prepared(document, operation, request)

    def _check(self, query: str) -> DocumentNode | list[GraphQLError]:
        try:
            document = parse(query, max_tokens=self._limits.query_tokens_max)
        except GraphQLError as error:
            return [error]
        return too_large(document, self._limits) or validate(self.schema, document, max_errors=20) or document

    async def run(self, prepared: Prepared, context: Context) -> dict[str, Any]:
        """The answer of a query or mutation."""
        mutation = prepared.kind is OperationType.MUTATION
        timeout_s = self._limits.mutation_timeout_s if mutation else self._limits.query_timeout_s
        with operation_span(prepared.operation, context):
            try:
                async with asyncio.timeout(timeout_s):
                    result = execute(
                        self.schema,
                        prepared.document,
                        context_value=context,
                        variable_values=prepared.request.variables,
                        operation_name=prepared.request.operation_name,
                    )
                    if inspect.isawaitable(result):
                        result = await result
            except TimeoutError:
                message = f"The {prepared.kind.value} took longer than {timeout_s:g} s."
                return {"errors": [formatted(message, "TIMEOUT", context.request_id)], "data": None}
            return answer(result, context.request_id)

    async def stream(self, prepared: Prepared, context: Context) -> AsyncIterator[dict[str, Any]]:
        """The answers of a subscription. A refusal is one answer without data."""
        source = subscribe(
            self.schema,
            prepared.document,
            context_value=context,
            variable_values=prepared.request.variables,
            operation_name=prepared.request.operation_name,
        )
        if inspect.isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            yield answer(source, context.request_id)
            return
        events = cast("Any", source)
        try:
            async for result in events:
                yield answer(result, context.request_id)
        except (Rejected, Unauthenticated) as error:
            yield {"errors": [present(GraphQLError(str(error), original_error=error), context.request_id)]}
        except GraphQLError as error:
            yield {"errors": [present(error, context.request_id)]}
        except Exception as error:  # noqa: BLE001 - masked for the client and logged
            yield {"errors": [present(GraphQLError("", original_error=error), context.request_id)]}
        finally:
            await events.aclose()


def answer(result: ExecutionResult, request_id: str) -> dict[str, Any]:
    if not result.errors:
        return {"data": result.data}
    # Without a path nothing was executed: the variables were refused, by a scalar's own parser perhaps.
    if result.data is None and all(error.path is None for error in result.errors):
        return {"errors": [_request_error(error, request_id, "BAD_USER_INPUT") for error in result.errors]}
    return {"errors": [present(error, request_id) for error in result.errors], "data": result.data}


def _request_error(
    error: GraphQLError, request_id: str, otherwise: str = "GRAPHQL_VALIDATION_FAILED"
) -> dict[str, Any]:
    known = (error.extensions or {}).get("code")
    syntax = error.message.startswith("Syntax Error")
    code = known or ("GRAPHQL_PARSE_FAILED" if syntax else otherwise)
    locations = [location.formatted for location in error.locations or []]
    return formatted(error.message, code, request_id, locations=locations)


def _operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None:
        return operations[0] if len(operations) == 1 else None
    return next((node for node in operations if node.name and node.name.value == name), None)


def too_large(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Depth, aliases and directives of each operation, fragments followed; introspection may go deeper."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            size = _Size(fragments, limits)
            size.walk(node.selection_set, 1, ())
            if size.excess:
                return [GraphQLError(size.excess, node, extensions={"code": "COST_LIMIT_EXCEEDED"})]
    return []


class _Size:
    def __init__(self, fragments: dict[str, FragmentDefinitionNode], limits: Limits) -> None:
        self._fragments = fragments
        self._limits = limits
        self._aliases = 0
        self._visited = 0
        self.excess = ""

    def walk(self, selections: SelectionSetNode, depth: int, inside: tuple[str, ...]) -> None:
        if depth > self._limits.query_depth_max:
            self.excess = f"The operation is deeper than {self._limits.query_depth_max} levels."
        for node in selections.selections:
            self._visited += 1
            if self._visited > 10 * self._limits.query_tokens_max:
                self.excess = "The operation's fragments multiply into too many fields."
            if self.excess:
                return
            self._count(node)
            if isinstance(node, FieldNode):
                if node.selection_set is not None and not node.name.value.startswith("__"):
                    self.walk(node.selection_set, depth + 1, inside)
            elif isinstance(node, InlineFragmentNode):
                self.walk(node.selection_set, depth, inside)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in inside:
                fragment = self._fragments.get(node.name.value)
                if fragment is not None:
                    self.walk(fragment.selection_set, depth, (*inside, node.name.value))

    def _count(self, node: Any) -> None:
        self._aliases += isinstance(node, FieldNode) and node.alias is not None
        if self._aliases > self._limits.query_aliases_max:
            self.excess = f"The operation has more than {self._limits.query_aliases_max} aliases."
        if len(node.directives or ()) > self._limits.query_directives_max:
            self.excess = f"A field has more than {self._limits.query_directives_max} directives."
