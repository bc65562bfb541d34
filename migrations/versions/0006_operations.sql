set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.audit_entries (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    actor_kind TEXT NOT NULL,
    user_id UUID,
    api_token_id UUID,
    action TEXT NOT NULL,
    subject_type TEXT NOT NULL,
    subject_id UUID NOT NULL,
    details JSONB DEFAULT '{}' NOT NULL,
    request_id TEXT DEFAULT '' NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT audit_entries_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT audit_entries_actor_kind_check CHECK (actor_kind in ('USER', 'TOKEN', 'PLATFORM')),
    CONSTRAINT audit_entries_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX audit_entries_tenant_id_subject_id_id_idx ON app.audit_entries (tenant_id, subject_id, id);

CREATE INDEX audit_entries_tenant_id_action_id_idx ON app.audit_entries (tenant_id, action, id);

CREATE TABLE app.notifications (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    kind TEXT NOT NULL,
    params JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT notifications_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT notifications_tenant_id_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES app.memberships (tenant_id, user_id) ON DELETE CASCADE
);

CREATE INDEX notifications_tenant_id_user_id_id_idx ON app.notifications (tenant_id, user_id, id);

CREATE TABLE app.mails (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    recipient TEXT NOT NULL,
    locale TEXT NOT NULL,
    template TEXT NOT NULL,
    params JSONB DEFAULT '{}' NOT NULL,
    state TEXT DEFAULT 'QUEUED' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    sent_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT mails_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT mails_state_check CHECK (state in ('QUEUED', 'SENT', 'DEAD')),
    CONSTRAINT mails_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX mails_due_idx ON app.mails (next_try_at) WHERE state = 'QUEUED';

CREATE TABLE app.webhook_endpoints (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    url TEXT NOT NULL,
    events JSONB NOT NULL,
    secret TEXT NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    previous_secret TEXT,
    previous_until TIMESTAMP WITH TIME ZONE,
    failing_since TIMESTAMP WITH TIME ZONE,
    disabled_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT webhook_endpoints_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_endpoints_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.webhook_deliveries (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    event_id UUID NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT DEFAULT 'QUEUED' NOT NULL,
    attempts INTEGER DEFAULT '0' NOT NULL,
    next_try_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    log JSONB DEFAULT '[]' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    delivered_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_deliveries_state_check CHECK (state in ('QUEUED', 'DELIVERED', 'DEAD')),
    CONSTRAINT webhook_deliveries_tenant_id_endpoint_id_fkey FOREIGN KEY(tenant_id, endpoint_id) REFERENCES app.webhook_endpoints (tenant_id, id)
);

CREATE INDEX webhook_deliveries_tenant_id_endpoint_id_id_idx ON app.webhook_deliveries (tenant_id, endpoint_id, id);

CREATE INDEX webhook_deliveries_due_idx ON app.webhook_deliveries (next_try_at) WHERE state = 'QUEUED';

CREATE TABLE app.schedules (
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    next_run_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_run_at TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    enabled BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT schedules_pkey PRIMARY KEY (name)
);

create trigger audit_entries_append_only before update or delete on app.audit_entries
    for each row execute function app.refuse();

do $$
declare name text;
begin
    foreach name in array array['audit_entries', 'notifications', 'mails', 'webhook_endpoints', 'webhook_deliveries'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert on app.audit_entries to fabula_app;
grant select, insert, delete, update (read_at) on app.notifications to fabula_app;
grant select, insert, update, delete on app.mails, app.webhook_deliveries to fabula_app;
grant select, insert, update on app.webhook_endpoints to fabula_app;

-- The relay finds what is due; the application sends it and says what came of it, inside the tenant.
create policy relay on app.mails for select to fabula_relay using (true);
create policy relay on app.webhook_deliveries for select to fabula_relay using (true);
grant select (tenant_id, id, state, next_try_at) on app.mails, app.webhook_deliveries to fabula_relay;

-- The relay runs schedules, and finds where something is old enough to be forgotten.
grant select on app.schedules to fabula_app;
grant select, insert (name, cron, next_run_at), update (cron, next_run_at, last_run_at, last_error) on app.schedules
    to fabula_relay;
create policy relay on app.notifications for select to fabula_relay using (true);
create policy relay on app.idempotency_keys for select to fabula_relay using (true);
grant select (tenant_id, created_at) on
    app.mails, app.webhook_deliveries, app.notifications, app.idempotency_keys
    to fabula_relay;

reset role;
