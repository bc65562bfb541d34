"""A plan's version names no price group: prices are found by no group of their subscribers."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("alter table app.plan_versions drop column price_group")
    op.execute("reset role")


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("alter table app.plan_versions add column price_group text")
    op.execute("reset role")
