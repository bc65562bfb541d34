"""Conversations: messages as a tree, what answers cite, links to read along; and generations that write messages."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute(
        "alter table app.generations drop column message_id, drop column owner_id, drop column evidence, drop column purpose"
    )
    op.execute("alter table app.generations alter node_id set not null, alter project_id set not null")
    op.execute("alter table app.conversations drop constraint conversations_tenant_id_active_leaf_id_fkey")
    op.execute("drop table app.conversation_shares, app.citations, app.messages, app.conversations")
    op.execute("drop table app.conversation_groups")
    op.execute("reset role")
