"""Balances belong to the ledger alone; secrets of webhooks are bytes, which can be sealed."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0009"
down_revision = "0008"

_FORGET_USAGE_BEFORE = """
create function app.forget_usage(before timestamp with time zone) returns bigint
language plpgsql security definer set search_path = '' as $$
declare deleted bigint;
begin
    delete from app.usage_records where tenant_id = (select app.tid()) and occurred_at < before;
    get diagnostics deleted = row_count;
    return deleted;
end $$
"""
_DOWN = (
    "drop function app.tenants_with_endpoints()",
    "drop policy members on app.webhook_endpoints",
    "revoke select (tenant_id, deleted_at) on app.webhook_endpoints from fabula_members",
    # What was sealed can only be forgotten: the version before knows no keys.
    "alter table app.webhook_endpoints "
    "alter column secret type text using case when get_byte(secret || '\\x00', 0) = 119 "
    "then convert_from(secret, 'UTF8') else '' end, "
    "alter column previous_secret type text using null",
    "drop function app.forget_usage(timestamp with time zone, integer)",
    "drop function app.forget_audit(timestamp with time zone, integer)",
    _FORGET_USAGE_BEFORE,
    "revoke all on function app.forget_usage(timestamp with time zone) from public",
    "grant execute on function app.forget_usage(timestamp with time zone) to fabula_app",
    "drop trigger audit_entries_append_only on app.audit_entries",
    "create trigger audit_entries_append_only before update or delete on app.audit_entries "
    "for each row execute function app.refuse()",
    "drop function app.keep_audit()",
    "drop policy relay on app.audit_entries",
    "revoke select (tenant_id, at) on app.audit_entries from fabula_relay",
    "drop index app.audit_entries_tenant_id_at_idx",
    "drop index app.holds_open_idx, app.ledger_entries_tenant_id_job_id_idx",
    "drop function app.take_wallet()",
    "alter function app.apply_posting() security invoker",
    "alter function app.lock_wallet() security invoker",
    "revoke insert (tenant_id, kind) on app.ledger_accounts from fabula_app",
    "grant insert, update (balance) on app.ledger_accounts to fabula_app",
)


def upgrade() -> None:
    script = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    connection = op.get_bind()
    connection.execute(text("select 1"))  # opens the transaction that the script below runs in
    connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(script))  # type: ignore[union-attr]


def downgrade() -> None:
    op.execute("set local role fabula_owner")
    for statement in _DOWN:
        op.execute(statement)
    op.execute("reset role")
