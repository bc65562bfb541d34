"""What a search over knowledge bases asks and answers."""

import strawberry

from domain.knowledge import search as domain
from domain.knowledge.vectors import SearchMode
from schema.base import described_enum
from schema.batched import found
from schema.cost import Cost
from schema.knowledge.types import Chunk, Document, KnowledgeBase, TextSpan

described_enum(
    SearchMode,
    VECTOR="By meaning: passages in other words, and in other languages, are found.",
    KEYWORD="By words: what must stand as it is written, such as names and numbers.",
    HYBRID="By both; by words alone while the model for the meaning does not answer or is not paid for.",
)
FREE = [Cost(weight=0)]
"""The search itself is what costs."""


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
    span: TextSpan = strawberry.field(description="Where it stands in its document's text.")
    page: int | None = strawberry.field(description="The page, from 1; null where there are none.")
    heading_path: list[str] = strawberry.field(description="The headings above it, the outermost first.")
    scores: HitScores | None = strawberry.field(description="With `debug`: how it came to its rank.")
    hit: strawberry.Private[domain.Hit]
    document: Document | None = found(
        "Document", lambda one: one.hit.document_id, description="The document; null once it is deleted."
    )
    chunk: Chunk | None = found(
        "Chunk", lambda one: one.hit.chunk_id, description="The chunk; null once its document is cut anew."
    )
    knowledge_base: KnowledgeBase | None = found(
        "KnowledgeBase", lambda one: one.hit.base_id, description="The base it is in; null once it is deleted."
    )


@strawberry.type(description="A part of a search.", directives=FREE)
class SearchStage:
    name: str = strawberry.field(
        description="What was done. `embed: refused, by words alone`: the meaning could not be looked for."
    )
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


def search_result(found: domain.SearchResult) -> KnowledgeSearchResult:
    return KnowledgeSearchResult(
        hits=[_hit(one) for one in found.hits],
        stages=[SearchStage(name=one.name, ms=one.ms, candidates=one.candidates) for one in found.stages],
    )


def _hit(hit: domain.Hit) -> KnowledgeHit:
    scores = hit.scores
    return KnowledgeHit(
        rank=hit.rank,
        text=hit.text,
        span=TextSpan(start=hit.start, end=hit.end),
        hit=hit,
        page=hit.page,
        heading_path=list(hit.heading_path),
        scores=HitScores(
            vector_rank=scores.vector_rank, keyword_rank=scores.keyword_rank, vector_score=scores.vector_score,
            keyword_score=scores.keyword_score, before_rerank=scores.before_rerank,
        ) if scores is not None else None,
    )  # fmt: skip
