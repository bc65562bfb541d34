"""Invoices: items, invoices without gaps in their numbers, credit notes, whom they are for."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("drop policy relay on app.usage_days")
    op.execute("revoke select on app.usage_days from fabula_relay")
    op.execute(
        "drop table app.invoice_counters, app.billing_details, app.credit_notes, app.invoice_items, app.invoices"
    )
    op.execute("drop function app.next_number, app.keep_invoice, app.keep_item, app.check_invoice, app.check_credit")
