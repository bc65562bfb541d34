"""How large a document may be: depth, aliases and directives of each operation, with its fragments followed."""

from __future__ import annotations

from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from app.settings import Limits


def too_large(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Depth, aliases and directives of each operation, fragments followed; introspection may go deeper."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            size = _Size(fragments, limits)
            size.count(node)
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
            self.count(node)
            if isinstance(node, FieldNode):
                if node.selection_set is not None and not node.name.value.startswith("__"):
                    self.walk(node.selection_set, depth + 1, inside)
            elif isinstance(node, InlineFragmentNode):
                self.walk(node.selection_set, depth, inside)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in inside:
                fragment = self._fragments.get(node.name.value)
                if fragment is not None:
                    self.count(fragment)
                    self.walk(fragment.selection_set, depth, (*inside, node.name.value))

    def count(self, node: Any) -> None:
        self._aliases += isinstance(node, FieldNode) and node.alias is not None
        if self._aliases > self._limits.query_aliases_max:
            self.excess = f"The operation has more than {self._limits.query_aliases_max} aliases."
        if len(node.directives or ()) > self._limits.query_directives_max:
            self.excess = f"One place has more than {self._limits.query_directives_max} directives."
