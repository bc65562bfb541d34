"""Vectors of chunks, the cache of what was embedded, and the evidence of jobs."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("drop table app.knowledge_evidence, app.chunk_vectors, app.knowledge_embeddings")
