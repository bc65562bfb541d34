"""How a base's documents are cut, and how they are searched, as values and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from domain.errors import ErrorCode, Rejected

SIZE_CHARACTERS = (100, 2_000)
SIZE_TOKENS = (50, 500)
"""Chunks are at most 2,000 characters: phrases are found late in a longer text. 500 tokens are less than that."""
OVERLAP_SHARE_MAX = 2
"""An overlap is at most the size divided by this."""
TOP_K_MAX = 50


class ChunkUnit(StrEnum):
    """What a chunk's size is counted in."""

    CHARACTERS = "CHARACTERS"
    TOKENS = "TOKENS"


class Reranker(StrEnum):
    """What puts the hits of a search into their last order."""

    NONE = "NONE"
    OVERLAP = "OVERLAP"
    MODEL = "MODEL"


class RetrievalTrigger(StrEnum):
    """When a conversation looks into a base."""

    ALWAYS = "ALWAYS"
    AUTO = "AUTO"
    NEVER = "NEVER"


@dataclass(frozen=True, slots=True)
class ChunkPolicyDraft:
    """What is None stays."""

    unit: ChunkUnit | None = None
    size: int | None = None
    overlap: int | None = None


@dataclass(frozen=True, slots=True)
class RetrievalPolicyDraft:
    """What is None stays."""

    vector_weight: float | None = None
    top_k: int | None = None
    reranker: Reranker | None = None
    trigger: RetrievalTrigger | None = None


def _given(draft: Any) -> dict[str, Any]:
    return {name: value for name, value in asdict(draft).items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChunkPolicy:
    """The longest chunk, and how much of it may repeat the end of the one before."""

    unit: ChunkUnit = ChunkUnit.CHARACTERS
    size: int = 600
    overlap: int = 80

    def but(self, draft: ChunkPolicyDraft | ChunkPolicy) -> ChunkPolicy:
        """An overlap that nobody asked for gives way to a size that somebody did."""
        found = replace(self, **_given(draft))
        return (
            found
            if draft.overlap is not None
            else replace(found, overlap=min(found.overlap, found.size // OVERLAP_SHARE_MAX))
        )

    def checked(self) -> ChunkPolicy:
        """Raises Rejected for sizes that are none."""
        least, most = SIZE_TOKENS if self.unit is ChunkUnit.TOKENS else SIZE_CHARACTERS
        where = ("input", "chunkPolicy")
        if not least <= self.size <= most:
            message = f"A chunk has between {least:,} and {most:,} {self.unit.lower()}."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, *where, "size")
        if not 0 <= self.overlap <= self.size // OVERLAP_SHARE_MAX:
            message = "An overlap is at most half of a chunk."
            raise Rejected(ErrorCode.BAD_USER_INPUT, message, *where, "overlap")
        return self

    def to_json(self) -> dict[str, Any]:
        return {"unit": self.unit.value, "size": self.size, "overlap": self.overlap}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ChunkPolicy:
        return cls(ChunkUnit(value["unit"]), value["size"], value["overlap"])


@dataclass(frozen=True, slots=True)
class RetrievalPolicy:
    """`vector_weight` is the share of meaning against words in a hybrid search, from 0 to 1."""

    vector_weight: float = 0.4
    top_k: int = 8
    reranker: Reranker = Reranker.OVERLAP
    trigger: RetrievalTrigger = RetrievalTrigger.AUTO

    def but(self, draft: RetrievalPolicyDraft | RetrievalPolicy) -> RetrievalPolicy:
        return replace(self, **_given(draft))

    def checked(self) -> RetrievalPolicy:
        """Raises Rejected for what is out of range."""
        where = ("input", "retrievalPolicy")
        if not 0.0 <= self.vector_weight <= 1.0:
            raise Rejected(ErrorCode.BAD_USER_INPUT, "A weight lies between 0 and 1.", *where, "vectorWeight")
        if not 1 <= self.top_k <= TOP_K_MAX:
            raise Rejected(ErrorCode.BAD_USER_INPUT, f"Between 1 and {TOP_K_MAX} passages.", *where, "topK")
        return self

    def to_json(self) -> dict[str, Any]:
        return {
            "vector_weight": self.vector_weight,
            "top_k": self.top_k,
            "reranker": self.reranker.value,
            "trigger": self.trigger.value,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RetrievalPolicy:
        return cls(
            float(value["vector_weight"]),
            value["top_k"],
            Reranker(value["reranker"]),
            RetrievalTrigger(value["trigger"]),
        )
