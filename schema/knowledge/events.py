"""What happens to the documents of a base."""

from typing import Any
from uuid import UUID

import strawberry

from domain.feeds import FeedEvent
from domain.knowledge.entities import DocumentErrorCode, DocumentState
from domain.knowledge.feed import DELETED
from schema.batched import found
from schema.events import StreamEvent
from schema.ids import encode_id
from schema.knowledge.types import Document


@strawberry.interface(description="An event of a document in a knowledge base.")
class DocumentEvent(StreamEvent):
    document_id: strawberry.ID = strawberry.field(description="The document's global id.")


@strawberry.type(description="A document has come further, or to its end.")
class DocumentProgressed(DocumentEvent):
    state: DocumentState = strawberry.field(description="How far it is on its way into search.")
    progress: int = strawberry.field(description="The same in percent.")
    chunk_count: int = strawberry.field(description="How many chunks it was cut into.")
    error_code: DocumentErrorCode | None = strawberry.field(description="Why it failed, as a code.")
    error_message: str | None = strawberry.field(description="Why it failed, as a sentence.")
    raw_id: strawberry.Private[UUID]

    document: Document | None = found(
        "Document", lambda event: event.raw_id, description="The document as it is now; null once it is deleted."
    )


@strawberry.type(description="A document was deleted.")
class DocumentDeleted(DocumentEvent):
    pass


def document_event(event: FeedEvent) -> DocumentEvent:
    """A feed's event as its GraphQL type."""
    said, raw_id = event.data, UUID(event.data["document"])
    place: dict[str, Any] = {
        "seq": event.seq,
        "cursor": event.cursor,
        "at": event.at,
        "document_id": encode_id("Document", raw_id),
    }
    if event.type == DELETED:
        return DocumentDeleted(**place)
    code = said["errorCode"]
    return DocumentProgressed(
        **place,
        state=DocumentState(said["state"]),
        progress=said["progress"],
        chunk_count=said["chunkCount"],
        error_code=DocumentErrorCode(code) if code is not None else None,
        error_message=said["errorMessage"],
        raw_id=raw_id,
    )
