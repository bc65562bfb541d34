"""Generations with a limit on what they may cost."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("alter table app.generations add column max_cost_micros bigint")
    op.execute("alter table app.generations add constraint generations_max_cost_check check (max_cost_micros > 0)")
    op.execute("reset role")


def downgrade() -> None:
    op.execute("alter table app.generations drop column max_cost_micros")
