"""The projects room of a unit of work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Select, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.ids import NodeId, ProjectId, TenantId, VersionId
from domain.projects import OutlineKind, OutlineNode, Project, TextVersion, VersionState
from persistence.projects.tables import outline_nodes, passages, projects, text_versions

PASSAGE_CHARS_MAX = 2_000
"""Phrase search over a passage grows with its length: long texts are indexed in parts."""

_LOCK_COUNT = text("select pg_advisory_xact_lock(hashtextextended('fabula.projects:' || :tenant, 0))")


class SqlProjects:
    """Implements `domain.projects.store.ProjectStore`."""

    def __init__(self, session: AsyncSession, tenant_id: TenantId) -> None:
        self._session = session
        self._tenant_id = tenant_id

    async def add(self, row: Project | OutlineNode | TextVersion) -> None:
        self._session.add(row)
        await self._session.flush()

    async def project(self, project_id: ProjectId, *, lock: bool = False, deleted: bool = False) -> Project | None:
        key = (self._tenant_id, project_id)
        found = await self._session.get(Project, key, with_for_update=lock, populate_existing=lock)
        return found if found is not None and (deleted or found.deleted_at is None) else None

    async def node(self, node_id: NodeId, *, lock: bool = False, deleted: bool = False) -> OutlineNode | None:
        same_project = (projects.c.tenant_id == outline_nodes.c.tenant_id) & (
            projects.c.id == outline_nodes.c.project_id
        )
        statement = (
            select(OutlineNode)
            .join(projects, same_project)
            .where(outline_nodes.c.tenant_id == self._tenant_id, outline_nodes.c.id == node_id)
            .execution_options(populate_existing=True)
        )
        if not deleted:
            statement = statement.where(outline_nodes.c.deleted_at.is_(None), projects.c.deleted_at.is_(None))
        if lock:
            statement = statement.with_for_update(of=outline_nodes)
        return await self._session.scalar(statement)

    async def siblings(self, project_id: ProjectId, parent_id: NodeId | None) -> list[OutlineNode]:
        return await self._nodes(
            self._live(project_id).where(outline_nodes.c.parent_id.is_not_distinct_from(parent_id))
        )

    async def count(self) -> int:
        await self._session.flush()
        await self._session.execute(_LOCK_COUNT, {"tenant": str(self._tenant_id)})
        live = projects.c.tenant_id == self._tenant_id, projects.c.deleted_at.is_(None)
        return await self._session.scalar(select(func.count()).where(*live)) or 0

    async def count_nodes(self, project_id: ProjectId) -> int:
        live = self._live(project_id).with_only_columns(func.count(), maintain_column_froms=True)
        return await self._session.scalar(live) or 0

    async def subtree(self, node: OutlineNode) -> list[OutlineNode]:
        path = outline_nodes.c.path
        below = (path == node.path) | path.startswith(f"{node.path}/", autoescape=True)
        return await self._nodes(self._live(node.project_id).where(below))

    async def version(self, version_id: VersionId) -> TextVersion | None:
        return await self._session.get(TextVersion, (self._tenant_id, version_id))

    async def retire(self, version: TextVersion) -> None:
        version.state = VersionState.ARCHIVED
        await self._session.flush()

    async def index_text(self, node: OutlineNode, version: TextVersion) -> None:
        await self._session.flush()
        await self._session.execute(
            delete(passages).where(passages.c.tenant_id == self._tenant_id, passages.c.node_id == node.id)
        )
        rows = [
            {
                "tenant_id": self._tenant_id,
                "node_id": node.id,
                "ordinal": i,
                "project_id": node.project_id,
                "text": part,
            }
            for i, part in enumerate(split_passages(version.text))
        ]
        if rows:
            await self._session.execute(insert(passages), rows)

    async def previous_chapter_text(self, node: OutlineNode) -> str:
        before = (
            self._live(node.project_id)
            .where(outline_nodes.c.kind == OutlineKind.CHAPTER, outline_nodes.c.path < node.path)
            .with_only_columns(outline_nodes.c.current_version_id)
            .order_by(outline_nodes.c.path.desc())
            .limit(1)
            .scalar_subquery()
        )
        text = select(text_versions.c.text).where(
            text_versions.c.tenant_id == self._tenant_id, text_versions.c.id == before
        )
        return await self._session.scalar(text) or ""

    def _live(self, project_id: ProjectId) -> Select[OutlineNode]:
        return select(OutlineNode).where(
            outline_nodes.c.tenant_id == self._tenant_id,
            outline_nodes.c.project_id == project_id,
            outline_nodes.c.deleted_at.is_(None),
        )

    async def _nodes(self, statement: Select[OutlineNode]) -> list[OutlineNode]:
        ordered = statement.order_by(outline_nodes.c.position, outline_nodes.c.id)
        return list(await self._session.scalars(ordered))


_SEAMS = (re.compile(r"[.!?。！？…][\"'”’」』]*"), re.compile(r"[\s,;:，；：、]"))
"""Where a paragraph that is too long is cut: after a sentence, else where no word goes on."""


def split_passages(text: str) -> list[str]:
    """Parts of at most PASSAGE_CHARS_MAX characters, cut at paragraph edges where there are any."""
    parts = [""]
    for paragraph in text.split("\n"):
        for piece in _pieces(paragraph):
            if len(parts[-1]) + 1 + len(piece) > PASSAGE_CHARS_MAX:
                parts.append(piece)
            else:
                parts[-1] = f"{parts[-1]}\n{piece}" if parts[-1] else piece
    return [part for part in parts if part.strip()]


def _pieces(paragraph: str) -> Iterator[str]:
    while len(paragraph) > PASSAGE_CHARS_MAX:
        end = _last_seam(paragraph)
        yield paragraph[:end]
        paragraph = paragraph[end:]
    yield paragraph


def _last_seam(paragraph: str) -> int:
    for seam in _SEAMS:
        ends = [found.end() for found in seam.finditer(paragraph, 0, PASSAGE_CHARS_MAX)]
        if ends:
            return ends[-1]
    return PASSAGE_CHARS_MAX
