"""What the projects room asks of persistence."""

from __future__ import annotations

from typing import Protocol

from domain.ids import NodeId, ProjectId, VersionId
from domain.projects.entities import OutlineNode, Project, TextVersion


class ProjectStore(Protocol):
    """Getters lock the row they return until the unit of work ends, and do not see what was deleted."""

    async def add(self, row: Project | OutlineNode | TextVersion) -> None: ...
    async def project(self, project_id: ProjectId, *, deleted: bool = False) -> Project | None: ...
    async def node(self, node_id: NodeId) -> OutlineNode | None: ...
    async def siblings(self, project_id: ProjectId, parent_id: NodeId | None) -> list[OutlineNode]:
        """Live children of one parent in order."""
        ...

    async def count_nodes(self, project_id: ProjectId) -> int: ...
    async def subtree(self, node: OutlineNode) -> list[OutlineNode]:
        """The node and all that is below it."""
        ...

    async def version(self, version_id: VersionId) -> TextVersion | None: ...
    async def index_text(self, node: OutlineNode, version: TextVersion) -> None:
        """Replace what search knows of a chapter by this version's text."""
        ...

    async def previous_chapter_text(self, node: OutlineNode) -> str:
        """The current text of the chapter before this one in reading order; empty when there is none."""
        ...
