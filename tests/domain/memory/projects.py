"""The projects room, in memory."""

from __future__ import annotations

from uuid import UUID

from domain.ids import NodeId, ProjectId, VersionId
from domain.projects import OutlineKind, OutlineNode, Project, TextVersion, VersionState


class MemoryProjects:
    """Implements `domain.projects.store.ProjectStore`."""

    def __init__(self) -> None:
        self.projects: dict[ProjectId, Project] = {}
        self.nodes: dict[NodeId, OutlineNode] = {}
        self.versions: dict[VersionId, TextVersion] = {}
        self.indexed: dict[NodeId, str] = {}
        self.locked: list[UUID] = []

    async def add(self, row: Project | OutlineNode | TextVersion) -> None:
        match row:
            case Project():
                self.projects[row.id] = row
            case OutlineNode():
                self.nodes[row.id] = row
            case TextVersion():
                if any((one.node_id, one.number) == (row.node_id, row.number) for one in self.versions.values()):
                    raise ValueError("text_versions_tenant_id_node_id_number_key")
                self.versions[row.id] = row

    async def project(self, project_id: ProjectId, *, lock: bool = False, deleted: bool = False) -> Project | None:
        self.locked += [project_id] * lock
        found = self.projects.get(project_id)
        return found if found is not None and (deleted or found.deleted_at is None) else None

    async def node(self, node_id: NodeId, *, lock: bool = False, deleted: bool = False) -> OutlineNode | None:
        self.locked += [node_id] * lock
        found = self.nodes.get(node_id)
        if found is None or deleted:
            return found
        gone = found.deleted_at is not None or self.projects[found.project_id].deleted_at is not None
        return None if gone else found

    async def siblings(self, project_id: ProjectId, parent_id: NodeId | None) -> list[OutlineNode]:
        return [node for node in self._live(project_id) if node.parent_id == parent_id]

    async def count(self) -> int:
        return sum(one.deleted_at is None for one in self.projects.values())

    async def count_nodes(self, project_id: ProjectId) -> int:
        return len(self._live(project_id))

    async def subtree(self, node: OutlineNode) -> list[OutlineNode]:
        below = f"{node.path}/"
        return [one for one in self._live(node.project_id) if one.path == node.path or one.path.startswith(below)]

    async def version(self, version_id: VersionId) -> TextVersion | None:
        return self.versions.get(version_id)

    async def retire(self, version: TextVersion) -> None:
        version.state = VersionState.ARCHIVED

    async def index_text(self, node: OutlineNode, version: TextVersion) -> None:
        self.indexed[node.id] = version.text

    async def previous_chapter_text(self, node: OutlineNode) -> str:
        before = [
            one for one in self._live(node.project_id) if one.kind == OutlineKind.CHAPTER and one.path < node.path
        ]
        last = max(before, key=lambda one: one.path, default=None)
        if last is None or last.current_version_id is None:
            return ""
        return self.versions[last.current_version_id].text

    def current(self, node: OutlineNode) -> TextVersion:
        """The chapter's one CURRENT version."""
        (version,) = (
            one for one in self.versions.values() if one.node_id == node.id and one.state == VersionState.CURRENT
        )
        return version

    def _live(self, project_id: ProjectId) -> list[OutlineNode]:
        live = (node for node in self.nodes.values() if node.project_id == project_id and node.deleted_at is None)
        return sorted(live, key=lambda node: (node.position, node.id))
