"""What a search over knowledge bases asks and answers, and the evidence of jobs."""

from typing import Annotated, Any

import strawberry

from domain.knowledge import search as domain
from domain.knowledge.vectors import SearchMode
from persistence.knowledge import passages as reads
from schema.base import described_enum
from schema.context import Info
from schema.cost import Cost
from schema.ids import encode_id

described_enum(
    SearchMode,
    VECTOR="By meaning: passages in other words, and in other languages, are found.",
    KEYWORD="By words: what must stand as it is written, such as names and numbers.",
    HYBRID="By both.",
)
FREE = [Cost(weight=0)]
"""The search itself is what costs."""


@strawberry.type(description="A stretch of a text, in characters: [start, end).", directives=FREE)
class Span:
    start: int = strawberry.field(description="Where it begins, counted from 0.")
    end: int = strawberry.field(description="Where what follows begins.")


@strawberry.type(description="The document that a passage stands in.", directives=FREE)
class PassageDocument:
    id: strawberry.ID = strawberry.field(description="Its global id.")
    title: str = strawberry.field(description="Its title.")


@strawberry.type(description="The chunk that a passage is.", directives=FREE)
class PassageChunk:
    id: strawberry.ID = strawberry.field(description="Its global id.")


@strawberry.type(description="How a passage came to its rank. Scores compare only within one search.", directives=FREE)
class HitScores:
    vector_rank: int | None = strawberry.field(description="Its place by meaning; null when it was not found by that.")
    keyword_rank: int | None = strawberry.field(description="Its place by words; null when it was not found by those.")
    vector_score: float | None = strawberry.field(description="How near it is: 1 for the same direction.")
    keyword_score: float | None = strawberry.field(description="What its words of the query weigh together.")
    before_rerank: int = strawberry.field(description="Its place before the hits were put into their last order.")


@strawberry.type(description="A passage that was found.", directives=FREE)
class KnowledgeHit:
    rank: int = strawberry.field(description="Its place, from 1.")
    text: str = strawberry.field(description="What it says.")
    span: Span = strawberry.field(description="Where it stands in its document's text.")
    document: PassageDocument = strawberry.field(description="The document.")
    chunk: PassageChunk = strawberry.field(description="The chunk.")
    knowledge_base_id: strawberry.ID = strawberry.field(description="The knowledge base that it is in.")
    page: int | None = strawberry.field(description="The page, from 1; null where there are none.")
    heading_path: list[str] = strawberry.field(description="The headings above it, the outermost first.")
    scores: HitScores | None = strawberry.field(description="With `debug`: how it came to its rank.")


@strawberry.type(description="A part of a search.", directives=FREE)
class SearchStage:
    name: str = strawberry.field(description="What was done.")
    ms: float = strawberry.field(description="How long it took, in milliseconds; 0 for a list inside another stage.")
    candidates: int = strawberry.field(description="With how many passages it ended.")


@strawberry.type(description="What a search found.", directives=FREE)
class KnowledgeSearchResult:
    hits: list[KnowledgeHit] = strawberry.field(description="The best first.")
    stages: list[SearchStage] = strawberry.field(description="With `debug`: what was done, in order.")


@strawberry.input(description="What to look for, and where.")
class KnowledgeSearchInput:
    knowledge_base_ids: list[strawberry.ID] = strawberry.field(
        description=f"The knowledge bases, 1 to {domain.BASES_MAX}."
    )
    query: str = strawberry.field(description=f"A question, or words; at most {domain.QUERY_CHARS_MAX:,} characters.")
    mode: SearchMode = strawberry.field(default=SearchMode.HYBRID, description="By what to find.")
    first: int = strawberry.field(default=10, description=f"How many hits, 1 to {domain.FIRST_MAX}.")
    document_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description=f"Only in these documents, at most {domain.DOCUMENTS_MAX}; in all of them if null."
    )
    rerank: bool | None = strawberry.field(
        default=None, description="Whether to put the hits into order anew; as the first base says if null."
    )
    debug: bool = strawberry.field(default=False, description="Whether to show scores and stages.")


def result(found: domain.SearchResult) -> KnowledgeSearchResult:
    return KnowledgeSearchResult(
        hits=[_hit(one) for one in found.hits],
        stages=[SearchStage(name=one.name, ms=one.ms, candidates=one.candidates) for one in found.stages],
    )


def _hit(hit: domain.Hit) -> KnowledgeHit:
    scores = hit.scores
    return KnowledgeHit(
        rank=hit.rank,
        text=hit.text,
        span=Span(start=hit.start, end=hit.end),
        document=_document(hit.document_id, hit.title),
        chunk=PassageChunk(id=strawberry.ID(encode_id("Chunk", hit.chunk_id))),
        knowledge_base_id=strawberry.ID(encode_id("KnowledgeBase", hit.base_id)),
        page=hit.page,
        heading_path=list(hit.heading_path),
        scores=HitScores(
            vector_rank=scores.vector_rank, keyword_rank=scores.keyword_rank, vector_score=scores.vector_score,
            keyword_score=scores.keyword_score, before_rerank=scores.before_rerank,
        ) if scores is not None else None,
    )  # fmt: skip


def _document(document_id: Any, title: str) -> PassageDocument:
    return PassageDocument(id=strawberry.ID(encode_id("Document", document_id)), title=title)


# -- evidence --------------------------------------------------------------------------------------------------------


@strawberry.type(description="A passage that a job was given to stand on. The model knows it by its alias.")
class Evidence:
    alias: str = strawberry.field(description="E1, E2 and so on, in the order of their ranks.")
    quote: str = strawberry.field(description="What it says, as the job was given it.")
    span: Span = strawberry.field(description="Where that stands in the document's text, as that was then.")
    document: PassageDocument = strawberry.field(description="The document.")
    chunk: PassageChunk = strawberry.field(description="The chunk; it may be gone.")
    used: bool = strawberry.field(description="Whether the answer refers to it.")


Aliases = Annotated[
    list[str] | None, strawberry.argument(description="Only the passages with these aliases; all of them if null.")
]


async def evidence_of(info: Info, job_ids: list[Any], aliases: list[str] | None) -> list[list[Evidence]]:
    """The passages of each job; only those with one of the aliases, if any are named."""
    wanted = set(aliases) if aliases is not None else None
    return [
        [_evidence(row) for row in rows if wanted is None or row["alias"] in wanted]
        for rows in await info.context.reads.lists(reads.EVIDENCE, "job_id", job_ids)
    ]


def _evidence(row: Any) -> Evidence:
    return Evidence(
        alias=row["alias"],
        quote=row["quote"],
        span=Span(start=row["start_char"], end=row["end_char"]),
        document=_document(row["document_id"], row["title"]),
        chunk=PassageChunk(id=strawberry.ID(encode_id("Chunk", row["chunk_id"]))),
        used=row["used"],
    )
