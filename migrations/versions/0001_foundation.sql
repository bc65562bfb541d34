-- Roles. The owner cannot log in; the application owns nothing and cannot bypass row security;
-- the relay sees named columns of two tables.
do $$
declare role_name text;
begin
    foreach role_name in array array['fabula_owner', 'fabula_members', 'fabula_app', 'fabula_relay'] loop
        begin
            execute format('create role %I nologin nobypassrls nosuperuser noinherit', role_name);
        exception when duplicate_object or unique_violation then
            null;  -- roles belong to the whole server: another database of it may have made them
        end;
    end loop;
end $$;

grant fabula_owner, fabula_members, fabula_relay to current_user;

create schema app authorization fabula_owner;

set local role fabula_owner;

grant usage on schema app to fabula_app, fabula_relay, fabula_members;

-- The tenant of this transaction. Raises when it is unset or empty, so that a forgotten scope fails closed.
create function app.tid() returns uuid language sql stable parallel safe
as $$ select current_setting('app.tenant_id')::uuid $$;

-- Full text for Chinese and English in one column: Latin words are stemmed, CJK runs become bigrams.
create function app.cjk_bigrams(source text) returns text language sql immutable strict parallel safe as $$
    select coalesce(string_agg(gram, ' ' order by run, place), '')
    from (
        select run, place, glyph || coalesce(lead(glyph) over (partition by run order by place), '') as gram
        from regexp_matches(source, '[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯]+', 'g') with ordinality as runs(parts, run),
             string_to_table(runs.parts[1], null) with ordinality as glyphs(glyph, place)
    ) as grams
$$;

create function app.without_cjk(source text) returns text language sql immutable strict parallel safe
as $$ select regexp_replace(source, '[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯]+', ' ', 'g') $$;

create function app.search_vector(source text) returns tsvector language sql immutable strict parallel safe as $$
    select to_tsvector('pg_catalog.english', app.without_cjk(source))
        || to_tsvector('pg_catalog.simple', app.cjk_bigrams(source))
$$;

-- Words as a person types them in a search box; a run of CJK must occur as it stands, a single glyph as a prefix.
create function app.search_query(source text) returns tsquery language sql immutable strict parallel safe as $$
    select websearch_to_tsquery('pg_catalog.english', app.without_cjk(source)) && coalesce((
        select string_agg(
            case
                when length(run) = 1 then run || ':*'
                else (
                    select string_agg(substr(run, place, 2), '<->' order by place)
                    from generate_series(1, length(run) - 1) as place
                )
            end, '&')
        from (
            select parts[1] as run
            from regexp_matches(source, '[㐀-䶿一-鿿豈-﫿぀-ヿ가-힯]+', 'g') as found(parts)
        ) as runs
    ), '')::tsquery
$$;

CREATE TABLE app.channels (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    base_url TEXT,
    secret_ref TEXT,
    context_window INTEGER NOT NULL,
    is_default BOOLEAN DEFAULT false NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    CONSTRAINT channels_pkey PRIMARY KEY (id),
    CONSTRAINT channels_provider_check CHECK (provider in ('OPENAI_COMPATIBLE', 'DASHSCOPE', 'DEMO')),
    CONSTRAINT channels_name_key UNIQUE (name)
);

CREATE TABLE app.idempotency_keys (
    tenant_id UUID NOT NULL,
    principal TEXT NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    result_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, principal, operation, key)
);

CREATE INDEX idempotency_keys_tenant_id_created_at_idx ON app.idempotency_keys (tenant_id, created_at);

