"""What a base's feed tells of its documents."""

from __future__ import annotations

from domain.knowledge.entities import Document
from domain.unit_of_work import UnitOfWork

PROGRESSED = "DOCUMENT_PROGRESSED"
DELETED = "DOCUMENT_DELETED"


async def tell(uow: UnitOfWork, document: Document) -> None:
    """How far it is now. The last thing that a transaction does: the feed is locked until it commits."""
    said = {
        "document": str(document.id),
        "state": str(document.state),
        "progress": document.progress,
        "chunkCount": document.chunk_count,
        "errorCode": document.error_code,
        "errorMessage": document.error_message,
    }
    await uow.feeds.append(document.base_id, PROGRESSED, said)


async def tell_deleted(uow: UnitOfWork, document: Document) -> None:
    await uow.feeds.append(document.base_id, DELETED, {"document": str(document.id)})
