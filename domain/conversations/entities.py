"""Conversations, their groups and messages, what answers cite, and links to read along."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.ids import (
    AssistantVersionId,
    ChannelId,
    ChunkId,
    CitationId,
    ConversationId,
    GenerationId,
    GroupId,
    JobId,
    MessageId,
    ProjectId,
    ShareId,
    SourceDocumentId,
    TenantId,
    UserId,
)


class MessageRole(StrEnum):
    """Who says it."""

    USER = "USER"
    ASSISTANT = "ASSISTANT"
    SYSTEM = "SYSTEM"
    TOOL = "TOOL"


class MessageState(StrEnum):
    """How far a message is. The last four are final."""

    PENDING = "PENDING"
    STREAMING = "STREAMING"
    COMPLETE = "COMPLETE"
    CANCELLED = "CANCELLED"
    TRUNCATED = "TRUNCATED"
    FAILED = "FAILED"

    @property
    def written(self) -> bool:
        """Whether nothing more is written to it."""
        return self not in {MessageState.PENDING, MessageState.STREAMING}


class PartType(StrEnum):
    """What a part of a message is."""

    TEXT = "TEXT"
    IMAGE = "IMAGE"
    TOOL_CALL = "TOOL_CALL"
    TOOL_RESULT = "TOOL_RESULT"


class TalkEvent(StrEnum):
    """What a conversation's feed tells of: codes that are stored with its events."""

    MESSAGE_ADDED = "MESSAGE_ADDED"
    MESSAGE_ENDED = "MESSAGE_ENDED"
    CHANGED = "CHANGED"


@dataclass(eq=False)
class ConversationGroup:
    """A shelf for conversations. `position` sorts the groups of one owner."""

    tenant_id: TenantId
    id: GroupId
    owner_id: UserId
    name: str
    position: str
    created_at: datetime | None = None


@dataclass(eq=False)
class Conversation:
    """It is `created_by`'s, and nobody else in the tenant sees it.

    `summary` stands for the messages up to `summary_upto`, wherever that is on the path. `title_job_id` and
    `summary_job_id` are the last jobs of their kind. Once it is `purged_at`, nothing is left of it for anybody.
    """

    tenant_id: TenantId
    id: ConversationId
    created_by: UserId
    title: str = ""
    topic: str = ""
    group_id: GroupId | None = None
    project_id: ProjectId | None = None
    knowledge_base_ids: list[str] = field(default_factory=list)
    channel_id: ChannelId | None = None
    model: str | None = None
    assistant_version_id: AssistantVersionId | None = None
    pinned: bool = False
    active_leaf_id: MessageId | None = None
    context_policy: dict[str, Any] = field(default_factory=dict)
    summary: str = ""
    summary_upto: MessageId | None = None
    title_job_id: JobId | None = None
    summary_job_id: JobId | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    purged_at: datetime | None = None


@dataclass(eq=False)
class Message:
    """A place in the tree. `depth` counts from 0 at a root; `parts` are as `parts` makes them; `text` is their text."""

    tenant_id: TenantId
    id: MessageId
    conversation_id: ConversationId
    parent_id: MessageId | None
    depth: int
    role: str
    text: str = ""
    parts: list[dict[str, Any]] = field(default_factory=list)
    state: str = MessageState.COMPLETE
    generation_id: GenerationId | None = None
    edited_from_id: MessageId | None = None
    created_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(eq=False)
class Citation:
    """A mark in an answer, at [start_char, end_char) of its text, and the words of a document that it stands for.

    `quote` stands verbatim at [span_start, span_end) of the document's text. `rank` is its place in the answer, from 1;
    `marker` the number that the answer shows. The chunk may be gone by the time it is read.
    """

    tenant_id: TenantId
    id: CitationId
    message_id: MessageId
    rank: int
    marker: int
    start_char: int
    end_char: int
    chunk_id: ChunkId
    document_id: SourceDocumentId
    quote: str
    span_start: int
    span_end: int


@dataclass(eq=False)
class ConversationShare:
    """A link to read the path to one leaf. Of its token only the hash is kept."""

    tenant_id: TenantId
    id: ShareId
    conversation_id: ConversationId
    leaf_id: MessageId
    token_hash: bytes
    created_by: UserId
    expires_at: datetime
    created_at: datetime | None = None
    revoked_at: datetime | None = None

    def open_at(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at
