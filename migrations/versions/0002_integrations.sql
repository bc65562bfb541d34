set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.client_apps (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    mode TEXT NOT NULL,
    allowed_origins JSONB DEFAULT '[]' NOT NULL,
    scopes JSONB NOT NULL,
    cost_budget INTEGER,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT client_apps_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT client_apps_mode_check CHECK (mode in ('LOG', 'PREFER', 'REQUIRE')),
    CONSTRAINT client_apps_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.trusted_documents (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    client_app_id UUID NOT NULL,
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    cost INTEGER NOT NULL,
    scopes JSONB NOT NULL,
    fields JSONB NOT NULL,
    fingerprint TEXT NOT NULL,
    use_count BIGINT DEFAULT '0' NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    first_used_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT trusted_documents_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT trusted_documents_is_its_hash_check CHECK (hash = encode(sha256(convert_to(text, 'UTF8')), 'hex')),
    CONSTRAINT trusted_documents_tenant_id_client_app_id_fkey FOREIGN KEY(tenant_id, client_app_id) REFERENCES app.client_apps (tenant_id, id)
);

CREATE UNIQUE INDEX trusted_documents_tenant_id_client_app_id_hash_idx ON app.trusted_documents (tenant_id, client_app_id, hash);

CREATE TABLE app.platform_documents (
    hash TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    cost INTEGER NOT NULL,
    scopes JSONB NOT NULL,
    fields JSONB NOT NULL,
    fingerprint TEXT NOT NULL,
    bundled BOOLEAN DEFAULT false NOT NULL,
    registered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT platform_documents_pkey PRIMARY KEY (hash),
    CONSTRAINT platform_documents_is_its_hash_check CHECK (hash = encode(sha256(convert_to(text, 'UTF8')), 'hex'))
);

CREATE TABLE app.schema_uses (
    tenant_id UUID NOT NULL,
    day DATE NOT NULL,
    client_app_id UUID NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    uses BIGINT NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT schema_uses_pkey PRIMARY KEY (tenant_id, day, client_app_id, kind, name),
    CONSTRAINT schema_uses_kind_check CHECK (kind in ('DOCUMENT', 'FREE_TEXT', 'FIELD')),
    CONSTRAINT schema_uses_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

ALTER TABLE app.api_tokens ADD COLUMN client_app_id UUID;

ALTER TABLE app.api_tokens ADD CONSTRAINT api_tokens_tenant_id_client_app_id_fkey FOREIGN KEY(tenant_id, client_app_id) REFERENCES app.client_apps (tenant_id, id);

CREATE INDEX api_tokens_tenant_id_client_app_id_idx ON app.api_tokens (tenant_id, client_app_id);

do $$
declare name text;
begin
    foreach name in array array['client_apps', 'trusted_documents', 'schema_uses'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

-- A page's origin is asked about before its token is known: only which origins some application allows, not whose.
create policy members on app.client_apps for select to fabula_members using (true);
grant select (tenant_id, id, allowed_origins, deleted_at) on app.client_apps to fabula_members;

create function app.known_origins() returns setof text
language sql stable security definer set search_path = '' as $$
    select distinct origin from app.client_apps, jsonb_array_elements_text(allowed_origins) as origin
    where deleted_at is null
$$;

-- An operator names an application by its id alone.
create function app.tenant_of_client_app(wanted uuid) returns uuid
language sql stable security definer set search_path = '' as $$
    select tenant_id from app.client_apps where id = wanted and deleted_at is null
$$;

revoke all on function app.known_origins(), app.tenant_of_client_app(uuid) from public;
grant execute on function app.known_origins(), app.tenant_of_client_app(uuid) to fabula_app;

grant select, insert, update on app.client_apps, app.trusted_documents, app.schema_uses to fabula_app;
grant delete on app.schema_uses to fabula_app;
grant select on app.platform_documents to fabula_app;

grant create on schema app to fabula_members;
reset role;
alter function app.known_origins() owner to fabula_members;
alter function app.tenant_of_client_app(uuid) owner to fabula_members;
set local role fabula_owner;
revoke create on schema app from fabula_members;
reset role;
