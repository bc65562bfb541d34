"""Tables of search: vectors of chunks, what was embedded, and the evidence of jobs."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Column, Index, Integer, LargeBinary, Uuid
from sqlalchemy import cast as sql_cast

from domain.knowledge.embedding import INDEXED_DIMENSIONS
from persistence.knowledge.vector_type import HalfVec
from persistence.metadata import of_tenant, references, tenant_table, text, timestamp

knowledge_embeddings = tenant_table(
    "knowledge_embeddings",
    Column("text_hash", LargeBinary, nullable=False),
    text("model"),
    Column("dimensions", Integer, nullable=False),
    Column("vector", HalfVec),
    Column("owner", Uuid, nullable=False),
    timestamp("claimed_until"),
    Column("tokens", Integer, nullable=False, server_default="0"),
    Column("cost_micros", BigInteger, nullable=False, server_default="0"),
    Column("channel_id", Uuid),
    Column("price_id", Uuid),
    Column("unbilled", Boolean, nullable=False, server_default="false"),
    timestamp("created_at", default=True),
    CheckConstraint("vector is null or vector_dims(vector) = dimensions", name="vector"),
    CheckConstraint("tokens >= 0", name="tokens"),
    CheckConstraint("cost_micros >= 0", name="cost"),
    of_tenant(),
    key=("text_hash", "model", "dimensions"),
)
"""A row without a vector is claimed by its owner, a document or a base; one with a vector was asked for by it, and is `unbilled`
until what it cost has been counted for a job of the document."""
knowledge_embeddings.c.claimed_until.nullable = False
Index(
    "knowledge_embeddings_unbilled_idx",
    knowledge_embeddings.c.tenant_id,
    knowledge_embeddings.c.owner,
    postgresql_where=knowledge_embeddings.c.unbilled,
)

chunk_vectors = tenant_table(
    "chunk_vectors",
    Column("chunk_id", Uuid, nullable=False),
    text("model"),
    Column("dimensions", Integer, nullable=False),
    Column("base_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("vector", HalfVec, nullable=False),
    Column("text_hash", LargeBinary),
    CheckConstraint("vector_dims(vector) = dimensions", name="vector"),
    references("chunk_id", "knowledge_chunks", ondelete="CASCADE"),
    key=("chunk_id", "model", "dimensions"),
)
"""`text_hash` is of the text that the vector was made of; null in rows from before it was kept."""
Index(None, chunk_vectors.c.tenant_id, chunk_vectors.c.base_id, chunk_vectors.c.model)
Index(None, chunk_vectors.c.tenant_id, chunk_vectors.c.document_id)
for _length in INDEXED_DIMENSIONS:
    Index(
        f"chunk_vectors_near_{_length}_idx",
        sql_cast(chunk_vectors.c.vector, HalfVec(_length)),
        postgresql_using="hnsw",
        postgresql_where=chunk_vectors.c.dimensions == _length,
    )

knowledge_evidence = tenant_table(
    "knowledge_evidence",
    Column("job_id", Uuid, nullable=False),
    text("alias", collation="C"),
    Column("place", Integer, nullable=False),
    Column("chunk_id", Uuid, nullable=False),
    Column("document_id", Uuid, nullable=False),
    text("quote"),
    Column("start_char", Integer, nullable=False),
    Column("end_char", Integer, nullable=False),
    Column("used", Boolean, nullable=False, server_default="false"),
    timestamp("created_at", default=True),
    CheckConstraint("place >= 1", name="place"),
    CheckConstraint("0 <= start_char and start_char < end_char", name="span"),
    references("job_id", "jobs"),
    references("document_id", "knowledge_documents"),
    key=("job_id", "alias"),
)
