set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.conversation_groups (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    owner_id UUID NOT NULL,
    name TEXT NOT NULL,
    position TEXT COLLATE "C" NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT conversation_groups_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT conversation_groups_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX conversation_groups_tenant_id_owner_id_position_id_idx ON app.conversation_groups (tenant_id, owner_id, position, id);

CREATE TABLE app.conversations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    created_by UUID NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    titled BOOLEAN DEFAULT false NOT NULL,
    topic TEXT DEFAULT '' NOT NULL,
    group_id UUID,
    project_id UUID,
    knowledge_base_ids JSONB DEFAULT '[]' NOT NULL,
    channel_id UUID,
    model TEXT,
    assistant_version_id UUID,
    pinned BOOLEAN DEFAULT false NOT NULL,
    active_leaf_id UUID,
    context_policy JSONB DEFAULT '{}' NOT NULL,
    summary TEXT DEFAULT '' NOT NULL,
    summary_upto UUID,
    title_job_id UUID,
    summary_job_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT conversations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT conversations_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id),
    CONSTRAINT conversations_tenant_id_group_id_fkey FOREIGN KEY(tenant_id, group_id) REFERENCES app.conversation_groups (tenant_id, id),
    CONSTRAINT conversations_tenant_id_project_id_fkey FOREIGN KEY(tenant_id, project_id) REFERENCES app.projects (tenant_id, id),
    CONSTRAINT conversations_tenant_id_title_job_id_fkey FOREIGN KEY(tenant_id, title_job_id) REFERENCES app.jobs (tenant_id, id),
    CONSTRAINT conversations_tenant_id_summary_job_id_fkey FOREIGN KEY(tenant_id, summary_job_id) REFERENCES app.jobs (tenant_id, id)
);

CREATE INDEX conversations_tenant_id_created_by_updated_at_id_idx ON app.conversations (tenant_id, created_by, updated_at, id);

CREATE INDEX conversations_tenant_id_group_id_idx ON app.conversations (tenant_id, group_id);

CREATE TABLE app.messages (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    parent_id UUID,
    depth INTEGER NOT NULL,
    role TEXT NOT NULL,
    text TEXT DEFAULT '' NOT NULL,
    parts JSONB DEFAULT '[]' NOT NULL,
    state TEXT DEFAULT 'COMPLETE' NOT NULL,
    generation_id UUID,
    edited_from_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    tsv TSVECTOR GENERATED ALWAYS AS (app.search_vector(text)) STORED,
    CONSTRAINT messages_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT messages_role_check CHECK (role in ('USER', 'ASSISTANT', 'SYSTEM', 'TOOL')),
    CONSTRAINT messages_state_check CHECK (state in ('PENDING', 'STREAMING', 'COMPLETE', 'CANCELLED', 'TRUNCATED', 'FAILED')),
    CONSTRAINT messages_depth_check CHECK (depth >= 0 and (depth = 0) = (parent_id is null)),
    CONSTRAINT messages_tenant_id_conversation_id_fkey FOREIGN KEY(tenant_id, conversation_id) REFERENCES app.conversations (tenant_id, id),
    CONSTRAINT messages_tenant_id_parent_id_fkey FOREIGN KEY(tenant_id, parent_id) REFERENCES app.messages (tenant_id, id),
    CONSTRAINT messages_tenant_id_edited_from_id_fkey FOREIGN KEY(tenant_id, edited_from_id) REFERENCES app.messages (tenant_id, id)
);

CREATE INDEX messages_tenant_id_conversation_id_id_idx ON app.messages (tenant_id, conversation_id, id);

CREATE INDEX messages_tenant_id_parent_id_id_idx ON app.messages (tenant_id, parent_id, id);

CREATE INDEX messages_tsv_idx ON app.messages USING gin (tsv);

