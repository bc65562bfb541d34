"""Use cases of the projects room."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from domain.accounts import Actor, Permission, clean_locale
from domain.errors import ErrorCode, NotFound, Rejected
from domain.ids import GenerationId, NodeId, ProjectId, VersionId, new_id
from domain.projects.entities import (
    NodeStatus,
    OutlineKind,
    OutlineNode,
    Project,
    ProjectStatus,
    TextVersion,
    VersionOrigin,
    VersionState,
)
from domain.projects.positions import position_between
from domain.projects.store import ProjectStore
from domain.text import LINE_CHARS_MAX, NOTE_CHARS_MAX, clean_line, clean_text, word_count

NODES_MAX = 2_000
TARGET_WORDS_MAX = 10_000_000
STYLE_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class ProjectDraft:
    """New values of a project; None leaves a field as it is."""

    title: str | None = None
    language: str | None = None
    genre: str | None = None
    premise: str | None = None
    style_guide: str | None = None
    target_words: int | None = None
    status: ProjectStatus | None = None


def _apply(project: Project, draft: ProjectDraft) -> None:
    if draft.title is not None:
        project.title = clean_line(draft.title, "title")
    if draft.language is not None:
        project.language = clean_locale(draft.language, "language")
    if draft.genre is not None:
        project.genre = clean_line(draft.genre, "genre", required=False)
    if draft.premise is not None:
        project.premise = clean_text(draft.premise, "premise", chars_max=NOTE_CHARS_MAX)
    if draft.style_guide is not None:
        project.style_guide = clean_text(draft.style_guide, "styleGuide", chars_max=STYLE_CHARS_MAX)
    if draft.target_words is not None:
        if not 1 <= draft.target_words <= TARGET_WORDS_MAX:
            raise Rejected(
                ErrorCode.BAD_USER_INPUT, f"Between 1 and {TARGET_WORDS_MAX:,} words.", "input", "targetWords"
            )
        project.target_words = draft.target_words
    if draft.status is not None:
        project.status = draft.status


async def create_project(projects: ProjectStore, actor: Actor, draft: ProjectDraft) -> Project:
    actor.require(Permission.WRITE)
    project = Project(actor.tenant_id, ProjectId(new_id()), "")
    _apply(project, replace(draft, title=draft.title or ""))
    await projects.add(project)
    return project


async def update_project(
    projects: ProjectStore, actor: Actor, project_id: ProjectId, draft: ProjectDraft, now: datetime
) -> Project:
    actor.require(Permission.WRITE)
    project = await get_project(projects, project_id, lock=True)
    _apply(project, draft)
    project.updated_at = now
    return project


async def delete_project(projects: ProjectStore, actor: Actor, project_id: ProjectId, now: datetime) -> Project:
    """Soft: the project and all in it can be restored. A second call keeps the first time."""
    actor.require(Permission.WRITE)
    project = await get_project(projects, project_id, lock=True, deleted=True)
    project.deleted_at = project.deleted_at or now
    return project


async def restore_project(projects: ProjectStore, actor: Actor, project_id: ProjectId) -> Project:
    actor.require(Permission.WRITE)
    project = await get_project(projects, project_id, lock=True, deleted=True)
    project.deleted_at = None
    return project


async def get_project(
    projects: ProjectStore, project_id: ProjectId, *, lock: bool = False, deleted: bool = False, field: str = "id"
) -> Project:
    project = await projects.project(project_id, lock=lock, deleted=deleted)
    if project is None:
        raise NotFound("The project", "input", field)
    return project


async def get_node(
    projects: ProjectStore, node_id: NodeId, *, lock: bool = False, kind: OutlineKind | None = None, field: str = "id"
) -> OutlineNode:
    node = await projects.node(node_id, lock=lock)
    if node is None or (kind is not None and node.kind != kind):
        raise NotFound("The chapter" if kind is OutlineKind.CHAPTER else "The outline node", "input", field)
    return node


@dataclass(frozen=True, slots=True)
class NodeDraft:
    """A new node. `after_id` None puts it at the end of its siblings."""

    project_id: ProjectId
    kind: OutlineKind
    title: str
    summary: str = ""
    plan: str = ""
    parent_id: NodeId | None = None
    after_id: NodeId | None = None


async def create_node(projects: ProjectStore, actor: Actor, draft: NodeDraft) -> OutlineNode:
    actor.require(Permission.WRITE)
    await get_project(projects, draft.project_id, lock=True, field="projectId")
    if await projects.count_nodes(draft.project_id) >= NODES_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A project has at most {NODES_MAX:,} outline nodes.")
    parent = await _parent(projects, draft.project_id, draft.kind, draft.parent_id)
    siblings = await projects.siblings(draft.project_id, draft.parent_id)
    after_id = draft.after_id or (siblings[-1].id if siblings else None)
    position = _position_after(siblings, after_id)
    node = OutlineNode(
        actor.tenant_id,
        NodeId(new_id()),
        draft.project_id,
        draft.kind,
        clean_line(draft.title, "title"),
        position,
        _path(parent, position),
        draft.parent_id,
        clean_text(draft.summary, "summary", chars_max=NOTE_CHARS_MAX),
        clean_text(draft.plan, "plan", chars_max=NOTE_CHARS_MAX),
    )
    await projects.add(node)
    return node


async def update_node(
    projects: ProjectStore, actor: Actor, node_id: NodeId, now: datetime, *, kind: OutlineKind | None = None,
    title: str | None = None, summary: str | None = None, plan: str | None = None,
) -> OutlineNode:  # fmt: skip
    actor.require(Permission.WRITE)
    node = await get_node(projects, node_id, lock=True, kind=kind)
    if title is not None:
        node.title = clean_line(title, "title")
    if summary is not None:
        node.summary = clean_text(summary, "summary", chars_max=NOTE_CHARS_MAX)
    if plan is not None:
        node.plan = clean_text(plan, "plan", chars_max=NOTE_CHARS_MAX)
    node.updated_at = now
    return node


async def move_node(
    projects: ProjectStore, actor: Actor, node_id: NodeId, *, parent_id: NodeId | None, after_id: NodeId | None
) -> OutlineNode:
    """Put a node under a parent, after a sibling, or first when `after_id` is None.

    A level lies only in an outer one, so no move can make a cycle. The project's row is locked first, so that two
    moves at once cannot both rewrite a path.
    """
    actor.require(Permission.WRITE)
    node = await _under_lock(projects, node_id)
    parent = await _parent(projects, node.project_id, OutlineKind(node.kind), parent_id)
    siblings = [n for n in await projects.siblings(node.project_id, parent_id) if n.id != node_id]
    position = _position_after(siblings, after_id)
    old_path, new_path = node.path, _path(parent, position)
    for part in await projects.subtree(node):
        part.path = new_path + part.path[len(old_path) :]
    node.parent_id, node.position = parent_id, position
    return node


async def delete_node(projects: ProjectStore, actor: Actor, node_id: NodeId, now: datetime) -> OutlineNode:
    """Soft, with everything below it."""
    actor.require(Permission.WRITE)
    node = await _under_lock(projects, node_id)
    for part in await projects.subtree(node):
        part.deleted_at = now
    return node


async def _under_lock(projects: ProjectStore, node_id: NodeId) -> OutlineNode:
    """The node, with its project locked: nobody else changes the shape of the outline now."""
    node = await get_node(projects, node_id)
    await get_project(projects, node.project_id, lock=True)
    return await get_node(projects, node_id)


async def _parent(
    projects: ProjectStore, project_id: ProjectId, kind: OutlineKind, parent_id: NodeId | None
) -> OutlineNode | None:
    if parent_id is None:
        return None
    parent = await get_node(projects, parent_id, field="parentId")
    if parent.project_id != project_id:
        raise NotFound("The outline node", "input", "parentId")
    if OutlineKind(parent.kind).rank >= kind.rank:
        message = f"A {kind.lower()} cannot lie inside a {parent.kind.lower()}."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "parentId")
    return parent


def _path(parent: OutlineNode | None, position: str) -> str:
    return f"{parent.path}/{position}" if parent is not None else position


def _position_after(siblings: list[OutlineNode], after_id: NodeId | None) -> str:
    if after_id is None:
        return position_between(None, siblings[0].position if siblings else None)
    index = next((i for i, node in enumerate(siblings) if node.id == after_id), None)
    if index is None:
        raise NotFound("The node to put this after", "input", "afterId")
    following = siblings[index + 1].position if index + 1 < len(siblings) else None
    return position_between(siblings[index].position, following)


async def update_text(
    projects: ProjectStore, actor: Actor, chapter_id: NodeId, *, text: str, base_version_id: VersionId | None,
    note: str, now: datetime,
) -> TextVersion:  # fmt: skip
    """The author's own edit becomes the current version, if it was made on the version that is current now."""
    actor.require(Permission.WRITE)
    chapter = await get_node(projects, chapter_id, lock=True, kind=OutlineKind.CHAPTER, field="chapterId")
    _check_base(chapter, base_version_id)
    version = new_version(chapter, clean_text(text, "text"), VersionOrigin.HUMAN)
    version.author_id = actor.user_id
    version.note = clean_line(note, "note", chars_max=LINE_CHARS_MAX, required=False)
    await projects.add(version)
    await _make_current(projects, chapter, version, now)
    return version