CREATE TABLE app.jobs (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    queue TEXT NOT NULL,
    state TEXT DEFAULT 'QUEUED' NOT NULL,
    attempt INTEGER DEFAULT '0' NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    crashes INTEGER DEFAULT '0' NOT NULL,
    progress INTEGER DEFAULT '0' NOT NULL,
    requested_by UUID,
    principal TEXT DEFAULT '' NOT NULL,
    trace_parent TEXT,
    retry_of UUID,
    lease_token UUID,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    worker TEXT,
    cancel_requested_at TIMESTAMP WITH TIME ZONE,
    error_code TEXT,
    error_message TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT jobs_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT jobs_state_check CHECK (state in ('QUEUED', 'RUNNING', 'CANCELLING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'TRUNCATED')),
    CONSTRAINT jobs_kind_check CHECK (kind in ('generation.chapter')),
    CONSTRAINT jobs_leased_check CHECK ((state in ('RUNNING', 'CANCELLING')) = (lease_token is not null)),
    CONSTRAINT jobs_finished_check CHECK ((state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TRUNCATED')) = (finished_at is not null)),
    CONSTRAINT jobs_progress_check CHECK (progress between 0 and 100),
    CONSTRAINT jobs_tenant_id_retry_of_fkey FOREIGN KEY(tenant_id, retry_of) REFERENCES app.jobs (tenant_id, id)
);

CREATE INDEX jobs_leased_idx ON app.jobs (tenant_id, lease_expires_at) WHERE lease_token is not null;

CREATE INDEX jobs_tenant_id_created_at_id_idx ON app.jobs (tenant_id, created_at, id);

CREATE TABLE app.prices (
    id UUID NOT NULL,
    model TEXT NOT NULL,
    input_micros BIGINT NOT NULL,
    cached_input_micros BIGINT NOT NULL,
    output_micros BIGINT NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT prices_pkey PRIMARY KEY (id),
    CONSTRAINT prices_model_valid_from_key UNIQUE (model, valid_from)
);

CREATE TABLE app.queue_controls (
    queue TEXT NOT NULL,
    paused BOOLEAN DEFAULT false NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT queue_controls_pkey PRIMARY KEY (queue)
);

CREATE TABLE app.tenants (
    tenant_id UUID NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT tenants_pkey PRIMARY KEY (tenant_id)
);

CREATE TABLE app.users (
    id UUID NOT NULL,
    email TEXT NOT NULL,
    display_name TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    locale TEXT DEFAULT 'en' NOT NULL,
    platform_admin BOOLEAN DEFAULT false NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email)
);

CREATE TABLE app.workers (
    id TEXT NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    threads INTEGER NOT NULL,
    busy INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT workers_pkey PRIMARY KEY (id)
);

CREATE TABLE app.holds (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    micros BIGINT NOT NULL,
    opened_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT holds_pkey PRIMARY KEY (tenant_id, job_id),
    CONSTRAINT holds_positive_check CHECK (micros > 0),
    CONSTRAINT holds_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id)
);

CREATE TABLE app.ledger_accounts (
    tenant_id UUID NOT NULL,
    kind TEXT NOT NULL,
    currency TEXT DEFAULT 'USD' NOT NULL,
    balance BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT ledger_accounts_pkey PRIMARY KEY (tenant_id, kind),
    CONSTRAINT ledger_accounts_kind_check CHECK (kind in ('AVAILABLE', 'HELD', 'SPENT', 'FUNDING', 'OVERRUN')),
    CONSTRAINT ledger_accounts_covered_check CHECK (kind not in ('AVAILABLE', 'HELD') or balance >= 0),
    CONSTRAINT ledger_accounts_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.ledger_entries (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    reference TEXT NOT NULL,
    job_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT ledger_entries_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT ledger_entries_tenant_id_kind_reference_key UNIQUE (tenant_id, kind, reference),
    CONSTRAINT ledger_entries_kind_check CHECK (kind in ('TOP_UP', 'HOLD', 'SETTLE', 'RELEASE')),
    CONSTRAINT ledger_entries_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id)
);

CREATE UNIQUE INDEX ledger_entries_hold_closes_once_idx ON app.ledger_entries (tenant_id, job_id) WHERE kind in ('SETTLE', 'RELEASE');

CREATE TABLE app.memberships (
    tenant_id UUID NOT NULL,
    user_id UUID NOT NULL,
    role TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT memberships_pkey PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT memberships_role_check CHECK (role in ('OWNER', 'ADMIN', 'EDITOR', 'AUTHOR', 'VIEWER', 'BILLING')),
    CONSTRAINT memberships_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id),
    CONSTRAINT memberships_user_id_fkey FOREIGN KEY(user_id) REFERENCES app.users (id)
);

CREATE INDEX memberships_user_id_idx ON app.memberships (user_id);

CREATE TABLE app.outbox (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    queue TEXT NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    rung_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (tenant_id, job_id),
    CONSTRAINT outbox_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id)
);