CREATE TABLE app.citations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    message_id UUID NOT NULL,
    rank INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    start_char INTEGER NOT NULL,
    end_char INTEGER NOT NULL,
    chunk_id UUID NOT NULL,
    document_id UUID NOT NULL,
    quote TEXT NOT NULL,
    span_start INTEGER NOT NULL,
    span_end INTEGER NOT NULL,
    CONSTRAINT citations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT citations_place_check CHECK (0 <= start_char and start_char < end_char),
    CONSTRAINT citations_span_check CHECK (0 <= span_start and span_start < span_end),
    CONSTRAINT citations_tenant_id_message_id_fkey FOREIGN KEY(tenant_id, message_id) REFERENCES app.messages (tenant_id, id),
    CONSTRAINT citations_tenant_id_document_id_fkey FOREIGN KEY(tenant_id, document_id) REFERENCES app.knowledge_documents (tenant_id, id)
);

CREATE UNIQUE INDEX citations_tenant_id_message_id_rank_idx ON app.citations (tenant_id, message_id, rank);

CREATE TABLE app.conversation_shares (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    conversation_id UUID NOT NULL,
    leaf_id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    created_by UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT conversation_shares_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT conversation_shares_tenant_id_conversation_id_fkey FOREIGN KEY(tenant_id, conversation_id) REFERENCES app.conversations (tenant_id, id),
    CONSTRAINT conversation_shares_tenant_id_leaf_id_fkey FOREIGN KEY(tenant_id, leaf_id) REFERENCES app.messages (tenant_id, id)
);

CREATE INDEX conversation_shares_tenant_id_conversation_id_idx ON app.conversation_shares (tenant_id, conversation_id);

CREATE UNIQUE INDEX conversation_shares_tenant_id_token_hash_idx ON app.conversation_shares (tenant_id, token_hash);

ALTER TABLE app.generations
    ALTER COLUMN project_id DROP NOT NULL,
    ALTER COLUMN node_id DROP NOT NULL,
    ADD COLUMN message_id UUID,
    ADD COLUMN owner_id UUID,
    ADD COLUMN evidence JSONB DEFAULT '[]' NOT NULL,
    ADD COLUMN purpose TEXT DEFAULT 'TEXT' NOT NULL,
    ADD CONSTRAINT generations_purpose_check CHECK (purpose in ('TEXT', 'TITLE', 'SUMMARY')),
    ADD CONSTRAINT generations_chore_check CHECK (purpose = 'TEXT' or message_id is not null),
    ADD CONSTRAINT generations_target_check CHECK ((node_id is null) <> (message_id is null)),
    ADD CONSTRAINT generations_project_check CHECK ((node_id is null) = (project_id is null)),
    ADD CONSTRAINT generations_owner_check CHECK ((message_id is null) = (owner_id is null)),
    ADD CONSTRAINT generations_tenant_id_message_id_fkey FOREIGN KEY(tenant_id, message_id) REFERENCES app.messages (tenant_id, id);

CREATE INDEX generations_of_message_idx ON app.generations (tenant_id, message_id, id);

ALTER TABLE app.messages
    ADD CONSTRAINT messages_tenant_id_generation_id_fkey FOREIGN KEY(tenant_id, generation_id) REFERENCES app.generations (tenant_id, id);

ALTER TABLE app.conversations
    ADD CONSTRAINT conversations_tenant_id_active_leaf_id_fkey FOREIGN KEY(tenant_id, active_leaf_id) REFERENCES app.messages (tenant_id, id);

ALTER TABLE app.jobs DROP CONSTRAINT jobs_kind_check;
ALTER TABLE app.jobs ADD CONSTRAINT jobs_kind_check
    CHECK (kind in ('generation.chapter', 'generation.message', 'conversation.title', 'conversation.summary', 'knowledge.ingest'));

do $$
declare name text;
begin
    foreach name in array array['conversation_groups', 'conversations', 'messages', 'citations', 'conversation_shares'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update on app.conversations, app.messages, app.conversation_shares to fabula_app;
grant select, insert, update, delete on app.conversation_groups to fabula_app;
grant select, insert on app.citations to fabula_app;

reset role;