class AnyBase(Enum):
    """Stands for "whatever is current": no guard against someone else's change."""

    ANY = auto()


ANY_BASE = AnyBase.ANY


async def accept_version(
    projects: ProjectStore, actor: Actor, version_id: VersionId, *, base: VersionId | AnyBase | None, now: datetime
) -> TextVersion:
    """A candidate, or an older version, becomes the current one. Accepting the current version changes nothing."""
    actor.require(Permission.WRITE)
    version = await _version(projects, version_id)
    chapter = await get_node(projects, version.node_id, lock=True, kind=OutlineKind.CHAPTER)
    if chapter.current_version_id == version.id:
        return version
    if not isinstance(base, AnyBase):
        _check_base(chapter, base)
    await _make_current(projects, chapter, version, now)
    return version


async def reject_version(projects: ProjectStore, actor: Actor, version_id: VersionId) -> TextVersion:
    """A candidate that the author does not want. It is kept, and can still be accepted later."""
    actor.require(Permission.WRITE)
    version = await _version(projects, version_id)
    chapter = await get_node(projects, version.node_id, lock=True)
    # The version was read before the lock: it may have been accepted in between.
    accepted = chapter.current_version_id == version.id
    if accepted or version.state not in {VersionState.CANDIDATE, VersionState.REJECTED}:
        raise Rejected(ErrorCode.INVALID_STATE, "Only a candidate can be rejected.", "input", "versionId")
    version.state = VersionState.REJECTED
    return version


