set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.feeds (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    last_seq BIGINT NOT NULL,
    CONSTRAINT feeds_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT feeds_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.feed_events (
    tenant_id UUID NOT NULL,
    feed_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    type TEXT NOT NULL,
    data JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT feed_events_pkey PRIMARY KEY (tenant_id, feed_id, seq),
    CONSTRAINT feed_events_tenant_id_feed_id_fkey FOREIGN KEY(tenant_id, feed_id) REFERENCES app.feeds (tenant_id, id)
);

do $$
declare name text;
begin
    foreach name in array array['feeds', 'feed_events'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update on app.feeds to fabula_app;
grant select, insert, delete on app.feed_events to fabula_app;

-- The relay finds where something is old enough to be forgotten.
create policy relay on app.feed_events for select to fabula_relay using (true);
grant select (tenant_id, created_at) on app.feed_events to fabula_relay;

reset role;
