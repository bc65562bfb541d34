set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.blobs (
    tenant_id UUID NOT NULL,
    sha256 BYTEA NOT NULL,
    size BIGINT NOT NULL,
    refs INTEGER DEFAULT '0' NOT NULL,
    touched_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT blobs_pkey PRIMARY KEY (tenant_id, sha256),
    CONSTRAINT blobs_sha256_check CHECK (octet_length(sha256) = 32),
    CONSTRAINT blobs_size_check CHECK (size > 0),
    CONSTRAINT blobs_refs_check CHECK (refs >= 0),
    CONSTRAINT blobs_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX blobs_orphans_idx ON app.blobs (tenant_id, touched_at) WHERE refs = 0;

CREATE TABLE app.files (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    charset TEXT,
    size BIGINT NOT NULL,
    sha256 BYTEA NOT NULL,
    held BYTEA GENERATED ALWAYS AS (case when deleted_at is null then sha256 end) STORED,
    purpose TEXT NOT NULL,
    owner_id UUID NOT NULL,
    width INTEGER,
    height INTEGER,
    has_thumbnail BOOLEAN DEFAULT 'false' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT files_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT files_purpose_check CHECK (purpose in ('KNOWLEDGE', 'MESSAGE_IMAGE', 'AVATAR', 'ATTACHMENT')),
    CONSTRAINT files_tenant_id_held_fkey FOREIGN KEY(tenant_id, held) REFERENCES app.blobs (tenant_id, sha256),
    CONSTRAINT files_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX files_held_idx ON app.files (tenant_id, held) WHERE held IS NOT NULL;

CREATE INDEX files_live_idx ON app.files (tenant_id, purpose, id) WHERE deleted_at IS NULL;

CREATE TABLE app.uploads (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    owner_id UUID NOT NULL,
    purpose TEXT NOT NULL,
    name TEXT NOT NULL,
    size BIGINT NOT NULL,
    state TEXT NOT NULL,
    sha256 BYTEA,
    file_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT uploads_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT uploads_purpose_check CHECK (purpose in ('KNOWLEDGE', 'MESSAGE_IMAGE', 'AVATAR', 'ATTACHMENT')),
    CONSTRAINT uploads_state_check CHECK (state in ('PENDING', 'COMPLETED')),
    CONSTRAINT uploads_size_check CHECK (size > 0),
    CONSTRAINT uploads_completed_check CHECK ((state = 'COMPLETED') = (file_id is not null and sha256 is not null)),
    CONSTRAINT uploads_tenant_id_file_id_fkey FOREIGN KEY(tenant_id, file_id) REFERENCES app.files (tenant_id, id),
    CONSTRAINT uploads_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX uploads_expiry_idx ON app.uploads (tenant_id, expires_at);

CREATE INDEX uploads_owner_idx ON app.uploads (tenant_id, owner_id) WHERE state = 'PENDING';

do $$
declare name text;
begin
    foreach name in array array['blobs', 'files', 'uploads'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update on app.files to fabula_app;
grant select, insert, update, delete on app.blobs, app.uploads to fabula_app;

-- The relay finds in which tenants something is to be swept. It sees no names and no hashes.
create policy relay on app.uploads for select to fabula_relay using (true);
create policy relay on app.blobs for select to fabula_relay using (true);
grant select (tenant_id, expires_at) on app.uploads to fabula_relay;
grant select (tenant_id, refs, touched_at) on app.blobs to fabula_relay;

reset role;
