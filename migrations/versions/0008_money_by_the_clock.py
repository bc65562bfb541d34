"""The relay finds in which tenants credit has expired and usage records are old.

Of amounts it sees one: what is left of a grant.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_UP = (
    "create policy relay on app.grants for select to fabula_relay using (true)",
    "grant select (tenant_id, left_micros, expires_at) on app.grants to fabula_relay",
    "create policy relay on app.usage_records for select to fabula_relay using (true)",
    "grant select (tenant_id, occurred_at) on app.usage_records to fabula_relay",
)


def upgrade() -> None:
    op.execute("set local role fabula_owner")
    for statement in _UP:
        op.execute(statement)
    op.execute("reset role")


def downgrade() -> None:
    for table in ("grants", "usage_records"):
        op.execute(f"drop policy relay on app.{table}")
        op.execute(f"revoke select on app.{table} from fabula_relay")
