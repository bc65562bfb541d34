"""The passages that jobs were given to stand on."""

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from persistence.knowledge import passages as reads
from schema.batched import found
from schema.context import Info
from schema.cost import Cost
from schema.ids import encode_id

if TYPE_CHECKING:
    from schema.knowledge.types import Document, TextSpan


@strawberry.type(
    description="A passage that a job was given to stand on. The model knows it by its alias.",
    directives=[Cost(weight=0)],
)
class Evidence:
    """Its source is a row of `persistence.knowledge.passages.EVIDENCE`."""

    alias: str = strawberry.field(description="E1, E2 and so on, in the order of their ranks.")
    quote: str = strawberry.field(description="What it says, as the job was given it.")
    used: bool = strawberry.field(description="Whether the answer refers to it.")

    @strawberry.field(description="Where that stands in the document's text, as that was then.")
    def span(self) -> Annotated["TextSpan", strawberry.lazy("schema.knowledge.types")]:
        from schema.knowledge.types import TextSpan

        return TextSpan(start=self.start_char, end=self.end_char)  # type: ignore[attr-defined]

    @strawberry.field(description="The chunk's global id; the chunk may be gone.")
    def chunk_id(self) -> strawberry.ID:
        return strawberry.ID(encode_id("Chunk", self.chunk_id))  # type: ignore[arg-type]

    document: Annotated["Document", strawberry.lazy("schema.knowledge.types")] | None = found(
        "Document", lambda row: row.document_id, description="The document; null once it is deleted."
    )


async def evidence_of(info: Info, job_ids: list[Any], aliases: list[str] | None) -> list[list[Any]]:
    """The passages of each job; only those with one of the aliases, if any are named."""
    wanted = set(aliases) if aliases is not None else None
    return [
        [row for row in rows if wanted is None or row["alias"] in wanted]
        for rows in await info.context.reads.lists(reads.EVIDENCE, "job_id", job_ids)
    ]
