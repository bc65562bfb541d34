"""Messages can be deleted, and conversations that were deleted long ago are purged."""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("alter table app.messages add column deleted_at timestamptz")
    op.execute("alter table app.conversations add column purged_at timestamptz, drop column titled")
    op.execute(
        "create index messages_roots_idx on app.messages (tenant_id, conversation_id, id) where parent_id is null"
    )
    op.execute(
        "create index conversations_to_purge_idx on app.conversations (deleted_at) "
        "where deleted_at is not null and purged_at is null"
    )
    op.execute("grant delete on app.citations to fabula_app")
    op.execute("create policy relay on app.conversations for select to fabula_relay using (true)")
    op.execute("grant select (tenant_id, deleted_at, purged_at) on app.conversations to fabula_relay")
    op.execute("reset role")


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    op.execute("drop policy relay on app.conversations")
    op.execute("revoke select (tenant_id, deleted_at, purged_at) on app.conversations from fabula_relay")
    op.execute("revoke delete on app.citations from fabula_app")
    op.execute("drop index app.conversations_to_purge_idx")
    op.execute("drop index app.messages_roots_idx")
    op.execute("alter table app.conversations drop column purged_at, add column titled boolean not null default false")
    op.execute("alter table app.messages drop column deleted_at")
    op.execute("reset role")
