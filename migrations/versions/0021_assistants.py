"""Assistants with versions, what is published of them, and what people say of that."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("drop table app.assistant_installs, app.assistant_reports, app.assistant_marks")
    op.execute("drop table app.public_assistant_versions, app.public_assistants")
    op.execute("drop table app.assistant_versions, app.assistants")
    for function in (
        "require_member(uuid)", "require_assistant(uuid)", "count_for_assistant(uuid, integer, integer, integer, integer, integer)",
        "mark_assistant(uuid, uuid, boolean, boolean, integer, text)", "marks_of(uuid, uuid[])", "reviews_of(uuid[], integer)",
        "report_assistant(uuid, uuid, text, text)", "count_assistant_conversation(uuid)", "count_install()",
        "publish_assistant(uuid, uuid, jsonb, jsonb)", "withdraw_assistant(uuid)",
    ):  # fmt: skip
        op.execute(f"drop function app.{function}")
