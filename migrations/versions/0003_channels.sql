set local role fabula_owner;

select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

-- What was the operator's becomes the platform's: rows of the tenant that is no tenant.
ALTER TABLE app.channels
    DROP CONSTRAINT channels_pkey,
    DROP CONSTRAINT channels_name_key,
    DROP CONSTRAINT channels_provider_check,
    ADD COLUMN tenant_id UUID DEFAULT '00000000-0000-0000-0000-000000000000' NOT NULL,
    ADD COLUMN offers JSONB DEFAULT '[]' NOT NULL,
    ADD COLUMN sealed_key BYTEA,
    ADD COLUMN options JSONB DEFAULT '{}' NOT NULL,
    ADD COLUMN groups JSONB DEFAULT '[]' NOT NULL,
    ADD COLUMN region TEXT DEFAULT '' NOT NULL,
    ADD COLUMN weight INTEGER DEFAULT '1' NOT NULL,
    ADD COLUMN priority INTEGER DEFAULT '0' NOT NULL,
    ADD COLUMN requests_per_minute INTEGER,
    ADD COLUMN tokens_per_minute INTEGER,
    ADD COLUMN concurrency INTEGER,
    ADD COLUMN cancel_policy TEXT DEFAULT 'UNKNOWN' NOT NULL,
    ADD COLUMN cancel_measured_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ADD COLUMN updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ADD COLUMN deleted_at TIMESTAMP WITH TIME ZONE;

-- Names of secrets were those of settings; the next start writes them as references.
update app.channels set
    options = '{"from": "environment"}',
    secret_ref = null,
    offers = jsonb_build_array(jsonb_build_object(
        'name', model, 'upstream', model, 'context_window', context_window, 'max_output_tokens', null));

ALTER TABLE app.channels
    ALTER COLUMN tenant_id DROP DEFAULT,
    ALTER COLUMN offers DROP DEFAULT,
    DROP COLUMN model,
    DROP COLUMN context_window,
    ADD CONSTRAINT channels_pkey PRIMARY KEY (tenant_id, id),
    ADD CONSTRAINT channels_provider_check CHECK (provider in ('OPENAI_COMPATIBLE', 'DASHSCOPE', 'DEMO')),
    ADD CONSTRAINT channels_cancel_policy_check CHECK (cancel_policy in ('CANCEL', 'DRAIN', 'UNKNOWN')),
    ADD CONSTRAINT channels_one_key_check CHECK (secret_ref is null or sealed_key is null),
    ADD CONSTRAINT channels_weight_check CHECK (weight >= 0);

CREATE UNIQUE INDEX channels_default_idx ON app.channels (tenant_id) WHERE is_default AND deleted_at IS NULL;

CREATE TABLE app.routing_policies (
    tenant_id UUID NOT NULL,
    policy JSONB NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT routing_policies_pkey PRIMARY KEY (tenant_id)
);

ALTER TABLE app.generations ADD COLUMN pinned BOOLEAN DEFAULT false NOT NULL;
ALTER TABLE app.attempts ADD COLUMN channel_id UUID, ADD COLUMN decision JSONB;

do $$
declare name text;
begin
    foreach name in array array['channels', 'routing_policies'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
        -- Everybody goes by the platform's; who may change them stands in its place.
        execute format(
            'create policy platform on app.%I for select to fabula_app, fabula_owner '
            'using (tenant_id = ''00000000-0000-0000-0000-000000000000'')', name);
    end loop;
end $$;

-- For a change of the key that channels' keys are sealed with: which tenants have any, and nothing else of them.
create policy members on app.channels for select to fabula_members using (true);
grant select (tenant_id, sealed_key) on app.channels to fabula_members;

create function app.tenants_with_sealed_keys() returns setof uuid
language sql stable security definer set search_path = '' as $$
    select distinct tenant_id from app.channels where sealed_key is not null
$$;

revoke all on function app.tenants_with_sealed_keys() from public;
grant execute on function app.tenants_with_sealed_keys() to fabula_app;
grant select, insert, update on app.channels, app.routing_policies to fabula_app;

grant create on schema app to fabula_members;
reset role;
alter function app.tenants_with_sealed_keys() owner to fabula_members;
set local role fabula_owner;
revoke create on schema app from fabula_members;
reset role;
