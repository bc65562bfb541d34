"""Assistants, their versions, and what people say of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.ids import AssistantId, AssistantVersionId, TenantId, UserId


class Visibility(StrEnum):
    """Who sees an assistant."""

    PRIVATE = "PRIVATE"
    TENANT = "TENANT"
    PUBLIC = "PUBLIC"


class Category(StrEnum):
    """What an assistant helps with."""

    PLOT = "PLOT"
    CHARACTER = "CHARACTER"
    WORLD = "WORLD"
    DRAFTING = "DRAFTING"
    STYLE = "STYLE"
    EDITING = "EDITING"
    TRANSLATION = "TRANSLATION"
    RESEARCH = "RESEARCH"
    MARKETING = "MARKETING"
    ROLEPLAY = "ROLEPLAY"
    OTHER = "OTHER"


class ReactionKind(StrEnum):
    """How somebody marks an assistant."""

    LIKE = "LIKE"
    FAVOURITE = "FAVOURITE"


class ReportReason(StrEnum):
    """Why an assistant should be looked at by the platform."""

    SPAM = "SPAM"
    HARMFUL = "HARMFUL"
    COPYRIGHT = "COPYRIGHT"
    PRIVACY = "PRIVACY"
    OTHER = "OTHER"


@dataclass(eq=False)
class Assistant:
    """`current_version_id` is the newest version, `published_version_id` the one that others see."""

    tenant_id: TenantId
    id: AssistantId
    owner_id: UserId
    name: str
    description: str = ""
    category: str = Category.OTHER
    tags: list[str] = field(default_factory=list)
    visibility: str = Visibility.PRIVATE
    current_version_id: AssistantVersionId | None = None
    published_version_id: AssistantVersionId | None = None
    versions_made: int = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(eq=False)
class AssistantVersion:
    """One state of an assistant. It is never changed.

    `examples` are `{"user": ..., "assistant": ...}`, `tools` are `{"name": ..., "description": ...}`. Preferences of
    None leave a choice to the conversation. `knowledge_base_ids` are ids as text; a published copy has none.
    """

    tenant_id: TenantId
    id: AssistantVersionId
    assistant_id: AssistantId
    number: int
    prompt: str
    greeting: str = ""
    opening_messages: list[str] = field(default_factory=list)
    examples: list[dict[str, str]] = field(default_factory=list)
    model: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    tools: list[dict[str, str]] = field(default_factory=list)
    knowledge_base_ids: list[str] = field(default_factory=list)
    changelog: str = ""
    author_id: UserId | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Publication:
    """What everybody sees of a published assistant, secrets stripped."""

    assistant_id: AssistantId
    version_id: AssistantVersionId
    name: str
    description: str
    category: str
    tags: list[str]
    publisher: str


@dataclass(eq=False)
class AssistantInstall:
    """A published assistant among a user's own in a tenant, pinned to a version."""

    tenant_id: TenantId
    user_id: UserId
    assistant_id: AssistantId
    version_id: AssistantVersionId
    installed_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A change of what a user says of an assistant; None leaves a part of it as it is."""

    liked: bool | None = None
    favourite: bool | None = None
    stars: int | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class AssistantInUse:
    """What a conversation needs of an assistant, as its user may have it."""

    assistant_id: AssistantId
    version_id: AssistantVersionId
    number: int
    prompt: str
    greeting: str
    opening_messages: list[str]
    examples: list[dict[str, str]]
    model: str | None
    temperature: float | None
    max_output_tokens: int | None
    knowledge_base_ids: list[str]
