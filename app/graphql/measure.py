"""What is known of a document before it runs: its operations, static cost, fields, and the rights that it asks for."""

from __future__ import annotations

import hashlib
from functools import cached_property

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    print_schema,
    visit,
)

from app.graphql.cost import static_cost
from app.graphql.documents import Documents
from domain.integrations import Measured, Unfit, document_hash
from resolvers.root import needed


class Measures:
    """Implements `domain.integrations.Measure` for one schema."""

    def __init__(self, schema: GraphQLSchema, documents: Documents) -> None:
        self._schema = schema
        self._documents = documents

    @cached_property
    def fingerprint(self) -> str:
        """Names the schema: a document that was measured under the same name need not be validated again."""
        return hashlib.sha256(print_schema(self._schema).encode()).hexdigest()

    def __call__(self, text: str) -> Measured:
        document = self._documents.check(text)
        if isinstance(document, list):
            raise Unfit(" ".join(error.message for error in document))
        operations = operations_of(document)
        if not operations:
            raise Unfit("A document has an operation.")
        fields = fields_of(self._schema, document)
        return Measured(
            document_hash(text), text, name_of(operations), max(static_cost(self._schema, document, one) for one in operations),
            tuple(sorted({right.value for field in fields if (right := needed(field)) is not None})), fields,
            self.fingerprint,
        )  # fmt: skip


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def name_of(operations: list[OperationDefinitionNode]) -> str:
    """The name of the only operation; empty when there is none or no single one."""
    return operations[0].name.value if len(operations) == 1 and operations[0].name else ""


def name_in(text: str) -> str:
    """The same for a text that may be broken."""
    try:
        return name_of(operations_of(parse(text)))
    except GraphQLError:
        return ""


def fields_of(schema: GraphQLSchema, document: DocumentNode) -> tuple[str, ...]:
    """Every field that a document names, as sorted coordinates such as Project.title, without introspection."""
    info = TypeInfo(schema)
    collector = _FieldCollector(info)
    visit(document, TypeInfoVisitor(info, collector))
    return tuple(sorted(collector.found))


class _FieldCollector(Visitor):
    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        parent = self._info.get_parent_type()
        if parent is not None and not parent.name.startswith("__") and not node.name.value.startswith("__"):
            self.found.add(f"{parent.name}.{node.name.value}")
