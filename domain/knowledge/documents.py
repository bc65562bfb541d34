"""Use cases of a base's documents and chunks."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from domain.accounts import Actor, Permission
from domain.errors import ErrorCode, NotFound, Rejected
from domain.files.entities import File, FilePurpose, may_see
from domain.ids import ChunkId, FileId, JobId, KnowledgeBaseId, SourceDocumentId, new_id
from domain.jobs import Stopped, Waiting, claim, scoped_key
from domain.knowledge import reembedding
from domain.knowledge.entities import Chunk, Document, DocumentState, KnowledgeBase, KnowledgeScope
from domain.knowledge.feed import tell, tell_deleted
from domain.knowledge.parsing import PLAIN
from domain.knowledge.pieces import text_hash
from domain.knowledge.service import get_base
from domain.knowledge.starting import enqueue, stop
from domain.text import TITLE_CHARS_MAX, clean_line, clean_text, estimated_tokens
from domain.unit_of_work import UnitOfWork

DOCUMENTS_MAX = 5_000
"""Of a base."""
CHUNK_CHARS_MAX = 4_000
"""Of an edited chunk: twice what cutting makes."""
FORGOTTEN_AT_ONCE = 2_000
"""Chunks of a deleted document: each takes its vectors along."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A request. Exactly one of `file_id` and `text` is given; a file's title is its name unless one is given."""

    base_id: KnowledgeBaseId
    idempotency_key: str
    file_id: FileId | None = None
    text: str | None = None
    title: str | None = None
    trace_parent: str | None = None

    def body(self) -> dict[str, object]:
        """What an idempotency key is bound to."""
        return {k: v for k, v in asdict(self).items() if k not in {"idempotency_key", "trace_parent"}}


@dataclass(frozen=True, slots=True)
class Asked:
    """A document, and its job where one waits since now."""

    document_id: SourceDocumentId
    waiting: Waiting | None


async def create_document(uow: UnitOfWork, actor: Actor, command: NewDocument, *, concurrency_max: int) -> Asked:
    """Take a document in, and have it ingested. The same key gives the same document.

    Raises Rejected, QuotaExhausted or BudgetExceeded; then nothing is kept and the key stays free.
    """
    actor.require(Permission.WRITE)
    key = scoped_key(actor.principal, "documentCreate", command.idempotency_key, command.body())
    if (before := await claim(uow.jobs, key)) is not None:
        return Asked(SourceDocumentId(before), None)
    base = await get_base(uow, actor, command.base_id, lock=True, field="knowledgeBaseId")
    document = await _new_document(uow, actor, base, command)
    if await uow.knowledge.has_content(base.id, document.content_hash):
        raise Rejected(ErrorCode.ALREADY_EXISTS, "This content is in the knowledge base already.", "input")
    if await uow.knowledge.count_documents(base.id) >= DOCUMENTS_MAX:
        raise Rejected(ErrorCode.LIMIT_REACHED, f"A knowledge base has at most {DOCUMENTS_MAX:,} documents.")
    await uow.knowledge.add(document)
    waiting = await enqueue(
        uow, actor, document, base, concurrency_max=concurrency_max, trace_parent=command.trace_parent
    )
    await uow.jobs.complete_key(key, document.id)
    return Asked(document.id, waiting)


async def _new_document(uow: UnitOfWork, actor: Actor, base: KnowledgeBase, command: NewDocument) -> Document:
    if (command.file_id is None) == (command.text is None):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "Give either a file or a text.", "input")
    document_id = SourceDocumentId(new_id())
    if command.file_id is not None:
        file = await _knowledge_file(uow, actor, base, command.file_id)
        title = clean_line(command.title or file.name[:TITLE_CHARS_MAX], "title")
        return Document(uow.tenant_id, document_id, base.id, title, file.mime, file.sha256, file_id=file.id)
    text = clean_text(command.text or "", "text")
    if not text.strip():
        raise Rejected(ErrorCode.EMPTY, "This must not be empty.", "input", "text")
    title = clean_line(command.title or "", "title")
    content_hash = hashlib.sha256(text.encode()).digest()
    return Document(
        uow.tenant_id, document_id, base.id, title, PLAIN, content_hash, text=text, characters=len(text)
    )  # fmt: skip


async def _knowledge_file(uow: UnitOfWork, actor: Actor, base: KnowledgeBase, file_id: FileId) -> File:
    """One for KNOWLEDGE, which everybody sees, or in somebody's own base a document that is attached: his alone."""
    file = await uow.files.file(file_id, lock=True)  # nobody deletes it while a document comes to stand on it
    if file is None or not may_see(actor, file.purpose, file.owner_id):
        raise NotFound("The file", "input", "fileId")
    attached = file.purpose == FilePurpose.ATTACHMENT and file.width is None
    if file.purpose != FilePurpose.KNOWLEDGE and not (attached and base.scope == KnowledgeScope.USER):
        message = "This file was uploaded for another purpose."
        raise Rejected(ErrorCode.BAD_USER_INPUT, message, "input", "fileId")
    return file


