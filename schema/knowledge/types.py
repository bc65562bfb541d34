"""Knowledge bases, documents and chunks."""

from typing import Annotated, Any

import strawberry

from domain.errors import ErrorCode, Rejected
from domain.feeds import feed_cursor
from domain.knowledge import entities as domain
from domain.knowledge.entities import DocumentErrorCode, DocumentState, KnowledgeScope
from domain.knowledge.policies import ChunkUnit, Reranker, RetrievalTrigger
from persistence.knowledge import reads
from schema.accounts import User
from schema.base import Connection, Node, described_enum, mapped
from schema.batched import Call, batched, found, ids_of, needs, paged
from schema.context import Info
from schema.cost import Cost
from schema.files import File
from schema.jobs import Job
from schema.projects import Project

TEXT_CHARS_MAX = 20_000
"""Of a document's text, at a time."""

described_enum(
    KnowledgeScope,
    TENANT="Everybody's in the tenant.",
    PROJECT="A project's: it goes out of sight with it.",
    USER="Its owner's alone: nobody else sees it. Files for KNOWLEDGE are seen by all: upload those for ATTACHMENT.",
)
described_enum(
    DocumentState,
    PENDING="Waits for a worker.",
    PARSING="Is being read.",
    CHUNKING="Is being cut into chunks.",
    EMBEDDING="Its chunks are being embedded.",
    READY="Can be found.",
    FAILED="Could not be ingested; the error says why.",
)
described_enum(
    DocumentErrorCode,
    EMPTY="There is no text in it.",
    TOO_LARGE="The file is too large.",
    TOO_LONG="It has more text than one document may have.",
    UNSUPPORTED="This kind of file cannot be read.",
    WRONG_TYPE="The content is not what the file's name or type says.",
    DAMAGED="The file is damaged or cut off.",
    ENCRYPTED="The file is protected by a password.",
    BOMB="The file unpacks to far more than it should.",
    ENCODING="The characters of the text cannot be told.",
    TIMED_OUT="Reading it took too long.",
    OUT_OF_MEMORY="Reading it took too much memory.",
    PARSER_CRASHED="Reading it failed on our side.",
    FILE_MISSING="The file is not there any more.",
    EMBEDDING_FAILED="The embedding model did not answer as it should.",
    QUOTA_EXHAUSTED="The credit does not suffice to embed it.",
    BUDGET_EXCEEDED="A budget does not allow to embed it.",
    WORKER_CRASHED="Ingesting stopped again and again on our side.",
    CANCELLED="Ingesting was stopped on request.",
    INTERNAL="Something went wrong on our side.",
)
described_enum(ChunkUnit, CHARACTERS="Characters.", TOKENS="Estimated tokens: 1.5 a CJK character, 0.25 any other.")
described_enum(
    Reranker,
    NONE="Nothing: the order of the search.",
    OVERLAP="How many of the question's words a passage has.",
    MODEL="A model, where one is configured.",
)
described_enum(
    RetrievalTrigger,
    ALWAYS="For every message.",
    AUTO="When a message asks something, or is long enough to.",
    NEVER="Not at all.",
)


@strawberry.type(description="A stretch of a text, in characters.", directives=[Cost(weight=0)])
class TextSpan:
    start: int = strawberry.field(description="Where it begins.")
    end: int = strawberry.field(description="Where it ends: the place behind its last character.")


@strawberry.type(description="How documents are cut into chunks.", directives=[Cost(weight=0)])
class ChunkPolicy:
    unit: ChunkUnit = strawberry.field(description="What sizes are counted in.")
    size: int = strawberry.field(description="The most that a chunk has.")
    overlap: int = strawberry.field(description="How much of the chunk before it a chunk may repeat.")


@strawberry.type(description="How a base is searched.", directives=[Cost(weight=0)])
class RetrievalPolicy:
    vector_weight: float = strawberry.field(description="The share of meaning against words, from 0 to 1.")
    top_k: int = strawberry.field(description="How many passages go into a prompt.")
    reranker: Reranker = strawberry.field(description="What puts the hits into their last order.")
    trigger: RetrievalTrigger = strawberry.field(description="When a conversation looks into the base.")


@mapped(
    domain.Chunk,
    text="What it says.",
    position="Its place in the document, from 0.",
    page="The page it begins on, from 1; null where there are no pages.",
    tokens="Estimated tokens.",
    enabled="Whether it is found.",
    edited="Whether its text was changed since it was cut.",
)
class Chunk(Node):
    """A stretch of a document that is searched as one."""

    @strawberry.field(description="Where it stands in the document's text.", metadata=needs("start_char", "end_char"))
    def span(self) -> TextSpan:
        return TextSpan(start=self.start_char, end=self.end_char)

    @strawberry.field(description="The headings it stands under, the outermost first.", metadata=needs("heading_path"))
    def heading_path(self) -> list[str]:
        return list(self.heading_path)

    document: Annotated["Document", strawberry.lazy("schema.knowledge.types")] | None = found(
        "Document", lambda chunk: chunk.document_id, metadata=needs("document_id"),
        description="The document it was cut from; null once it is deleted.",
    )  # fmt: skip


def _stretch(start: int, end: int | None) -> tuple[int, int]:
    """Where to begin, and how many characters. Raises Rejected."""
    if start < 0 or (end is not None and end < start):
        raise Rejected(ErrorCode.BAD_USER_INPUT, "A text begins at 0, and ends behind its beginning.", "start")
    if end is not None and end - start > TEXT_CHARS_MAX:
        raise Rejected(ErrorCode.BAD_USER_INPUT, f"At most {TEXT_CHARS_MAX:,} characters at a time.", "end")
    return min(start, 2**31 - 2), TEXT_CHARS_MAX if end is None else end - start


