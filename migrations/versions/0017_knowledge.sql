set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

ALTER TABLE app.jobs DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind in ('generation.chapter', 'knowledge.ingest'));

CREATE TABLE app.knowledge_bases (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    scope TEXT DEFAULT 'TENANT' NOT NULL,
    project_id UUID,
    owner_id UUID NOT NULL,
    embedding_model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    chunk_policy JSONB NOT NULL,
    retrieval_policy JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT knowledge_bases_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT knowledge_bases_scope_check CHECK (scope in ('TENANT', 'PROJECT', 'USER')),
    CONSTRAINT knowledge_bases_project_check CHECK ((scope = 'PROJECT') = (project_id is not null)),
    CONSTRAINT knowledge_bases_dimensions_check CHECK (dimensions > 0),
    CONSTRAINT knowledge_bases_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id),
    CONSTRAINT knowledge_bases_tenant_id_project_id_fkey FOREIGN KEY(tenant_id, project_id) REFERENCES app.projects (tenant_id, id)
);

CREATE INDEX knowledge_bases_tenant_id_project_id_idx ON app.knowledge_bases (tenant_id, project_id);

CREATE TABLE app.knowledge_documents (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    base_id UUID NOT NULL,
    file_id UUID,
    title TEXT NOT NULL,
    mime TEXT NOT NULL,
    content_hash BYTEA NOT NULL,
    state TEXT DEFAULT 'PENDING' NOT NULL,
    progress INTEGER DEFAULT '0' NOT NULL,
    error_code TEXT,
    error_message TEXT,
    job_id UUID,
    language TEXT,
    text TEXT DEFAULT '' NOT NULL,
    pages JSONB DEFAULT '[]' NOT NULL,
    characters INTEGER DEFAULT '0' NOT NULL,
    chunk_count INTEGER DEFAULT '0' NOT NULL,
    version INTEGER DEFAULT '0' NOT NULL,
    embedded_tokens BIGINT DEFAULT '0' NOT NULL,
    embedded_micros BIGINT DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ready_at TIMESTAMP WITH TIME ZONE,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT knowledge_documents_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT knowledge_documents_state_check CHECK (state in ('PENDING', 'PARSING', 'CHUNKING', 'EMBEDDING', 'READY', 'FAILED')),
    CONSTRAINT knowledge_documents_progress_check CHECK (progress between 0 and 100),
    CONSTRAINT knowledge_documents_error_check CHECK ((state = 'FAILED') = (error_code is not null)),
    CONSTRAINT knowledge_documents_counts_check CHECK (least(characters, chunk_count, version, embedded_tokens, embedded_micros) >= 0),
    CONSTRAINT knowledge_documents_tenant_id_base_id_fkey FOREIGN KEY(tenant_id, base_id) REFERENCES app.knowledge_bases (tenant_id, id),
    CONSTRAINT knowledge_documents_tenant_id_file_id_fkey FOREIGN KEY(tenant_id, file_id) REFERENCES app.files (tenant_id, id),
    CONSTRAINT knowledge_documents_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id)
);

CREATE UNIQUE INDEX knowledge_documents_one_live_idx ON app.knowledge_documents (tenant_id, base_id, content_hash)
    WHERE deleted_at IS NULL;

CREATE INDEX knowledge_documents_tenant_id_base_id_id_idx ON app.knowledge_documents (tenant_id, base_id, id);

CREATE INDEX knowledge_documents_tenant_id_job_id_idx ON app.knowledge_documents (tenant_id, job_id);

CREATE TABLE app.knowledge_chunks (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    base_id UUID NOT NULL,
    document_id UUID NOT NULL,
    position INTEGER NOT NULL,
    heading_path JSONB NOT NULL,
    text TEXT NOT NULL,
    start_char INTEGER NOT NULL,
    end_char INTEGER NOT NULL,
    page INTEGER,
    tokens INTEGER NOT NULL,
    enabled BOOLEAN DEFAULT 'true' NOT NULL,
    edited BOOLEAN DEFAULT 'false' NOT NULL,
    indexed BOOLEAN DEFAULT 'false' NOT NULL,
    text_hash BYTEA NOT NULL,
    tsv TSVECTOR GENERATED ALWAYS AS (app.search_vector(text)) STORED,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT knowledge_chunks_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT knowledge_chunks_tenant_id_document_id_position_key UNIQUE (tenant_id, document_id, position),
    CONSTRAINT knowledge_chunks_span_check CHECK (0 <= start_char and start_char < end_char),
    CONSTRAINT knowledge_chunks_counts_check CHECK (position >= 0 and tokens >= 0),
    CONSTRAINT knowledge_chunks_tenant_id_base_id_fkey FOREIGN KEY(tenant_id, base_id) REFERENCES app.knowledge_bases (tenant_id, id),
    CONSTRAINT knowledge_chunks_tenant_id_document_id_fkey FOREIGN KEY(tenant_id, document_id) REFERENCES app.knowledge_documents (tenant_id, id)
);

CREATE INDEX knowledge_chunks_tenant_id_base_id_idx ON app.knowledge_chunks (tenant_id, base_id);

CREATE INDEX knowledge_chunks_tsv_idx ON app.knowledge_chunks USING gin (tsv);

do $$
declare name text;
begin
    foreach name in array array['knowledge_bases', 'knowledge_documents', 'knowledge_chunks'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update on app.knowledge_bases, app.knowledge_documents to fabula_app;
grant select, insert, update, delete on app.knowledge_chunks to fabula_app;

reset role;
