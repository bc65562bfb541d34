"""Deleted documents are forgotten by the clock, one that is to be cut anew says so, and indexes that ingesting needs."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("drop policy relay on app.knowledge_documents")
    op.execute("revoke select (tenant_id, deleted_at, characters) on app.knowledge_documents from fabula_relay")
    op.execute("drop index app.knowledge_chunks_unindexed_idx")
    op.execute("drop index app.knowledge_documents_forgotten_idx, app.knowledge_documents_file_idx")
    op.execute("alter table app.knowledge_documents drop column recut")
    op.execute("reset role")
