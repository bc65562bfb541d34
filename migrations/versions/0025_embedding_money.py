"""What embedding cost is kept with the vectors until a job has counted it; searches that ask a provider are jobs."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("alter table app.jobs drop constraint jobs_kind_check")
    op.execute(
        "alter table app.jobs add constraint jobs_kind_check check (kind in ('generation.chapter', "
        "'generation.message', 'conversation.title', 'conversation.summary', 'knowledge.ingest')) not valid"
    )
    op.execute("alter table app.knowledge_documents drop column embedded_channel_id, drop column embedded_price_id")
    op.execute(
        "alter table app.knowledge_embeddings drop column cost_micros, drop column channel_id, "
        "drop column price_id, drop column unbilled"
    )
    op.execute("reset role")
