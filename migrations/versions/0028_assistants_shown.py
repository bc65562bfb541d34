"""Words of colleagues stay among them, drafts are their makers', and the platform takes assistants off the market."""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0028"
down_revision = "0027"

_COLUMNS = (
    "app.assistant_marks drop column said_in_public",
    "app.assistants drop column published_version_id",
    "app.public_assistants drop column removed_at",
)


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    before = Path(__file__).with_name("0021_assistants.sql").read_text(encoding="utf-8")
    op.execute("set local role fabula_owner")
    for name in ("mark_assistant", "reviews_of", "publish_assistant"):
        found = re.search(rf"create (function app\.{name}\(.*?\n(?:end )?\$\$);", before, re.DOTALL)
        assert found is not None
        op.get_bind().exec_driver_sql(f"create or replace {found[1]}")
    for change in _COLUMNS:
        op.execute(f"alter table {change}")
    op.execute("reset role")