async def _version(projects: ProjectStore, version_id: VersionId) -> TextVersion:
    version = await projects.version(version_id)
    if version is None:
        raise NotFound("The version", "input", "versionId")
    return version


def _check_base(chapter: OutlineNode, base_version_id: VersionId | None) -> None:
    if chapter.current_version_id != base_version_id:
        raise Rejected(
            ErrorCode.CONFLICT,
            "The chapter has changed since you opened it. Compare with the current version and save again.",
            "input",
            "baseVersionId",
        )


def new_version(
    chapter: OutlineNode, text: str, origin: VersionOrigin, *, generation_id: GenerationId | None = None
) -> TextVersion:
    """A candidate with the chapter's next number. The chapter's row must be locked."""
    chapter.versions_made += 1
    return TextVersion(
        chapter.tenant_id,
        VersionId(new_id()),
        chapter.id,
        chapter.versions_made,
        text,
        word_count(text),
        origin,
        VersionState.CANDIDATE,
        chapter.current_version_id,
        generation_id,
    )


def status_by(current: TextVersion | None) -> NodeStatus:
    """A chapter's own state, by its current text."""
    if current is None:
        return NodeStatus.PLANNED
    return NodeStatus.DRAFT if current.origin == VersionOrigin.HUMAN else NodeStatus.ACCEPTED


async def _make_current(projects: ProjectStore, chapter: OutlineNode, version: TextVersion, now: datetime) -> None:
    if chapter.current_version_id is not None:
        before = await projects.version(chapter.current_version_id)
        if before is not None:
            await projects.retire(before)
    version.state = VersionState.CURRENT
    chapter.current_version_id = version.id
    chapter.word_count = version.word_count
    if chapter.status != NodeStatus.GENERATING:
        chapter.status = status_by(version)
    chapter.updated_at = now
    await projects.index_text(chapter, version)
