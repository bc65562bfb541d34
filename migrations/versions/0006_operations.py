"""Operations: audit log, notifications, mail, webhooks, schedules."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("drop policy relay on app.idempotency_keys")
    op.execute("revoke select (tenant_id, created_at) on app.idempotency_keys from fabula_relay")
    op.execute("drop table app.schedules, app.webhook_deliveries, app.webhook_endpoints")
    op.execute("drop table app.mails, app.notifications, app.audit_entries")
