set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.assistants (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    owner_id UUID NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    category TEXT DEFAULT 'OTHER' NOT NULL,
    tags JSONB DEFAULT '[]' NOT NULL,
    visibility TEXT DEFAULT 'PRIVATE' NOT NULL,
    current_version_id UUID,
    versions_made INTEGER DEFAULT '0' NOT NULL,
    likes BIGINT DEFAULT '0' NOT NULL,
    favourites BIGINT DEFAULT '0' NOT NULL,
    installs BIGINT DEFAULT '0' NOT NULL,
    ratings BIGINT DEFAULT '0' NOT NULL,
    rating_sum BIGINT DEFAULT '0' NOT NULL,
    conversations BIGINT DEFAULT '0' NOT NULL,
    popularity BIGINT GENERATED ALWAYS AS (likes + favourites + installs) STORED,
    standing BIGINT GENERATED ALWAYS AS ((rating_sum * 1000 + 15000) / (ratings + 5)) STORED,
    tsv TSVECTOR GENERATED ALWAYS AS (app.search_vector(name || ' '::text || description || ' '::text || tags::text)) STORED,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT assistants_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT assistants_category_check CHECK (category in ('PLOT', 'CHARACTER', 'WORLD', 'DRAFTING', 'STYLE', 'EDITING', 'TRANSLATION', 'RESEARCH', 'MARKETING', 'ROLEPLAY', 'OTHER')),
    CONSTRAINT assistants_visibility_check CHECK (visibility in ('PRIVATE', 'TENANT', 'PUBLIC')),
    CONSTRAINT assistants_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id),
    CONSTRAINT assistants_owner_id_fkey FOREIGN KEY(owner_id) REFERENCES app.users (id)
);

CREATE TABLE app.assistant_versions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    assistant_id UUID NOT NULL,
    number INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    greeting TEXT DEFAULT '' NOT NULL,
    opening_messages JSONB DEFAULT '[]' NOT NULL,
    examples JSONB DEFAULT '[]' NOT NULL,
    model TEXT,
    temperature DOUBLE PRECISION,
    max_output_tokens INTEGER,
    tools JSONB DEFAULT '[]' NOT NULL,
    changelog TEXT DEFAULT '' NOT NULL,
    knowledge_base_ids JSONB DEFAULT '[]' NOT NULL,
    author_id UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT assistant_versions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT assistant_versions_tenant_id_assistant_id_number_key UNIQUE (tenant_id, assistant_id, number),
    CONSTRAINT assistant_versions_tenant_id_assistant_id_fkey FOREIGN KEY(tenant_id, assistant_id) REFERENCES app.assistants (tenant_id, id),
    CONSTRAINT assistant_versions_author_id_fkey FOREIGN KEY(author_id) REFERENCES app.users (id)
);

CREATE TABLE app.public_assistants (
    id UUID NOT NULL,
    publisher_id UUID NOT NULL,
    publisher TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    category TEXT NOT NULL,
    tags JSONB DEFAULT '[]' NOT NULL,
    current_version_id UUID NOT NULL,
    likes BIGINT DEFAULT '0' NOT NULL,
    favourites BIGINT DEFAULT '0' NOT NULL,
    installs BIGINT DEFAULT '0' NOT NULL,
    ratings BIGINT DEFAULT '0' NOT NULL,
    rating_sum BIGINT DEFAULT '0' NOT NULL,
    conversations BIGINT DEFAULT '0' NOT NULL,
    popularity BIGINT GENERATED ALWAYS AS (likes + favourites + installs) STORED,
    standing BIGINT GENERATED ALWAYS AS ((rating_sum * 1000 + 15000) / (ratings + 5)) STORED,
    tsv TSVECTOR GENERATED ALWAYS AS (app.search_vector(name || ' '::text || description || ' '::text || tags::text)) STORED,
    published_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    withdrawn_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT public_assistants_pkey PRIMARY KEY (id),
    CONSTRAINT public_assistants_category_check CHECK (category in ('PLOT', 'CHARACTER', 'WORLD', 'DRAFTING', 'STYLE', 'EDITING', 'TRANSLATION', 'RESEARCH', 'MARKETING', 'ROLEPLAY', 'OTHER')),
    CONSTRAINT public_assistants_counters_check CHECK (least(likes, favourites, installs, ratings, rating_sum, conversations) >= 0)
);

CREATE INDEX public_assistants_popularity_idx ON app.public_assistants (popularity, id) WHERE withdrawn_at is null;

CREATE INDEX public_assistants_published_at_idx ON app.public_assistants (published_at, id) WHERE withdrawn_at is null;

CREATE INDEX public_assistants_standing_idx ON app.public_assistants (standing, id) WHERE withdrawn_at is null;

