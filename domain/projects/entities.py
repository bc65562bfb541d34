"""Projects, their outline tree, and the immutable versions of a chapter's text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.ids import GenerationId, NodeId, ProjectId, TenantId, UserId, VersionId


class ProjectStatus(StrEnum):
    """Whether a project is being worked on."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class OutlineKind(StrEnum):
    """Levels of the outline, outermost first. Any level may be left out."""

    VOLUME = "VOLUME"
    ARC = "ARC"
    CHAPTER = "CHAPTER"
    SCENE = "SCENE"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {kind: rank for rank, kind in enumerate(OutlineKind)}


class NodeStatus(StrEnum):
    """How far the writing of an outline node is."""

    PLANNED = "PLANNED"
    GENERATING = "GENERATING"
    DRAFT = "DRAFT"
    ACCEPTED = "ACCEPTED"


class VersionOrigin(StrEnum):
    """Who wrote a text. DEMO is the built-in offline engine: never to be taken for a model's work."""

    HUMAN = "HUMAN"
    AI = "AI"
    IMPORT = "IMPORT"
    DEMO = "DEMO"


class VersionState(StrEnum):
    """Where a version stands among those of its chapter."""

    CANDIDATE = "CANDIDATE"
    CURRENT = "CURRENT"
    ARCHIVED = "ARCHIVED"
    REJECTED = "REJECTED"


@dataclass(eq=False)
class Project:
    tenant_id: TenantId
    id: ProjectId
    title: str
    language: str = "en"
    genre: str = ""
    premise: str = ""
    style_guide: str = ""
    status: str = ProjectStatus.ACTIVE
    target_words: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(eq=False)
class OutlineNode:
    """A volume, arc, chapter or scene.

    `position` sorts a node among its siblings; `path` is the positions from the root, joined by "/", which sorts
    below every digit: so bytewise order of paths is reading order. `word_count` is that of the current text.
    """

    tenant_id: TenantId
    id: NodeId
    project_id: ProjectId
    kind: str
    title: str
    position: str
    path: str
    parent_id: NodeId | None = None
    summary: str = ""
    plan: str = ""
    status: str = NodeStatus.PLANNED
    word_count: int = 0
    current_version_id: VersionId | None = None
    versions_made: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def depth(self) -> int:
        return self.path.count("/")


@dataclass(eq=False)
class TextVersion:
    """One state of a chapter's text. Rows are never rewritten: only `state` changes."""

    tenant_id: TenantId
    id: VersionId
    node_id: NodeId
    number: int
    text: str
    word_count: int
    origin: str
    state: str
    base_version_id: VersionId | None = None
    generation_id: GenerationId | None = None
    author_id: UserId | None = None
    model: str | None = None
    channel: str | None = None
    note: str = ""
    created_at: datetime | None = None