CREATE INDEX outbox_due_at_idx ON app.outbox (due_at);

CREATE TABLE app.projects (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    title TEXT NOT NULL,
    language TEXT DEFAULT 'en' NOT NULL,
    genre TEXT DEFAULT '' NOT NULL,
    premise TEXT DEFAULT '' NOT NULL,
    style_guide TEXT DEFAULT '' NOT NULL,
    status TEXT DEFAULT 'ACTIVE' NOT NULL,
    target_words INTEGER,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT projects_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT projects_status_check CHECK (status in ('ACTIVE', 'ARCHIVED')),
    CONSTRAINT projects_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX projects_tenant_id_created_at_id_idx ON app.projects (tenant_id, created_at, id);

CREATE INDEX projects_tenant_id_title_id_idx ON app.projects (tenant_id, title, id);

CREATE INDEX projects_tenant_id_updated_at_id_idx ON app.projects (tenant_id, updated_at, id);

CREATE TABLE app.usage_records (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    channel TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    source TEXT NOT NULL,
    cost_micros BIGINT NOT NULL,
    billed BOOLEAN NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT usage_records_pkey PRIMARY KEY (tenant_id, job_id, attempt, kind),
    CONSTRAINT usage_records_source_check CHECK (source in ('PROVIDER_FINAL', 'PROVIDER_PARTIAL', 'PROVIDER_RECEIPT', 'ESTIMATE', 'UNKNOWN')),
    CONSTRAINT usage_records_cost_check CHECK (cost_micros >= 0),
    CONSTRAINT usage_records_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id)
);

CREATE INDEX usage_records_tenant_id_occurred_at_idx ON app.usage_records (tenant_id, occurred_at);

CREATE TABLE app.api_tokens (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    scopes JSONB NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT api_tokens_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_tokens_tenant_id_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES app.memberships (tenant_id, user_id)
);

CREATE INDEX api_tokens_tenant_id_user_id_idx ON app.api_tokens (tenant_id, user_id);

CREATE TABLE app.codex_entries (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    project_id UUID NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    summary TEXT DEFAULT '' NOT NULL,
    aliases JSONB DEFAULT '[]' NOT NULL,
    attributes JSONB DEFAULT '[]' NOT NULL,
    inclusion TEXT DEFAULT 'DETECTED' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT codex_entries_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT codex_entries_kind_check CHECK (kind in ('CHARACTER', 'PLACE', 'ORGANISATION', 'ITEM', 'RULE', 'EVENT', 'CONCEPT')),
    CONSTRAINT codex_entries_inclusion_check CHECK (inclusion in ('ALWAYS', 'DETECTED', 'NEVER')),
    CONSTRAINT codex_entries_tenant_id_project_id_fkey FOREIGN KEY(tenant_id, project_id) REFERENCES app.projects (tenant_id, id)
);

CREATE INDEX codex_entries_tenant_id_project_id_name_id_idx ON app.codex_entries (tenant_id, project_id, name, id);

CREATE TABLE app.ledger_postings (
    tenant_id UUID NOT NULL,
    entry_id UUID NOT NULL,
    account TEXT NOT NULL,
    micros BIGINT NOT NULL,
    CONSTRAINT ledger_postings_pkey PRIMARY KEY (tenant_id, entry_id, account),
    CONSTRAINT ledger_postings_moves_check CHECK (micros <> 0),
    CONSTRAINT ledger_postings_tenant_id_entry_id_fkey FOREIGN KEY(tenant_id, entry_id) REFERENCES app.ledger_entries (tenant_id, id),
    CONSTRAINT ledger_postings_tenant_id_account_fkey FOREIGN KEY(tenant_id, account) REFERENCES app.ledger_accounts (tenant_id, kind)
);

