"""Knowledge bases, their documents and chunks."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    # Jobs of the kind that goes are terminal rows, which are frozen: they stay, and the check passes over them.
    op.execute("alter table app.jobs drop constraint jobs_kind_check")
    op.execute("alter table app.jobs add constraint jobs_kind_check check (kind in ('generation.chapter')) not valid")
    op.execute("drop table app.knowledge_chunks, app.knowledge_documents, app.knowledge_bases")
