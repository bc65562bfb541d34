set local role fabula_owner;

-- Words that were given while an assistant was its tenant's own are that tenant's to read, also once it is published.
alter table app.assistant_marks add column said_in_public boolean default false not null;

update app.assistant_marks m set said_in_public = true from app.public_assistants p
where p.id = m.assistant_id and p.withdrawn_at is null and m.words <> '' and m.rated_at >= p.updated_at;

create or replace function app.mark_assistant(
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
        said_in_public = case when say is null then m.said_in_public else exists (
            select 1 from app.public_assistants p where p.id = wanted and p.withdrawn_at is null) end,
        rated_at = case when give_stars is null then m.rated_at else now() end
    where m.assistant_id = wanted and m.user_id = member returning * into after;
    if (after.liked, after.favourite, after.stars) is distinct from (before.liked, before.favourite, before.stars) then
        perform app.count_for_assistant(
            wanted, after.liked::integer - before.liked::integer, after.favourite::integer - before.favourite::integer,
            (after.stars is not null)::integer - (before.stars is not null)::integer,
            coalesce(after.stars, 0) - coalesce(before.stars, 0));
    end if;
end $$;

-- The newest ratings with words: of the tenant's own all, of what is published those that were said in public; not
-- whose they are.
create or replace function app.reviews_of(wanted uuid[], most integer)
returns table (assistant_id uuid, stars integer, words text, rated_at timestamp with time zone)
language sql stable security definer set search_path = '' as $$
    select r.* from unnest(wanted) as one (id) cross join lateral (
        select exists (select 1 from app.assistants a where a.tenant_id = (select app.tid()) and a.id = one.id) as own
    ) as whose cross join lateral (
        select m.assistant_id, m.stars, m.words, m.rated_at from app.assistant_marks m
        where m.assistant_id = one.id and m.words <> '' and (m.said_in_public or whose.own)
        order by m.rated_at desc limit most
    ) as r
    where whose.own or exists (select 1 from app.public_assistants p where p.id = one.id and p.withdrawn_at is null)
$$;

-- Which version others see: the tenant's other members, and everybody else a copy of it.
alter table app.assistants add column published_version_id uuid;

do $$
declare
    tenants uuid[];
    tenant uuid;
begin
    set local role fabula_members;
    select coalesce(array_agg(tenant_id), '{}') into tenants from app.tenants;
    set local role fabula_owner;
    foreach tenant in array tenants loop
        perform set_config('app.tenant_id', tenant::text, true);
        update app.assistants a set published_version_id = coalesce(
            (select p.current_version_id from app.public_assistants p where p.id = a.id and p.withdrawn_at is null),
            a.current_version_id)
        where a.tenant_id = tenant and a.visibility <> 'PRIVATE';
    end loop;
end $$;

grant insert (published_version_id), update (published_version_id) on app.assistants to fabula_app;

-- What the platform has taken off the market is not put there again.
alter table app.public_assistants add column removed_at timestamp with time zone;

grant select (removed_at) on app.public_assistants to fabula_app;

create or replace function app.publish_assistant(wanted uuid, version uuid, listing jsonb, content jsonb)
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
    where p.publisher_id = excluded.publisher_id and p.removed_at is null;
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

reset role;
