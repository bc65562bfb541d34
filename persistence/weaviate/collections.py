"""The collections: one for each embedding model and length of its vectors, with a place in it for each tenant."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from domain.knowledge.vectors import IndexKey

if TYPE_CHECKING:
    from weaviate import WeaviateAsyncClient

PREFIX = "FabulaChunks_"
BASE, DOCUMENT, ENABLED, HAN, LATIN, MARK = "base_id", "document_id", "enabled", "han", "latin", "mark"

_DESCRIPTION = re.compile(r"Chunks of Fabula's knowledge bases: (?P<model>.*), (?P<dimensions>\d+) dimensions\.")


def name_of(index: IndexKey) -> str:
    """Names of models have characters that a collection's must not have."""
    return f"{PREFIX}{sha256(index.model.encode()).hexdigest()[:16]}_{index.dimensions}"


def index_of(name: str, description: str | None) -> IndexKey | None:
    """Whose collection it is. None when it is none of ours."""
    said = _DESCRIPTION.fullmatch(description or "")
    index = IndexKey(said["model"], int(said["dimensions"])) if said else None
    return index if index is not None and name_of(index) == name else None


async def create(client: WeaviateAsyncClient, index: IndexKey) -> None:
    from weaviate.classes.config import Configure, StopwordsPreset, VectorDistances

    await client.collections.create(
        name_of(index),
        description=f"Chunks of Fabula's knowledge bases: {index.model}, {index.dimensions} dimensions.",
        multi_tenancy_config=Configure.multi_tenancy(enabled=True),
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
        ),
        inverted_index_config=Configure.inverted_index(stopwords_preset=StopwordsPreset.NONE),
        properties=_properties(),
    )


def _properties() -> list[Any]:
    """Equality of text is that of its tokens, so that an id must be one token: FIELD."""
    from weaviate.classes.config import DataType, Property, Tokenization

    def an_id(name: str) -> Property:
        return Property(
            name=name, data_type=DataType.TEXT, tokenization=Tokenization.FIELD, index_filterable=True,
            index_searchable=False,
        )  # fmt: skip

    def words(name: str, tokenization: Tokenization) -> Property:
        return Property(
            name=name, data_type=DataType.TEXT, tokenization=tokenization, index_filterable=False,
            index_searchable=True,
        )  # fmt: skip

    kept = Property(
        name=MARK, data_type=DataType.TEXT, tokenization=Tokenization.FIELD, index_filterable=False,
        index_searchable=False,
    )  # fmt: skip
    return [
        an_id(BASE), an_id(DOCUMENT), Property(name=ENABLED, data_type=DataType.BOOL, index_filterable=True),
        words(HAN, Tokenization.GSE_CH), words(LATIN, Tokenization.WORD), kept,
    ]  # fmt: skip
