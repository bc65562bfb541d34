"""How freely a generation chooses its words, as an assistant prefers it."""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("alter table app.generations add column temperature double precision")
    op.execute("reset role")


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("alter table app.generations drop column temperature")
    op.execute("reset role")