CREATE INDEX public_assistants_tags_idx ON app.public_assistants USING gin (tags);

CREATE INDEX public_assistants_tsv_idx ON app.public_assistants USING gin (tsv);

CREATE TABLE app.public_assistant_versions (
    id UUID NOT NULL,
    assistant_id UUID NOT NULL,
    number INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    greeting TEXT DEFAULT '' NOT NULL,
    opening_messages JSONB DEFAULT '[]' NOT NULL,
    examples JSONB DEFAULT '[]' NOT NULL,
    model TEXT,
    temperature DOUBLE PRECISION,
    max_output_tokens INTEGER,
    tools JSONB DEFAULT '[]' NOT NULL,
    changelog TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT public_assistant_versions_pkey PRIMARY KEY (id),
    CONSTRAINT public_assistant_versions_assistant_id_number_key UNIQUE (assistant_id, number),
    CONSTRAINT public_assistant_versions_assistant_id_fkey FOREIGN KEY(assistant_id) REFERENCES app.public_assistants (id)
);

CREATE TABLE app.assistant_marks (
    assistant_id UUID NOT NULL,
    user_id UUID NOT NULL,
    liked BOOLEAN DEFAULT false NOT NULL,
    favourite BOOLEAN DEFAULT false NOT NULL,
    stars INTEGER,
    words TEXT DEFAULT '' NOT NULL,
    rated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT assistant_marks_pkey PRIMARY KEY (assistant_id, user_id),
    CONSTRAINT assistant_marks_stars_check CHECK (stars between 1 and 5),
    CONSTRAINT assistant_marks_rated_check CHECK ((stars is null) = (rated_at is null)),
    CONSTRAINT assistant_marks_user_id_fkey FOREIGN KEY(user_id) REFERENCES app.users (id)
);

CREATE INDEX assistant_marks_reviews_idx ON app.assistant_marks (assistant_id, rated_at) WHERE words <> '';

CREATE INDEX assistant_marks_user_id_idx ON app.assistant_marks (user_id);

CREATE TABLE app.assistant_reports (
    assistant_id UUID NOT NULL,
    user_id UUID NOT NULL,
    reason TEXT NOT NULL,
    words TEXT DEFAULT '' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT assistant_reports_pkey PRIMARY KEY (assistant_id, user_id),
    CONSTRAINT assistant_reports_reason_check CHECK (reason in ('SPAM', 'HARMFUL', 'COPYRIGHT', 'PRIVACY', 'OTHER')),
    CONSTRAINT assistant_reports_assistant_id_fkey FOREIGN KEY(assistant_id) REFERENCES app.public_assistants (id),
    CONSTRAINT assistant_reports_user_id_fkey FOREIGN KEY(user_id) REFERENCES app.users (id)
);

CREATE TABLE app.assistant_installs (
    tenant_id UUID NOT NULL,
    user_id UUID NOT NULL,
    assistant_id UUID NOT NULL,
    version_id UUID NOT NULL,
    installed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT assistant_installs_pkey PRIMARY KEY (tenant_id, user_id, assistant_id),
    CONSTRAINT assistant_installs_tenant_id_user_id_fkey FOREIGN KEY(tenant_id, user_id) REFERENCES app.memberships (tenant_id, user_id) ON DELETE CASCADE,
    CONSTRAINT assistant_installs_assistant_id_fkey FOREIGN KEY(assistant_id) REFERENCES app.public_assistants (id),
    CONSTRAINT assistant_installs_version_id_fkey FOREIGN KEY(version_id) REFERENCES app.public_assistant_versions (id)
);

-- A version is never edited, and neither is what was published of it.
create trigger assistant_versions_append_only before update or delete on app.assistant_versions
    for each row execute function app.refuse();
create trigger public_assistant_versions_append_only before update or delete on app.public_assistant_versions
    for each row execute function app.refuse();

