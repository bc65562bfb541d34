set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

ALTER TABLE app.jobs DROP CONSTRAINT jobs_kind_check,
    ADD CONSTRAINT jobs_kind_check CHECK (kind in ('generation.chapter', 'generation.message', 'conversation.title', 'conversation.summary', 'knowledge.ingest', 'knowledge.search', 'knowledge.reembed'));

ALTER TABLE app.knowledge_bases
    ADD COLUMN next_model TEXT,
    ADD COLUMN next_dimensions INTEGER,
    ADD COLUMN job_id UUID,
    ADD COLUMN embedded_tokens BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN embedded_micros BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN embedded_channel_id UUID,
    ADD COLUMN embedded_price_id UUID,
    ADD CONSTRAINT knowledge_bases_next_check CHECK ((next_model is null) = (next_dimensions is null)),
    ADD CONSTRAINT knowledge_bases_counts_check CHECK (least(embedded_tokens, embedded_micros) >= 0),
    ADD CONSTRAINT knowledge_bases_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id);

CREATE INDEX knowledge_bases_tenant_id_job_id_idx ON app.knowledge_bases (tenant_id, job_id);

-- Of the text that a vector was made of. Null in rows that were written before: of those it is not told.
ALTER TABLE app.chunk_vectors ADD COLUMN text_hash BYTEA;

-- A base's chunks are gone through in the order of their ids.
CREATE INDEX knowledge_chunks_tenant_id_base_id_id_idx ON app.knowledge_chunks (tenant_id, base_id, id);
DROP INDEX app.knowledge_chunks_tenant_id_base_id_idx;

reset role;
