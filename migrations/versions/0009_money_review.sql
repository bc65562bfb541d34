set local role fabula_owner;

-- The ledger --------------------------------------------------------------------------------------------------------

create index holds_open_idx on app.holds (tenant_id) where closed_at is null;
create index ledger_entries_tenant_id_job_id_idx on app.ledger_entries (tenant_id, job_id);

-- A balance is what was posted. The triggers write it; the application may neither set one nor begin with one.
alter function app.apply_posting() security definer set search_path = '';
alter function app.lock_wallet() security definer set search_path = '';

-- A lock asks for a right to update, which nobody but the triggers has any more.
create function app.take_wallet() returns boolean
language plpgsql security definer set search_path = '' as $$
begin
    perform 1 from app.ledger_accounts
    where tenant_id = (select app.tid()) and kind = 'AVAILABLE' for no key update;
    return found;
end $$;

revoke all on function app.take_wallet() from public;
grant execute on function app.take_wallet() to fabula_app;
revoke insert, update (balance) on app.ledger_accounts from fabula_app;
grant insert (tenant_id, kind) on app.ledger_accounts to fabula_app;

-- What is forgotten -------------------------------------------------------------------------------------------------

-- Both are called until they delete nothing: no lock is held for long, however much is old.
drop function app.forget_usage(timestamp with time zone);
create function app.forget_usage(before timestamp with time zone, batch integer) returns bigint
language plpgsql security definer set search_path = '' as $$
declare deleted bigint;
begin
    delete from app.usage_records where tenant_id = (select app.tid()) and (job_id, attempt, kind) in (
        select job_id, attempt, kind from app.usage_records
        where tenant_id = (select app.tid()) and occurred_at < before limit batch);
    get diagnostics deleted = row_count;
    return deleted;
end $$;

create function app.forget_audit(before timestamp with time zone, batch integer) returns bigint
language plpgsql security definer set search_path = '' as $$
declare deleted bigint;
begin
    delete from app.audit_entries where tenant_id = (select app.tid()) and id in (
        select id from app.audit_entries where tenant_id = (select app.tid()) and at < before limit batch);
    get diagnostics deleted = row_count;
    return deleted;
end $$;

-- An entry of less than 90 days is nobody's to delete.
create function app.keep_audit() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.at < now() - interval '90 days' then
        return old;
    end if;
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = '42501';
end $$;

drop trigger audit_entries_append_only on app.audit_entries;
create trigger audit_entries_append_only before update or delete on app.audit_entries
    for each row execute function app.keep_audit();
create index audit_entries_tenant_id_at_idx on app.audit_entries (tenant_id, at);

create policy relay on app.audit_entries for select to fabula_relay using (true);
grant select (tenant_id, at) on app.audit_entries to fabula_relay;
revoke all on function app.forget_usage(timestamp with time zone, integer),
    app.forget_audit(timestamp with time zone, integer) from public;
grant execute on function app.forget_usage(timestamp with time zone, integer),
    app.forget_audit(timestamp with time zone, integer) to fabula_app;

-- Webhooks ----------------------------------------------------------------------------------------------------------

-- What was told of an endpoint that is off named its whole address, which may hold a secret: its host stays.
do $$
declare
    tenants uuid[];
    tenant uuid;
begin
    set local role fabula_members;
    select coalesce(array_agg(tenant_id), '{}') into tenants from app.tenants;
    set local role fabula_owner;
    foreach tenant in array tenants loop
        perform set_config('app.tenant_id', tenant::text, true);
        update app.mails set params = params - 'url'
            || jsonb_build_object('host', substring(params ->> 'url' from '^[a-z]+://([^/?#]+)'))
            where tenant_id = tenant and template = 'webhook_disabled' and params ? 'url';
        update app.notifications set params = params - 'url'
            || jsonb_build_object('host', substring(params ->> 'url' from '^[a-z]+://([^/?#]+)'))
            where tenant_id = tenant and kind = 'WEBHOOK_DISABLED' and params ? 'url';
    end loop;
end $$;

-- Secrets are sealed from now on. Those that stand here in clear still sign, until `channels rekey` seals them.
alter table app.webhook_endpoints
    alter column secret type bytea using convert_to(secret, 'UTF8'),
    alter column previous_secret type bytea using convert_to(previous_secret, 'UTF8');

create policy members on app.webhook_endpoints for select to fabula_members using (true);
grant select (tenant_id, deleted_at) on app.webhook_endpoints to fabula_members;

create function app.tenants_with_endpoints() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select distinct tenant_id from app.webhook_endpoints where deleted_at is null
$$;

revoke all on function app.tenants_with_endpoints() from public;
grant execute on function app.tenants_with_endpoints() to fabula_app;

grant create on schema app to fabula_members;
reset role;
alter function app.tenants_with_endpoints() owner to fabula_members;
set local role fabula_owner;
revoke create on schema app from fabula_members;
reset role;
