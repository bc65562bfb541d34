"""Payments: what tenants pay, what they pay with, what is paid back, and top-ups without being asked."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("drop table app.payment_events, app.automatic_top_ups, app.payment_refunds")
    op.execute("drop table app.payment_methods, app.payment_customers, app.payments")
    op.execute("drop function app.check_payment(), app.check_refund()")
