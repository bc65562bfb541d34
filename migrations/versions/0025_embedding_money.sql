set local role fabula_owner;

-- What was kept until now has been counted, or belongs to nobody any more.
ALTER TABLE app.knowledge_embeddings
    ADD COLUMN cost_micros BIGINT DEFAULT '0' NOT NULL,
    ADD COLUMN channel_id UUID,
    ADD COLUMN price_id UUID,
    ADD COLUMN unbilled BOOLEAN DEFAULT 'false' NOT NULL,
    ADD CONSTRAINT knowledge_embeddings_cost_check CHECK (cost_micros >= 0);

CREATE INDEX knowledge_embeddings_unbilled_idx ON app.knowledge_embeddings (tenant_id, owner) WHERE unbilled;

ALTER TABLE app.knowledge_documents
    ADD COLUMN embedded_channel_id UUID,
    ADD COLUMN embedded_price_id UUID;

ALTER TABLE app.jobs DROP CONSTRAINT jobs_kind_check;
ALTER TABLE app.jobs ADD CONSTRAINT jobs_kind_check
    CHECK (kind in ('generation.chapter', 'generation.message', 'conversation.title', 'conversation.summary', 'knowledge.ingest', 'knowledge.search'));

reset role;