@mapped(
    domain.Document,
    title="What it is called.",
    progress="How far it is, in percent.",
    characters="How long its text is.",
    chunk_count="How many chunks it was cut into; 0 until it is.",
    language="The language that its letters are of; null until it is read.",
    version="How often it was cut into chunks.",
    created_at="When it was taken in.",
    updated_at="When it was last changed.",
    ready_at="When it could be found, the last time.",
)
class Document(Node):
    """A text in a knowledge base, of a file or as it was given."""

    state: DocumentState = strawberry.field(description="How far it is on its way into search.")
    error_code: DocumentErrorCode | None = strawberry.field(description="Why it failed, as a code.")
    error_message: str | None = strawberry.field(description="Why it failed, as a sentence.")

    @strawberry.field(description="The media type of what it was read from.", metadata=needs("mime"))
    def mime_type(self) -> str:
        return str(self.mime)

    @strawberry.field(
        description="Where its pages begin, in characters of its text; empty where it has none.",
        metadata=needs("pages"), directives=[Cost(weight=1)],
    )  # fmt: skip
    def pages(self) -> list[int]:
        return list(self.pages)

    @batched(
        description="Its text between two places; at most 20,000 characters at a time.",
        columns=("id",), directives=[Cost(weight=5)],
    )  # fmt: skip
    async def text(
        documents: list[Any], info: Info,
        start: Annotated[int, strawberry.argument(description="The first character, from 0.")] = 0,
        end: Annotated[
            int | None, strawberry.argument(description="The place behind the last; 20,000 further if left out.")
        ] = None,
    ) -> list[str]:  # fmt: skip
        first, length = _stretch(start, end)
        rows = await info.context.reads.lists(reads.TEXTS, "id", ids_of(documents), start=first, length=length)
        return [one[0].text if one else "" for one in rows]

    knowledge_base: Annotated["KnowledgeBase", strawberry.lazy("schema.knowledge.types")] = found(
        "KnowledgeBase", lambda document: document.base_id, metadata=needs("base_id"), description="The base it is in."
    )
    job: Job | None = found(
        "Job", lambda document: document.job_id, metadata=needs("job_id"),
        description="The job that ingests it, or did the last time. Watch it with `jobEvents`.",
    )  # fmt: skip
    file: File | None = found(
        "File", lambda document: document.file_id, metadata=needs("file_id"),
        description="The file it is read from; null for a text, and for a file that was deleted.",
    )  # fmt: skip

    @paged(Connection[Chunk], "Chunk", description="What it was cut into, in its order.")
    def chunks() -> Call:
        return Call(reads.CHUNKS)


@mapped(
    domain.KnowledgeBase,
    name="What it is called.",
    description="What it is for.",
    embedding_model="The model that makes vectors of its chunks and of questions.",
    dimensions="How long those vectors are.",
    created_at="When it was made.",
    updated_at="When it was last changed.",
)
class KnowledgeBase(Node):
    """Documents that can be searched together."""

    scope: KnowledgeScope = strawberry.field(description="Whose it is.")

    @strawberry.field(description="How its documents are cut.", metadata=needs("chunk_policy"))
    def chunk_policy(self) -> ChunkPolicy:
        return ChunkPolicy(**self.chunk_policy | {"unit": ChunkUnit(self.chunk_policy["unit"])})

    @strawberry.field(description="How it is searched.", metadata=needs("retrieval_policy"))
    def retrieval_policy(self) -> RetrievalPolicy:
        said = self.retrieval_policy
        return RetrievalPolicy(
            vector_weight=said["vector_weight"],
            top_k=said["top_k"],
            reranker=Reranker(said["reranker"]),
            trigger=RetrievalTrigger(said["trigger"]),
        )

    @strawberry.field(
        description="The model that its job gives it, or was to give it; null once it has it.",
        metadata=needs("next_model"),
    )
    def next_embedding_model(self) -> str | None:
        return None if self.next_model is None else str(self.next_model)

    job: Job | None = found(
        "Job", lambda base: base.job_id, metadata=needs("job_id"),
        description="The job that changes its embedding model, or did the last time. Watch it with `jobEvents`.",
    )  # fmt: skip
    owner: User | None = found(
        "User", lambda base: base.owner_id, metadata=needs("owner_id"),
        description="Who made it; null when they have left the tenant.",
    )  # fmt: skip
    project: Project | None = found(
        "Project", lambda base: base.project_id, metadata=needs("project_id"),
        description="The project it belongs to; null for the other scopes.",
    )  # fmt: skip

    @strawberry.field(
        description="Where its events end, as of this answer: the `after` of `documentProgress` that repeats nothing "
        "old and misses nothing new.",
        metadata=needs("id", "feed_end"),
    )
    def events_cursor(self) -> str:
        return feed_cursor(self.id, self.feed_end or 0)

    @batched(description="How many documents it has.", columns=("id",), directives=[Cost(weight=1)])
    async def document_count(bases: list[Any], info: Info) -> list[int]:
        counts = await info.context.reads.values(reads.DOCUMENT_COUNTS, "documents", ids_of(bases))
        return [count or 0 for count in counts]

    @paged(Connection[Document], "Document", description="Its documents, newest first.")
    def documents(
        state: Annotated[DocumentState | None, strawberry.argument(description="Only those in this state.")] = None,
    ) -> Call:
        return Call(reads.DOCUMENTS, {"state": state})