CREATE TABLE app.outline_nodes (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    project_id UUID NOT NULL,
    parent_id UUID,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    summary TEXT DEFAULT '' NOT NULL,
    plan TEXT DEFAULT '' NOT NULL,
    position TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    status TEXT DEFAULT 'PLANNED' NOT NULL,
    word_count INTEGER DEFAULT '0' NOT NULL,
    current_version_id UUID,
    versions_made INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT outline_nodes_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT outline_nodes_kind_check CHECK (kind in ('VOLUME', 'ARC', 'CHAPTER', 'SCENE')),
    CONSTRAINT outline_nodes_status_check CHECK (status in ('PLANNED', 'GENERATING', 'DRAFT', 'ACCEPTED')),
    CONSTRAINT outline_nodes_tenant_id_project_id_fkey FOREIGN KEY(tenant_id, project_id) REFERENCES app.projects (tenant_id, id),
    CONSTRAINT outline_nodes_tenant_id_parent_id_fkey FOREIGN KEY(tenant_id, parent_id) REFERENCES app.outline_nodes (tenant_id, id)
);

CREATE INDEX outline_nodes_chapters_idx ON app.outline_nodes (tenant_id, project_id, path, id) WHERE kind = 'CHAPTER' and deleted_at is null;

CREATE INDEX outline_nodes_siblings_idx ON app.outline_nodes (tenant_id, project_id, parent_id, position, id);

CREATE INDEX outline_nodes_tenant_id_project_id_path_idx ON app.outline_nodes (tenant_id, project_id, path);

CREATE TABLE app.sessions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    user_id UUID NOT NULL,
    refresh_hash BYTEA NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    rotated_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT sessions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT sessions_tenant_id_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES app.memberships (tenant_id, user_id)
);

CREATE INDEX sessions_tenant_id_user_id_idx ON app.sessions (tenant_id, user_id);

CREATE TABLE app.codex_relations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    project_id UUID NOT NULL,
    from_id UUID NOT NULL,
    to_id UUID NOT NULL,
    kind TEXT NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT codex_relations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT codex_relations_tenant_id_from_id_to_id_kind_key UNIQUE (tenant_id, from_id, to_id, kind),
    CONSTRAINT codex_relations_not_itself_check CHECK (from_id <> to_id),
    CONSTRAINT codex_relations_tenant_id_project_id_fkey FOREIGN KEY(tenant_id, project_id) REFERENCES app.projects (tenant_id, id),
    CONSTRAINT codex_relations_tenant_id_from_id_fkey FOREIGN KEY(tenant_id, from_id) REFERENCES app.codex_entries (tenant_id, id),
    CONSTRAINT codex_relations_tenant_id_to_id_fkey FOREIGN KEY(tenant_id, to_id) REFERENCES app.codex_entries (tenant_id, id)
);

CREATE INDEX codex_relations_tenant_id_to_id_idx ON app.codex_relations (tenant_id, to_id);

CREATE TABLE app.passages (
    tenant_id UUID NOT NULL,
    node_id UUID NOT NULL,
    ordinal INTEGER NOT NULL,
    project_id UUID NOT NULL,
    text TEXT NOT NULL,
    tsv TSVECTOR GENERATED ALWAYS AS (app.search_vector(text)) STORED,
    CONSTRAINT passages_pkey PRIMARY KEY (tenant_id, node_id, ordinal),
    CONSTRAINT passages_tenant_id_node_id_fkey FOREIGN KEY(tenant_id, node_id) REFERENCES app.outline_nodes (tenant_id, id),
    CONSTRAINT passages_tenant_id_project_id_fkey FOREIGN KEY(tenant_id, project_id) REFERENCES app.projects (tenant_id, id)
);

CREATE INDEX passages_tenant_id_project_id_idx ON app.passages (tenant_id, project_id);

