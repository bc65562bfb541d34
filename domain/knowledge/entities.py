"""Knowledge bases, their documents, and the chunks that a search finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.accounts import Actor
from domain.ids import (
    ChannelId,
    ChunkId,
    FileId,
    JobId,
    KnowledgeBaseId,
    PriceId,
    ProjectId,
    SourceDocumentId,
    TenantId,
    UserId,
)


class KnowledgeScope(StrEnum):
    """Whose a knowledge base is: everybody's in the tenant, a project's, or its owner's alone."""

    TENANT = "TENANT"
    PROJECT = "PROJECT"
    USER = "USER"


def sees(actor: Actor, scope: str, owner_id: UserId) -> bool:
    """Whether somebody who may read in the tenant sees a base of that scope."""
    return scope != KnowledgeScope.USER or owner_id == actor.user_id


class DocumentState(StrEnum):
    """How far a document is on its way into search. READY and FAILED last until it is ingested again."""

    PENDING = "PENDING"
    PARSING = "PARSING"
    CHUNKING = "CHUNKING"
    EMBEDDING = "EMBEDDING"
    READY = "READY"
    FAILED = "FAILED"

    @property
    def settled(self) -> bool:
        return self in {DocumentState.READY, DocumentState.FAILED}


class DocumentErrorCode(StrEnum):
    """Why a document could not be ingested."""

    EMPTY = "EMPTY"
    TOO_LARGE = "TOO_LARGE"
    TOO_LONG = "TOO_LONG"
    UNSUPPORTED = "UNSUPPORTED"
    WRONG_TYPE = "WRONG_TYPE"
    DAMAGED = "DAMAGED"
    ENCRYPTED = "ENCRYPTED"
    BOMB = "BOMB"
    ENCODING = "ENCODING"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    PARSER_CRASHED = "PARSER_CRASHED"
    FILE_MISSING = "FILE_MISSING"
    EMBEDDING_FAILED = "EMBEDDING_FAILED"
    QUOTA_EXHAUSTED = "QUOTA_EXHAUSTED"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    WORKER_CRASHED = "WORKER_CRASHED"
    CANCELLED = "CANCELLED"
    INTERNAL = "INTERNAL"


@dataclass(eq=False)
class KnowledgeBase:
    """`chunk_policy` and `retrieval_policy` are as `policies` writes them. A base's model decides its `dimensions`.

    `next_model` is what the job in `job_id` gives it, until it has it; `embedded_tokens` and `embedded_micros` are what
    that job has paid for so far.
    """

    tenant_id: TenantId
    id: KnowledgeBaseId
    name: str
    owner_id: UserId
    embedding_model: str
    dimensions: int
    chunk_policy: dict[str, Any]
    retrieval_policy: dict[str, Any]
    description: str = ""
    scope: str = KnowledgeScope.TENANT
    project_id: ProjectId | None = None
    next_model: str | None = None
    next_dimensions: int | None = None
    job_id: JobId | None = None
    embedded_tokens: int = 0
    embedded_micros: int = 0
    embedded_channel_id: ChannelId | None = None
    embedded_price_id: PriceId | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None


@dataclass(eq=False)
class Document:
    """`text` is what was given until it is parsed, then the whole text that was found; `pages` are the offsets in it
    at which pages begin, empty where there are none. `version` counts how often it was cut into chunks, `recut` says that
    the chunks that are there are to be replaced.

    `embedded_tokens` and `embedded_micros` are what the job in `job_id` has paid for so far, `embedded_channel_id` and
    `embedded_price_id` what its last call went through and was reckoned by.
    """

    tenant_id: TenantId
    id: SourceDocumentId
    base_id: KnowledgeBaseId
    title: str
    mime: str
    content_hash: bytes
    file_id: FileId | None = None
    state: str = DocumentState.PENDING
    progress: int = 0
    error_code: str | None = None
    error_message: str | None = None
    job_id: JobId | None = None
    language: str | None = None
    text: str = ""
    pages: list[int] = field(default_factory=list)
    characters: int = 0
    chunk_count: int = 0
    recut: bool = False
    version: int = 0
    embedded_tokens: int = 0
    embedded_micros: int = 0
    embedded_channel_id: ChannelId | None = None
    embedded_price_id: PriceId | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    ready_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def cut(self) -> bool:
        """Whether it has only to be embedded."""
        return self.chunk_count > 0 and not self.recut


@dataclass(eq=False)
class Chunk:
    """A stretch of a document that is searched as one.

    Its span is [start_char, end_char) in characters of the document's text, and its text is what stands there unless
    it was `edited`. `page` counts from 1. `indexed` says whether vectors of this text are written. Chunks are deleted
    for good when their document is cut anew or deleted: what refers to one goes with it, or holds no reference.
    """

    tenant_id: TenantId
    id: ChunkId
    base_id: KnowledgeBaseId
    document_id: SourceDocumentId
    position: int
    text: str
    start_char: int
    end_char: int
    tokens: int
    text_hash: bytes
    heading_path: list[str] = field(default_factory=list)
    page: int | None = None
    enabled: bool = True
    edited: bool = False
    indexed: bool = False
    created_at: datetime | None = None
