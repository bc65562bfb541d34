"""What the projects room asks of persistence."""

from __future__ import annotations

from typing import Protocol

from domain.ids import NodeId, ProjectId, VersionId
from domain.projects.entities import OutlineNode, Project, TextVersion


class ProjectStore(Protocol):
    """Getters do not see what was deleted, unless asked to.

    Whoever changes the shape of an outline locks its project; whoever changes a node's text or status locks the
    node. Nobody takes both, so nobody waits in a circle.
    """

    async def add(self, row: Project | OutlineNode | TextVersion) -> None: ...
    async def project(self, project_id: ProjectId, *, lock: bool = False, deleted: bool = False) -> Project | None: ...
    async def node(self, node_id: NodeId, *, lock: bool = False, deleted: bool = False) -> OutlineNode | None:
        """The node as it is now, even when this unit of work has read it before."""
        ...

    async def siblings(self, project_id: ProjectId, parent_id: NodeId | None) -> list[OutlineNode]:
        """Live children of one parent in order."""
        ...

    async def count(self) -> int:
        """The tenant's projects. Nobody else of it counts them until the transaction's end."""
        ...

    async def count_nodes(self, project_id: ProjectId) -> int: ...
    async def subtree(self, node: OutlineNode) -> list[OutlineNode]:
        """The node and all that is below it."""
        ...

    async def version(self, version_id: VersionId) -> TextVersion | None: ...
    async def retire(self, version: TextVersion) -> None:
        """Archive the current version, and tell the database at once: it takes no second one beside it."""
        ...

    async def index_text(self, node: OutlineNode, version: TextVersion) -> None:
        """Replace what search knows of a chapter by this version's text."""
        ...

    async def previous_chapter_text(self, node: OutlineNode) -> str:
        """The current text of the chapter before this one in reading order; empty when there is none."""
        ...