CREATE INDEX passages_tsv_idx ON app.passages USING gin (tsv);

CREATE TABLE app.text_versions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    node_id UUID NOT NULL,
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    word_count INTEGER NOT NULL,
    origin TEXT NOT NULL,
    state TEXT NOT NULL,
    base_version_id UUID,
    generation_id UUID,
    author_id UUID,
    model TEXT,
    channel TEXT,
    note TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT text_versions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT text_versions_tenant_id_node_id_number_key UNIQUE (tenant_id, node_id, number),
    CONSTRAINT text_versions_origin_check CHECK (origin in ('HUMAN', 'AI', 'IMPORT', 'DEMO')),
    CONSTRAINT text_versions_state_check CHECK (state in ('CANDIDATE', 'CURRENT', 'ARCHIVED', 'REJECTED')),
    CONSTRAINT text_versions_tenant_id_node_id_fkey FOREIGN KEY(tenant_id, node_id) REFERENCES app.outline_nodes (tenant_id, id),
    CONSTRAINT text_versions_tenant_id_base_version_id_fkey FOREIGN KEY(tenant_id, base_version_id) REFERENCES app.text_versions (tenant_id, id)
);

CREATE UNIQUE INDEX text_versions_one_current_idx ON app.text_versions (tenant_id, node_id) WHERE state = 'CURRENT';

CREATE TABLE app.generations (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    job_id UUID NOT NULL,
    project_id UUID NOT NULL,
    node_id UUID NOT NULL,
    instructions TEXT NOT NULL,
    channel_id UUID NOT NULL,
    channel TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt JSONB NOT NULL,
    receipt JSONB NOT NULL,
    max_output_tokens INTEGER NOT NULL,
    target_words INTEGER NOT NULL,
    state TEXT DEFAULT 'QUEUED' NOT NULL,
    version_id UUID,
    truncation_reason TEXT,
    error_code TEXT,
    error_message TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT generations_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT generations_state_check CHECK (state in ('QUEUED', 'PREPARING', 'STREAMING', 'CANCELLING', 'COMPLETED', 'CANCELLED', 'TRUNCATED', 'FAILED')),
    CONSTRAINT generations_truncation_reason_check CHECK (truncation_reason in ('LENGTH', 'BUDGET', 'CONTENT_FILTER', 'CUT')),
    CONSTRAINT generations_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id),
    CONSTRAINT generations_tenant_id_project_id_fkey FOREIGN KEY(tenant_id, project_id) REFERENCES app.projects (tenant_id, id),
    CONSTRAINT generations_tenant_id_node_id_fkey FOREIGN KEY(tenant_id, node_id) REFERENCES app.outline_nodes (tenant_id, id),
    CONSTRAINT generations_tenant_id_version_id_fkey FOREIGN KEY(tenant_id, version_id) REFERENCES app.text_versions (tenant_id, id)
);

CREATE INDEX generations_of_chapter_idx ON app.generations (tenant_id, node_id, id);

CREATE UNIQUE INDEX generations_tenant_id_job_id_idx ON app.generations (tenant_id, job_id);

CREATE TABLE app.attempts (
    tenant_id UUID NOT NULL,
    generation_id UUID NOT NULL,
    number INTEGER NOT NULL,
    channel TEXT NOT NULL,
    model TEXT NOT NULL,
    outcome TEXT DEFAULT 'RUNNING' NOT NULL,
    text TEXT DEFAULT '' NOT NULL,
    trace JSONB DEFAULT '[]' NOT NULL,
    finish_reason TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_input_tokens INTEGER,
    usage_source TEXT,
    cost_micros BIGINT,
    error_code TEXT,
    error_message TEXT,
    started_at TIMESTAMP WITH TIME ZONE,
    first_token_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT attempts_pkey PRIMARY KEY (tenant_id, generation_id, number),
    CONSTRAINT attempts_outcome_check CHECK (outcome in ('RUNNING', 'COMPLETED', 'TRUNCATED', 'CANCELLED', 'CUT', 'FAILED', 'CRASHED')),
    CONSTRAINT attempts_tenant_id_generation_id_fkey FOREIGN KEY(tenant_id, generation_id) REFERENCES app.generations (tenant_id, id)
);