do $$
declare name text;
begin
    foreach name in array array['assistants', 'assistant_versions', 'assistant_installs'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

-- What follows runs as the owner, under the same row security: of tenants' tables it sees this tenant's rows.

create function app.require_member(member uuid) returns void language plpgsql stable set search_path = '' as $$
begin
    if not exists (
        select 1 from app.memberships m where m.tenant_id = (select app.tid()) and m.user_id = member
    ) then
        raise exception 'not a member of this tenant' using errcode = '42501';
    end if;
end $$;

-- One that is published, or one of this tenant.
create function app.require_assistant(wanted uuid) returns void language plpgsql stable set search_path = '' as $$
begin
    if not exists (select 1 from app.public_assistants p where p.id = wanted and p.withdrawn_at is null)
        and not exists (
            select 1 from app.assistants a
            where a.tenant_id = (select app.tid()) and a.id = wanted and a.deleted_at is null
        ) then
        raise exception 'no such assistant' using errcode = '42501';
    end if;
end $$;

-- Counters are those of the publication, and of the tenant's own row until there is one. A row that is being published
-- is waited for, so that no count is lost between the two.
create function app.count_for_assistant(
    wanted uuid, more_likes integer default 0, more_favourites integer default 0, more_ratings integer default 0,
    more_stars integer default 0, more_conversations integer default 0
) returns void language plpgsql set search_path = '' as $$
begin
    perform 1 from app.assistants a where a.tenant_id = (select app.tid()) and a.id = wanted for no key update;
    update app.public_assistants p set
        likes = p.likes + more_likes, favourites = p.favourites + more_favourites,
        ratings = p.ratings + more_ratings, rating_sum = p.rating_sum + more_stars,
        conversations = p.conversations + more_conversations
    where p.id = wanted and (p.withdrawn_at is null or p.publisher_id = (select app.tid()));
    if not found then
        update app.assistants a set
            likes = a.likes + more_likes, favourites = a.favourites + more_favourites,
            ratings = a.ratings + more_ratings, rating_sum = a.rating_sum + more_stars,
            conversations = a.conversations + more_conversations
        where a.tenant_id = (select app.tid()) and a.id = wanted;
    end if;
end $$;

-- What a member says of an assistant; null leaves a part as it is. The mark's own row is locked first, so that the same
-- person's two clicks at once count as one after the other.
create function app.mark_assistant(
    member uuid, wanted uuid, like_it boolean, favour_it boolean, give_stars integer, say text
) returns void language plpgsql security definer set search_path = '' as $$
declare
    before app.assistant_marks;
    after app.assistant_marks;
begin
    perform app.require_member(member);
    perform app.require_assistant(wanted);
    insert into app.assistant_marks (assistant_id, user_id) values (wanted, member) on conflict do nothing;
    select * into before from app.assistant_marks m where m.assistant_id = wanted and m.user_id = member for update;
    update app.assistant_marks m set
        liked = coalesce(like_it, m.liked), favourite = coalesce(favour_it, m.favourite),
        stars = coalesce(give_stars, m.stars), words = coalesce(say, m.words),
        rated_at = case when give_stars is null then m.rated_at else now() end
    where m.assistant_id = wanted and m.user_id = member returning * into after;
    if (after.liked, after.favourite, after.stars) is distinct from (before.liked, before.favourite, before.stars) then
        perform app.count_for_assistant(
            wanted, after.liked::integer - before.liked::integer, after.favourite::integer - before.favourite::integer,
            (after.stars is not null)::integer - (before.stars is not null)::integer,
            coalesce(after.stars, 0) - coalesce(before.stars, 0));
    end if;
end $$;

-- What a member of this tenant has said; of every assistant for null.
create function app.marks_of(member uuid, wanted uuid[])
returns table (id uuid, liked boolean, favourite boolean, stars integer, words text)
language sql stable security definer set search_path = '' as $$
    select m.assistant_id, m.liked, m.favourite, m.stars, m.words from app.assistant_marks m
    where m.user_id = member and (wanted is null or m.assistant_id = any (wanted)) and exists (
        select 1 from app.memberships s where s.tenant_id = (select app.tid()) and s.user_id = member)
$$;

-- The newest ratings with words, of what is published or the tenant's own; not whose they are.
create function app.reviews_of(wanted uuid[], most integer)
returns table (assistant_id uuid, stars integer, words text, rated_at timestamp with time zone)
language sql stable security definer set search_path = '' as $$
    select r.* from unnest(wanted) as one (id) cross join lateral (
        select m.assistant_id, m.stars, m.words, m.rated_at from app.assistant_marks m
        where m.assistant_id = one.id and m.words <> '' order by m.rated_at desc limit most
    ) as r
    where exists (select 1 from app.public_assistants p where p.id = one.id and p.withdrawn_at is null)
        or exists (select 1 from app.assistants a where a.tenant_id = (select app.tid()) and a.id = one.id)
$$;

create function app.report_assistant(member uuid, wanted uuid, why text, say text)
returns void language plpgsql security definer set search_path = '' as $$
begin
    perform app.require_member(member);
    insert into app.assistant_reports as r (assistant_id, user_id, reason, words)
    select p.id, member, why, say from app.public_assistants p where p.id = wanted and p.withdrawn_at is null
    on conflict (assistant_id, user_id) do update set
        reason = excluded.reason, words = excluded.words, created_at = now();
    if not found then
        raise exception 'no such assistant' using errcode = '42501';
    end if;
end $$;

create function app.count_assistant_conversation(wanted uuid)
returns void language plpgsql security definer set search_path = '' as $$
begin
    perform app.require_assistant(wanted);
    perform app.count_for_assistant(wanted, more_conversations => 1);
end $$;

create function app.count_install() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    update app.public_assistants p set installs = p.installs + case tg_op when 'INSERT' then 1 else -1 end
    where p.id = case tg_op when 'INSERT' then new.assistant_id else old.assistant_id end;
    return null;
end $$;

create trigger assistant_installs_count after insert or delete on app.assistant_installs
    for each row execute function app.count_install();

-- What stands there is another tenant's when its publisher is: an id can be made up, a publication cannot be taken over.
create function app.publish_assistant(wanted uuid, version uuid, listing jsonb, content jsonb)
returns void language plpgsql security definer set search_path = '' as $$
begin
    insert into app.public_assistants as p (
        id, publisher_id, publisher, name, description, category, tags, current_version_id,
        likes, favourites, ratings, rating_sum, conversations
    )
    select a.id, a.tenant_id, listing ->> 'publisher', listing ->> 'name', listing ->> 'description',
        listing ->> 'category', listing -> 'tags', version, a.likes, a.favourites, a.ratings, a.rating_sum,
        a.conversations
    from app.assistants a
    where a.tenant_id = (select app.tid()) and a.id = wanted and a.visibility = 'PUBLIC' and a.deleted_at is null
    on conflict (id) do update set
        publisher = excluded.publisher, name = excluded.name, description = excluded.description,
        category = excluded.category, tags = excluded.tags, current_version_id = excluded.current_version_id,
        updated_at = now(), withdrawn_at = null
    where p.publisher_id = excluded.publisher_id;
    if not found then
        raise exception 'not this tenant''s to publish' using errcode = '42501';
    end if;
    insert into app.public_assistant_versions (
        id, assistant_id, number, prompt, greeting, opening_messages, examples, model, temperature, max_output_tokens,
        tools, changelog
    )
    select v.id, v.assistant_id, v.number, content ->> 'prompt', content ->> 'greeting', content -> 'opening_messages',
        content -> 'examples', content ->> 'model', v.temperature, v.max_output_tokens, content -> 'tools',
        content ->> 'changelog'
    from app.assistant_versions v
    where v.tenant_id = (select app.tid()) and v.id = version and v.assistant_id = wanted
    on conflict (id) do nothing;
    if not exists (
        select 1 from app.public_assistant_versions v where v.id = version and v.assistant_id = wanted
    ) then
        raise exception 'not a version of this assistant' using errcode = '42501';
    end if;
end $$;

create function app.withdraw_assistant(wanted uuid)
returns void language sql security definer set search_path = '' as $$
    update app.public_assistants p set withdrawn_at = now()
    where p.id = wanted and p.publisher_id = (select app.tid()) and p.withdrawn_at is null
$$;

do $$
declare name text;
begin
    foreach name in array array[
        'require_member(uuid)', 'require_assistant(uuid)',
        'count_for_assistant(uuid, integer, integer, integer, integer, integer)',
        'mark_assistant(uuid, uuid, boolean, boolean, integer, text)', 'marks_of(uuid, uuid[])',
        'reviews_of(uuid[], integer)',
        'report_assistant(uuid, uuid, text, text)', 'count_assistant_conversation(uuid)', 'count_install()',
        'publish_assistant(uuid, uuid, jsonb, jsonb)', 'withdraw_assistant(uuid)'
    ] loop
        execute format('revoke all on function app.%s from public', name);
    end loop;
end $$;

grant execute on function
    app.mark_assistant(uuid, uuid, boolean, boolean, integer, text), app.marks_of(uuid, uuid[]),
    app.reviews_of(uuid[], integer), app.report_assistant(uuid, uuid, text, text), app.count_assistant_conversation(uuid),
    app.publish_assistant(uuid, uuid, jsonb, jsonb), app.withdraw_assistant(uuid)
    to fabula_app;

-- Counters are written by the functions alone.
grant select, insert (
    tenant_id, id, owner_id, name, description, category, tags, visibility, current_version_id, versions_made,
    created_at, updated_at, deleted_at
), update (
    owner_id, name, description, category, tags, visibility, current_version_id, versions_made, updated_at, deleted_at
) on app.assistants to fabula_app;
grant select, insert on app.assistant_versions to fabula_app;
grant select, insert, delete, update (version_id, updated_at) on app.assistant_installs to fabula_app;
grant select (
    id, publisher, name, description, category, tags, current_version_id, likes, favourites, installs, ratings,
    rating_sum, conversations, popularity, standing, tsv, published_at, updated_at, withdrawn_at
) on app.public_assistants to fabula_app;
grant select on app.public_assistant_versions to fabula_app;

reset role;
