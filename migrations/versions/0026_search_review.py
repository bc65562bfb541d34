"""A base changes its embedding model: what it is to be, by which job, and of which text a vector is."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("create index knowledge_chunks_tenant_id_base_id_idx on app.knowledge_chunks (tenant_id, base_id)")
    op.execute("drop index app.knowledge_chunks_tenant_id_base_id_id_idx")
    op.execute("alter table app.chunk_vectors drop column text_hash")
    op.execute(
        "alter table app.knowledge_bases drop column next_model, drop column next_dimensions, drop column job_id,"
        " drop column embedded_tokens, drop column embedded_micros, drop column embedded_channel_id,"
        " drop column embedded_price_id"
    )
    op.execute(
        "alter table app.jobs drop constraint jobs_kind_check, add constraint jobs_kind_check check (kind in "
        "('generation.chapter', 'generation.message', 'conversation.title', 'conversation.summary', 'knowledge.ingest', "
        "'knowledge.search')) not valid"
    )
    op.execute("reset role")