ALTER TABLE app.outline_nodes ADD CONSTRAINT outline_nodes_tenant_id_current_version_id_fkey FOREIGN KEY(tenant_id, current_version_id) REFERENCES app.text_versions (tenant_id, id);

ALTER TABLE app.text_versions ADD CONSTRAINT text_versions_tenant_id_generation_id_fkey FOREIGN KEY(tenant_id, generation_id) REFERENCES app.generations (tenant_id, id);

-- What history has written stays as it is.
create function app.refuse() returns trigger language plpgsql as $$
begin
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = '42501';
end $$;

create trigger ledger_entries_append_only before update or delete on app.ledger_entries
    for each row execute function app.refuse();
create trigger ledger_postings_append_only before update or delete on app.ledger_postings
    for each row execute function app.refuse();
create trigger usage_records_append_only before update or delete on app.usage_records
    for each row execute function app.refuse();

create function app.keep_version_text() returns trigger language plpgsql as $$
begin
    if (new.id, new.node_id, new.number, new.origin, new.created_at)
        is distinct from (old.id, old.node_id, old.number, old.origin, old.created_at) or new.text <> old.text then
        raise exception 'a version''s text never changes' using errcode = '23514';
    end if;
    return new;
end $$;

create trigger text_versions_keep before update on app.text_versions
    for each row execute function app.keep_version_text();

