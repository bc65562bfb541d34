"""What an index outside PostgreSQL is fed from."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("drop trigger chunk_vectors_search_entry on app.chunk_vectors")
    op.execute("drop function app.note_search_entry()")
    op.execute("drop table app.search_entries, app.search_feeds")
    op.execute("drop policy relay on app.knowledge_bases")
    op.execute("revoke select (tenant_id) on app.knowledge_bases from fabula_relay")
