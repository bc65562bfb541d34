"""Which protocols the channels of all tenants speak: a worker loads what their first calls would wait for."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"

_UP = (
    "set local role fabula_owner",
    """create function app.provider_kinds() returns setof text
    language sql stable security definer set search_path = '' as $$
        select distinct provider from app.channels where enabled and deleted_at is null
    $$""",
    "revoke all on function app.provider_kinds() from public",
    "grant execute on function app.provider_kinds() to fabula_app",
    "grant select (provider, enabled, deleted_at) on app.channels to fabula_members",
    "grant create on schema app to fabula_members",
    "reset role",
    "alter function app.provider_kinds() owner to fabula_members",
    "set local role fabula_owner",
    "revoke create on schema app from fabula_members",
    "reset role",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop function app.provider_kinds()")
    op.execute("revoke select (provider, enabled, deleted_at) on app.channels from fabula_members")
