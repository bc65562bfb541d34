"""Integrations: client applications, trusted documents, what of the schema is used."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("alter table app.api_tokens drop column client_app_id")
    op.execute("drop table app.schema_uses, app.platform_documents, app.trusted_documents")
    op.execute("drop function app.known_origins(), app.tenant_of_client_app(uuid)")
    op.execute("drop table app.client_apps")