async def reingest_document(
    uow: UnitOfWork, actor: Actor, document_id: SourceDocumentId, key: str, *, concurrency_max: int
) -> Asked:
    """Read and cut it anew, as the base's policy says now. Its chunks serve until the new ones are there."""
    actor.require(Permission.WRITE)
    used = scoped_key(actor.principal, "documentReingest", key, {"document_id": document_id})
    if await claim(uow.jobs, used) is not None:
        return Asked(document_id, None)
    document, base = await get_document(uow, actor, document_id)
    _refuse_at_work(document)
    document.recut = True
    waiting = await enqueue(uow, actor, document, base, concurrency_max=concurrency_max)
    await uow.jobs.complete_key(used, document.id)
    return Asked(document.id, waiting)


def _refuse_at_work(document: Document) -> None:
    if not DocumentState(document.state).settled:
        raise Rejected(ErrorCode.INVALID_STATE, "The document is being ingested. Wait, or stop its job.", "input", "id")


async def rename_document(uow: UnitOfWork, actor: Actor, document_id: SourceDocumentId, title: str) -> Document:
    actor.require(Permission.WRITE)
    document, _ = await get_document(uow, actor, document_id)
    document.title, document.updated_at = clean_line(title, "title"), uow.now
    return document


async def delete_document(uow: UnitOfWork, actor: Actor, document_id: SourceDocumentId) -> tuple[Document, Stopped]:
    """It, and what `stop` says of its job. Its row stays for what refers to it; the rest goes by `forget_deleted`."""
    actor.require(Permission.WRITE)
    document, _ = await get_document(uow, actor, document_id)
    document.deleted_at = document.updated_at = uow.now
    stopped = await stop(uow, document)
    await tell_deleted(uow, document)
    return document, stopped


async def delete_base(uow: UnitOfWork, actor: Actor, base_id: KnowledgeBaseId) -> list[tuple[JobId | None, Stopped]]:
    """With its documents: the jobs of those that were being ingested, and what stopping them led to."""
    actor.require(Permission.WRITE)
    base = await get_base(uow, actor, base_id, lock=True)
    base.deleted_at = uow.now
    stopped = [(one.job_id, await stop(uow, one)) for one in await uow.knowledge.delete_documents(base_id)]
    stopped.append((base.job_id, await reembedding.stop(uow, base)))
    return stopped


async def forget_deleted(uow: UnitOfWork) -> int:
    """Some chunks of a deleted document, and its text behind the last of them; 0 when there is nothing left."""
    document = await uow.knowledge.deleted_document()
    if document is None:
        return 0
    gone = await uow.knowledge.delete_chunks(document.id, FORGOTTEN_AT_ONCE)
    if gone < FORGOTTEN_AT_ONCE:
        document.text, document.pages, document.language = "", [], None
        document.characters = document.chunk_count = 0
    return max(1, gone)


async def update_chunk(
    uow: UnitOfWork, actor: Actor, chunk_id: ChunkId, *, text: str | None, enabled: bool | None, concurrency_max: int
) -> Waiting | None:
    """Change what a chunk says, or whether it is found: at once, wherever it is indexed. An edited one is embedded
    again, by the job that waits or runs, or by a new one.

    Raises Rejected, QuotaExhausted or BudgetExceeded.
    """
    actor.require(Permission.WRITE)
    found = await uow.knowledge.chunk(chunk_id)
    if found is None:
        raise NotFound("The chunk", "input", "id")
    document, base = await get_document(uow, actor, found.document_id)
    chunk = await uow.knowledge.chunk(chunk_id, lock=True)
    settled = DocumentState(document.state).settled
    if chunk is None or not (document.cut or settled):
        raise Rejected(ErrorCode.INVALID_STATE, "The document is being cut anew.", "input", "id")
    before = chunk.text, chunk.enabled
    _edit(chunk, text, enabled)
    if before == (chunk.text, chunk.enabled):
        return None
    document.updated_at = uow.now
    if chunk.enabled != before[1]:
        await uow.indexes.enable(chunk.id, enabled=chunk.enabled)
    if settled:
        document.recut = False  # cutting it anew came to nothing: its chunks stay, and this one is to be found
    if settled and (chunk.text != before[0] or document.state == DocumentState.FAILED):
        return await enqueue(uow, actor, document, base, concurrency_max=concurrency_max)
    await tell(uow, document)
    return None


def _edit(chunk: Chunk, text: str | None, enabled: bool | None) -> None:
    if text is not None:
        cleaned = clean_text(text, "text", chars_max=CHUNK_CHARS_MAX)
        if not cleaned.strip():
            raise Rejected(ErrorCode.EMPTY, "This must not be empty.", "input", "text")
        if cleaned != chunk.text:
            chunk.text, chunk.text_hash, chunk.edited = cleaned, text_hash(cleaned), True
            chunk.tokens, chunk.indexed = estimated_tokens(cleaned), False
    if enabled is not None:
        chunk.enabled = enabled


async def get_document(uow: UnitOfWork, actor: Actor, document_id: SourceDocumentId) -> tuple[Document, KnowledgeBase]:
    """A living document, locked, and its base, which the actor sees. Raises NotFound."""
    document = await uow.knowledge.document(document_id, lock=True)
    if document is None:
        raise NotFound("The document", "input", "id")
    try:
        return document, await get_base(uow, actor, document.base_id)
    except NotFound:
        raise NotFound("The document", "input", "id") from None