-- Jobs move along domain.jobs.TRANSITIONS; terminal rows are frozen and attempts only grow.
create function app.check_job() returns trigger language plpgsql as $$
begin
    if old.state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TRUNCATED') then
        raise exception 'job % has ended', old.id using errcode = '23514';
    end if;
    if new.state <> old.state and not (
        (old.state = 'QUEUED' and new.state in ('RUNNING', 'CANCELLED', 'FAILED'))
        or (old.state = 'RUNNING'
            and new.state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TRUNCATED', 'CANCELLING', 'QUEUED'))
        or (old.state = 'CANCELLING' and new.state in ('SUCCEEDED', 'FAILED', 'CANCELLED', 'TRUNCATED'))
    ) then
        raise exception 'job % cannot go from % to %', old.id, old.state, new.state using errcode = '23514';
    end if;
    if new.attempt < old.attempt then
        raise exception 'job % cannot go back an attempt', old.id using errcode = '23514';
    end if;
    return new;
end $$;

create trigger jobs_check before update on app.jobs for each row execute function app.check_job();

-- Balances change here and nowhere else; the CHECK on the account is the quota's gate.
create function app.apply_posting() returns trigger language plpgsql as $$
begin
    update app.ledger_accounts set balance = balance + new.micros
    where tenant_id = new.tenant_id and kind = new.account;
    if not found then
        raise exception 'no account % in this wallet', new.account using errcode = '23503';
    end if;
    return new;
end $$;

create trigger ledger_postings_apply after insert on app.ledger_postings
    for each row execute function app.apply_posting();

create function app.check_entry() returns trigger language plpgsql as $$
declare
    total numeric;
    parts integer;
    entry uuid := coalesce(to_jsonb(new) ->> 'entry_id', to_jsonb(new) ->> 'id');
begin
    select coalesce(sum(micros), 0), count(*) into total, parts
    from app.ledger_postings where tenant_id = new.tenant_id and entry_id = entry;
    if total <> 0 or parts < 2 then
        raise exception 'entry % does not balance: % over % postings', entry, total, parts using errcode = '23514';
    end if;
    return null;
end $$;

create constraint trigger ledger_entries_balance after insert on app.ledger_entries
    deferrable initially deferred for each row execute function app.check_entry();
create constraint trigger ledger_postings_balance after insert on app.ledger_postings
    deferrable initially deferred for each row execute function app.check_entry();

-- A hold closes once and its amount stays.
create function app.check_hold() returns trigger language plpgsql as $$
begin
    if old.closed_at is not null or new.micros <> old.micros then
        raise exception 'hold of job % is closed', old.job_id using errcode = '23514';
    end if;
    return new;
end $$;

create trigger holds_check before update on app.holds for each row execute function app.check_hold();

-- Row security: every table that has a tenant.
do $$
declare name text;
begin
    for name in
        select c.relname from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
        where c.relnamespace = 'app'::regnamespace and c.relkind = 'r'
    loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

-- A user's memberships are asked for before a tenant is known: one function, owned by a role that can do nothing else.
create policy members on app.memberships for select to fabula_members using (true);
create policy members on app.tenants for select to fabula_members using (true);
grant select on app.memberships, app.tenants to fabula_members;

create function app.memberships_of(member uuid)
returns table (tenant_id uuid, slug text, name text, role text)
language sql stable security definer set search_path = '' as $$
    select m.tenant_id, t.slug, t.name, m.role
    from app.memberships m join app.tenants t on t.tenant_id = m.tenant_id
    where m.user_id = member order by m.created_at, m.tenant_id
$$;

revoke all on function app.memberships_of(uuid) from public;
grant execute on function app.memberships_of(uuid) to fabula_app;

-- How much work there is, for /metrics: counts over all tenants, and nothing else of them.
create function app.job_counts() returns table (queue text, state text, jobs bigint)
language sql stable security definer set search_path = '' as $$
    select queue, state, count(*) from app.jobs
    where state in ('QUEUED', 'RUNNING', 'CANCELLING') group by queue, state
$$;

revoke all on function app.job_counts() from public;
grant execute on function app.job_counts() to fabula_app;

-- The application.
grant select, insert, update on
    app.tenants, app.memberships, app.sessions, app.api_tokens, app.projects, app.outline_nodes, app.text_versions,
    app.passages, app.codex_entries, app.codex_relations, app.jobs, app.outbox, app.idempotency_keys,
    app.generations, app.attempts, app.holds, app.users, app.queue_controls, app.workers
    to fabula_app;
grant select, insert on app.ledger_accounts, app.ledger_entries, app.ledger_postings, app.usage_records to fabula_app;
grant update (balance) on app.ledger_accounts to fabula_app;
grant select on app.channels, app.prices to fabula_app;
grant delete on
    app.passages, app.codex_relations, app.outbox, app.idempotency_keys, app.workers, app.memberships
    to fabula_app;

-- The relay finds what is due and whose lease has expired; it finishes nothing itself.
create policy relay on app.outbox to fabula_relay using (true) with check (true);
create policy relay on app.jobs for select to fabula_relay using (true);
grant select (tenant_id, job_id, queue, due_at, rung_at, created_at), update (due_at, rung_at) on app.outbox
    to fabula_relay;
grant select (tenant_id, id, queue, state, lease_token, lease_expires_at, created_at) on app.jobs to fabula_relay;
grant select on app.queue_controls to fabula_relay;

insert into app.prices (id, model, input_micros, cached_input_micros, output_micros) values
    ('01990000-0000-7000-8000-000000000001', '*', 500000, 125000, 2000000),
    ('01990000-0000-7000-8000-000000000002', 'demo-writer', 100000, 25000, 400000);

-- The functions that look over the wall belong to roles that can do nothing else.
grant create on schema app to fabula_members, fabula_relay;
reset role;
alter function app.memberships_of(uuid) owner to fabula_members;
alter function app.job_counts() owner to fabula_relay;
set local role fabula_owner;
revoke create on schema app from fabula_members, fabula_relay;
reset role;

-- `@@` is not leakproof, so row security keeps the text index unused. Only a superuser may say otherwise: where the
-- migrator is not one (a managed server), search works without the index and /readyz says so.
do $$
begin
    alter function pg_catalog.ts_match_vq(tsvector, tsquery) leakproof;
exception when insufficient_privilege then
    raise notice 'full-text search will not use its index: the migrator is no superuser';
end $$;
