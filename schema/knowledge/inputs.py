"""What the knowledge room's mutations take and answer."""

import strawberry

from domain.knowledge.entities import KnowledgeScope
from domain.knowledge.policies import ChunkUnit, Reranker, RetrievalTrigger
from schema.base import Payload
from schema.knowledge.types import Chunk, Document, KnowledgeBase


@strawberry.input(description="Which knowledge bases to list.")
class KnowledgeBaseFilter:
    scope: KnowledgeScope | None = strawberry.field(default=None, description="Only those of this scope.")
    project_id: strawberry.ID | None = strawberry.field(default=None, description="Only those of this project.")


@strawberry.input(description="How to cut documents into chunks. What is left out stays as it is.")
class ChunkPolicyInput:
    unit: ChunkUnit | None = strawberry.field(
        default=None, description="What sizes are counted in. CHARACTERS for a new base."
    )
    size: int | None = strawberry.field(
        default=None, description="100 to 2,000 characters, or 50 to 500 tokens. 600 for a new base."
    )
    overlap: int | None = strawberry.field(
        default=None, description="At most half of the size, which it is if left out and too much. 80 for a new base."
    )


@strawberry.input(description="How to search a base. What is left out stays as it is.")
class RetrievalPolicyInput:
    vector_weight: float | None = strawberry.field(
        default=None, description="The share of meaning against words, from 0 to 1. 0.4 for a new base."
    )
    top_k: int | None = strawberry.field(
        default=None, description="How many passages go into a prompt, 1 to 50. 8 for a new base."
    )
    reranker: Reranker | None = strawberry.field(
        default=None, description="What puts the hits into their last order. OVERLAP for a new base."
    )
    trigger: RetrievalTrigger | None = strawberry.field(
        default=None, description="When a conversation looks into the base. AUTO for a new base."
    )


@strawberry.input(description="A new knowledge base.")
class KnowledgeBaseCreateInput:
    name: str = strawberry.field(description="What it is called, up to 200 characters.")
    description: str = strawberry.field(default="", description="What it is for, up to 5,000 characters.")
    scope: KnowledgeScope = strawberry.field(default=KnowledgeScope.TENANT, description="Whose it is.")
    project_id: strawberry.ID | None = strawberry.field(
        default=None, description="The project it belongs to, for the scope PROJECT alone."
    )
    embedding_model: str | None = strawberry.field(
        default=None, description="The model that makes its vectors; the built-in one, which is free, if left out."
    )
    chunk_policy: ChunkPolicyInput | None = strawberry.field(default=None, description="How its documents are cut.")
    retrieval_policy: RetrievalPolicyInput | None = strawberry.field(default=None, description="How it is searched.")


@strawberry.input(description="Changes to a knowledge base; what is left out stays.")
class KnowledgeBaseUpdateInput:
    id: strawberry.ID = strawberry.field(description="The base.")
    name: str | None = strawberry.field(default=None, description="What it is called.")
    description: str | None = strawberry.field(default=None, description="What it is for.")
    chunk_policy: ChunkPolicyInput | None = strawberry.field(
        default=None, description="How documents are cut from now on; those that are there, when ingested again."
    )
    retrieval_policy: RetrievalPolicyInput | None = strawberry.field(default=None, description="How it is searched.")
    embedding_model: str | None = strawberry.field(
        default=None,
        description="The model that is to make its vectors. Its job makes them anew, for what they cost; until it has, the "
        "base answers as before.",
    )


@strawberry.input(description="A knowledge base to delete.")
class KnowledgeBaseDeleteInput:
    id: strawberry.ID = strawberry.field(description="The base. It goes with its documents, for good.")


@strawberry.input(description="A document to take in, of a file or of a text: one of the two is given.")
class DocumentCreateInput:
    knowledge_base_id: strawberry.ID = strawberry.field(description="The base to put it in.")
    idempotency_key: str = strawberry.field(description="The same key gives the same document.")
    file_id: strawberry.ID | None = strawberry.field(
        default=None, description="A file uploaded for KNOWLEDGE: PDF, DOCX, EPUB, HTML, Markdown or text."
    )
    text: str | None = strawberry.field(default=None, description="The text itself, up to 500,000 characters.")
    title: str | None = strawberry.field(
        default=None, description="What it is called; a file's name if left out, needed for a text."
    )


@strawberry.input(description="A document to read and cut anew.")
class DocumentReingestInput:
    id: strawberry.ID = strawberry.field(description="A document that is READY or FAILED.")
    idempotency_key: str = strawberry.field(description="With the same key nothing is done a second time.")


@strawberry.input(description="A new title for a document.")
class DocumentUpdateInput:
    id: strawberry.ID = strawberry.field(description="The document.")
    title: str = strawberry.field(description="What it is called, up to 200 characters.")


@strawberry.input(description="A document to delete.")
class DocumentDeleteInput:
    id: strawberry.ID = strawberry.field(description="The document. What it is read from stays among the files.")


@strawberry.input(description="Changes to a chunk; what is left out stays.")
class ChunkUpdateInput:
    id: strawberry.ID = strawberry.field(description="The chunk.")
    text: str | None = strawberry.field(
        default=None, description="What it says, up to 4,000 characters. It is embedded again."
    )
    enabled: bool | None = strawberry.field(default=None, description="Whether it is found.")


@strawberry.type(description="The new knowledge base.")
class KnowledgeBaseCreatePayload(Payload):
    knowledge_base: KnowledgeBase | None = strawberry.field(default=None, description="The base.")


@strawberry.type(description="The changed knowledge base.")
class KnowledgeBaseUpdatePayload(Payload):
    knowledge_base: KnowledgeBase | None = strawberry.field(default=None, description="The base.")


@strawberry.type(description="The deleted knowledge base.")
class KnowledgeBaseDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="What it was.")


@strawberry.type(description="The document that is taken in.")
class DocumentCreatePayload(Payload):
    document: Document | None = strawberry.field(
        default=None, description="The document; watch its job with `jobEvents`, or its base with `documentProgress`."
    )


@strawberry.type(description="The document that is ingested again.")
class DocumentReingestPayload(Payload):
    document: Document | None = strawberry.field(default=None, description="The document.")


@strawberry.type(description="The changed document.")
class DocumentUpdatePayload(Payload):
    document: Document | None = strawberry.field(default=None, description="The document.")


@strawberry.type(description="The deleted document.")
class DocumentDeletePayload(Payload):
    deleted_id: strawberry.ID | None = strawberry.field(default=None, description="What it was.")


@strawberry.type(description="The changed chunk.")
class ChunkUpdatePayload(Payload):
    chunk: Chunk | None = strawberry.field(default=None, description="The chunk.")
