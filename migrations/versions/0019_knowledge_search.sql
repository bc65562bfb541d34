-- A trusted extension: whoever may create in the database may have it.
create extension if not exists vector with schema public;

set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.knowledge_embeddings (
    tenant_id UUID NOT NULL,
    text_hash BYTEA NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    vector HALFVEC,
    owner UUID NOT NULL,
    claimed_until TIMESTAMP WITH TIME ZONE NOT NULL,
    tokens INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT knowledge_embeddings_pkey PRIMARY KEY (tenant_id, text_hash, model, dimensions),
    CONSTRAINT knowledge_embeddings_vector_check CHECK (vector is null or vector_dims(vector) = dimensions),
    CONSTRAINT knowledge_embeddings_tokens_check CHECK (tokens >= 0),
    CONSTRAINT knowledge_embeddings_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.chunk_vectors (
    tenant_id UUID NOT NULL,
    chunk_id UUID NOT NULL,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    base_id UUID NOT NULL,
    document_id UUID NOT NULL,
    enabled BOOLEAN NOT NULL,
    vector HALFVEC NOT NULL,
    CONSTRAINT chunk_vectors_pkey PRIMARY KEY (tenant_id, chunk_id, model, dimensions),
    CONSTRAINT chunk_vectors_vector_check CHECK (vector_dims(vector) = dimensions),
    CONSTRAINT chunk_vectors_tenant_id_chunk_id_fkey FOREIGN KEY(tenant_id, chunk_id)
        REFERENCES app.knowledge_chunks (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX chunk_vectors_tenant_id_base_id_model_idx ON app.chunk_vectors (tenant_id, base_id, model);

CREATE INDEX chunk_vectors_tenant_id_document_id_idx ON app.chunk_vectors (tenant_id, document_id);

-- Vectors of one length are compared in one index; which tenant's they are is told after it.
CREATE INDEX chunk_vectors_near_384_idx ON app.chunk_vectors
    USING hnsw ((vector::halfvec(384)) halfvec_cosine_ops) WHERE dimensions = 384;
CREATE INDEX chunk_vectors_near_512_idx ON app.chunk_vectors
    USING hnsw ((vector::halfvec(512)) halfvec_cosine_ops) WHERE dimensions = 512;
CREATE INDEX chunk_vectors_near_768_idx ON app.chunk_vectors
    USING hnsw ((vector::halfvec(768)) halfvec_cosine_ops) WHERE dimensions = 768;
CREATE INDEX chunk_vectors_near_1024_idx ON app.chunk_vectors
    USING hnsw ((vector::halfvec(1024)) halfvec_cosine_ops) WHERE dimensions = 1024;
CREATE INDEX chunk_vectors_near_1536_idx ON app.chunk_vectors
    USING hnsw ((vector::halfvec(1536)) halfvec_cosine_ops) WHERE dimensions = 1536;
CREATE INDEX chunk_vectors_near_3072_idx ON app.chunk_vectors
    USING hnsw ((vector::halfvec(3072)) halfvec_cosine_ops) WHERE dimensions = 3072;

-- What a job stood on stays when the document goes: the chunk is named, and not referred to.
CREATE TABLE app.knowledge_evidence (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    alias TEXT COLLATE "C" NOT NULL,
    place INTEGER NOT NULL,
    chunk_id UUID NOT NULL,
    document_id UUID NOT NULL,
    quote TEXT NOT NULL,
    start_char INTEGER NOT NULL,
    end_char INTEGER NOT NULL,
    used BOOLEAN DEFAULT 'false' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT knowledge_evidence_pkey PRIMARY KEY (tenant_id, job_id, alias),
    CONSTRAINT knowledge_evidence_place_check CHECK (place >= 1),
    CONSTRAINT knowledge_evidence_span_check CHECK (0 <= start_char and start_char < end_char),
    CONSTRAINT knowledge_evidence_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id),
    CONSTRAINT knowledge_evidence_tenant_id_document_id_fkey FOREIGN KEY(tenant_id, document_id)
        REFERENCES app.knowledge_documents (tenant_id, id)
);

do $$
declare name text;
begin
    foreach name in array array['knowledge_embeddings', 'chunk_vectors', 'knowledge_evidence'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update, delete on app.knowledge_embeddings, app.chunk_vectors, app.knowledge_evidence to fabula_app;

reset role;
