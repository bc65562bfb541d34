set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

-- Prices ------------------------------------------------------------------------------------------------------------

alter table app.prices drop constraint prices_model_valid_from_key;
alter table app.prices
    add column channel text,
    add column "group" text,
    add column priority integer default '0' not null,
    add column cache_write_micros bigint,
    add column reasoning_micros bigint,
    add column per_call_micros bigint default '0' not null,
    add column ratio numeric(12, 6) default '1' not null,
    add column valid_to timestamp with time zone,
    add constraint prices_validity_check check (valid_to > valid_from),
    add constraint prices_amounts_check check (least(input_micros, cached_input_micros, cache_write_micros, output_micros, reasoning_micros, per_call_micros, ratio) >= 0);

-- Of a model that had several versions, each ends with the one that followed it.
update app.prices p set valid_to = n.following
from (select id, lead(valid_from) over (partition by model order by valid_from) as following from app.prices) n
where n.id = p.id and n.following is not null;

create unique index prices_one_open_version_idx on app.prices (model, channel, "group", priority) nulls not distinct
    where valid_to is null;

-- A version ends when its successor is written, and by nothing else: whoever may add a version may change none.
create function app.succeed_price() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    update app.prices set valid_to = new.valid_from
    where valid_to is null and (model, channel, "group", priority)
        is not distinct from (new.model, new.channel, new."group", new.priority);
    return new;
end $$;

create trigger prices_succeed before insert on app.prices for each row execute function app.succeed_price();

create function app.keep_price() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and pg_trigger_depth() > 1 and old.valid_to is null
        and to_jsonb(new) - 'valid_to' = to_jsonb(old) - 'valid_to' then
        return new;
    end if;
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = '42501';
end $$;

create trigger prices_append_only before update or delete on app.prices
    for each row execute function app.keep_price();

-- The ledger --------------------------------------------------------------------------------------------------------

alter table app.ledger_accounts drop constraint ledger_accounts_kind_check;
alter table app.ledger_accounts add constraint ledger_accounts_kind_check
    check (kind in ('AVAILABLE', 'HELD', 'SPENT', 'FUNDING', 'OVERRUN', 'PROMOTION', 'EXPIRED', 'ADJUSTMENT', 'COST'));

alter table app.ledger_entries drop constraint ledger_entries_kind_check;
alter table app.ledger_entries
    add column reason text default '' not null,
    add column reverses_id uuid,
    add column posted_by uuid,
    add constraint ledger_entries_kind_check check (kind in ('TOP_UP', 'GRANT', 'EXPIRE', 'HOLD', 'EXTEND', 'SETTLE', 'RELEASE', 'COST', 'ADJUST', 'REVERSAL', 'REFUND')),
    add constraint ledger_entries_reasoned_check check (kind not in ('ADJUST', 'REVERSAL') or reason <> ''),
    add constraint ledger_entries_reverses_check check ((kind = 'REVERSAL') = (reverses_id is not null)),
    add constraint ledger_entries_tenant_id_reverses_id_fkey foreign key (tenant_id, reverses_id) references app.ledger_entries (tenant_id, id);

create unique index ledger_entries_tenant_id_reverses_id_idx on app.ledger_entries (tenant_id, reverses_id);

-- Every entry takes the wallet before it takes anything else: two transactions cannot wait for each other's accounts.
create function app.lock_wallet() returns trigger language plpgsql as $$
begin
    perform 1 from app.ledger_accounts where tenant_id = new.tenant_id and kind = 'AVAILABLE' for no key update;
    return new;
end $$;

create trigger ledger_entries_lock before insert on app.ledger_entries
    for each row execute function app.lock_wallet();

-- An open hold may grow; it closes once.
create or replace function app.check_hold() returns trigger language plpgsql as $$
begin
    if old.closed_at is not null or new.micros < old.micros or new.opened_at <> old.opened_at
        or (new.closed_at is not null and new.micros <> old.micros) then
        raise exception 'hold of job % is closed, or would shrink', old.job_id using errcode = '23514';
    end if;
    return new;
end $$;

-- Grants: where a wallet's credit came from --------------------------------------------------------------------------

CREATE TABLE app.grants (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    source TEXT NOT NULL,
    amount_micros BIGINT NOT NULL,
    left_micros BIGINT DEFAULT '0' NOT NULL,
    priority INTEGER NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT grants_source_check CHECK (source in ('PLAN', 'TOPUP', 'COUPON', 'GIFT')),
    CONSTRAINT grants_amount_check CHECK (amount_micros > 0),
    CONSTRAINT grants_left_check CHECK (left_micros between 0 and amount_micros),
    CONSTRAINT grants_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE INDEX grants_live_idx ON app.grants (tenant_id, expires_at) WHERE left_micros > 0;

CREATE TABLE app.grant_moves (
    tenant_id UUID NOT NULL,
    entry_id UUID NOT NULL,
    grant_id UUID NOT NULL,
    micros BIGINT NOT NULL,
    CONSTRAINT grant_moves_pkey PRIMARY KEY (tenant_id, entry_id, grant_id),
    CONSTRAINT grant_moves_moves_check CHECK (micros <> 0),
    CONSTRAINT grant_moves_tenant_id_entry_id_fkey FOREIGN KEY(tenant_id, entry_id) REFERENCES app.ledger_entries (tenant_id, id),
    CONSTRAINT grant_moves_tenant_id_grant_id_fkey FOREIGN KEY(tenant_id, grant_id) REFERENCES app.grants (tenant_id, id)
);

create trigger grant_moves_append_only before update or delete on app.grant_moves
    for each row execute function app.refuse();

-- What is left of a grant changes here and nowhere else.
create function app.apply_move() returns trigger language plpgsql security definer set search_path = '' as $$
begin
    update app.grants set left_micros = left_micros + new.micros
    where tenant_id = new.tenant_id and id = new.grant_id;
    return new;
end $$;

create trigger grant_moves_apply after insert on app.grant_moves for each row execute function app.apply_move();

-- An entry balances, and moves of grants what it moves of the wallet: so what is left of all grants is always what the
-- wallet has, AVAILABLE and HELD together.
create or replace function app.check_entry() returns trigger language plpgsql as $$
declare
    total numeric;
    credit numeric;
    parts integer;
    moved numeric;
    entry uuid := coalesce(to_jsonb(new) ->> 'entry_id', to_jsonb(new) ->> 'id');
begin
    select coalesce(sum(micros), 0), coalesce(sum(micros) filter (where account in ('AVAILABLE', 'HELD')), 0), count(*)
    into total, credit, parts
    from app.ledger_postings where tenant_id = new.tenant_id and entry_id = entry;
    if total <> 0 or parts < 2 then
        raise exception 'entry % does not balance: % over % postings', entry, total, parts using errcode = '23514';
    end if;
    select coalesce(sum(micros), 0) into moved
    from app.grant_moves where tenant_id = new.tenant_id and entry_id = entry;
    if moved <> credit then
        raise exception 'entry % moves % of the wallet and % of its grants', entry, credit, moved
            using errcode = '23514';
    end if;
    return null;
end $$;

create constraint trigger grant_moves_balance after insert on app.grant_moves
    deferrable initially deferred for each row execute function app.check_entry();

-- Usage -------------------------------------------------------------------------------------------------------------

alter table app.usage_records
    add column cache_write_tokens integer default '0' not null,
    add column price_id uuid,
    add column project_id uuid,
    add column user_id uuid,
    add column api_token_id uuid,
    add column channel_id uuid,
    add column provider text,
    add column booked_at timestamp with time zone default now() not null,
    add constraint usage_records_price_id_fkey foreign key (price_id) references app.prices (id);

CREATE TABLE app.usage_days (
    tenant_id UUID NOT NULL,
    day DATE NOT NULL,
    model TEXT NOT NULL,
    channel TEXT NOT NULL,
    channel_id UUID NOT NULL,
    kind TEXT NOT NULL,
    project_id UUID NOT NULL,
    user_id UUID NOT NULL,
    api_token_id UUID NOT NULL,
    billed BOOLEAN NOT NULL,
    input_tokens BIGINT NOT NULL,
    cached_input_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost_micros BIGINT NOT NULL,
    records BIGINT NOT NULL,
    CONSTRAINT usage_days_pkey PRIMARY KEY (tenant_id, day, model, channel, channel_id, kind, project_id, user_id, api_token_id, billed),
    CONSTRAINT usage_days_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

-- Days are added to with each record. A record goes when it is old enough; its day stays.
create function app.count_usage() returns trigger language plpgsql security definer set search_path = '' as $$
declare nobody constant uuid := '00000000-0000-0000-0000-000000000000';
begin
    insert into app.usage_days as d values (
        new.tenant_id, (new.occurred_at at time zone 'UTC')::date, new.model, new.channel,
        coalesce(new.channel_id, nobody), new.kind, coalesce(new.project_id, nobody), coalesce(new.user_id, nobody), coalesce(new.api_token_id, nobody), new.billed,
        new.input_tokens, new.cached_input_tokens, new.cache_write_tokens, new.output_tokens, new.reasoning_tokens,
        new.cost_micros, 1
    )
    on conflict on constraint usage_days_pkey do update set
        input_tokens = d.input_tokens + excluded.input_tokens,
        cached_input_tokens = d.cached_input_tokens + excluded.cached_input_tokens,
        cache_write_tokens = d.cache_write_tokens + excluded.cache_write_tokens,
        output_tokens = d.output_tokens + excluded.output_tokens,
        reasoning_tokens = d.reasoning_tokens + excluded.reasoning_tokens,
        cost_micros = d.cost_micros + excluded.cost_micros,
        records = d.records + 1;
    return new;
end $$;

create trigger usage_records_count after insert on app.usage_records
    for each row execute function app.count_usage();

create function app.keep_usage() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.occurred_at < now() - interval '30 days' then
        return old;
    end if;
    raise exception '%.% is append-only', tg_table_schema, tg_table_name using errcode = '42501';
end $$;

drop trigger usage_records_append_only on app.usage_records;

-- The application may not delete: it may ask for this, inside its tenant.
create function app.forget_usage(before timestamp with time zone) returns bigint
language plpgsql security definer set search_path = '' as $$
declare deleted bigint;
begin
    delete from app.usage_records where tenant_id = (select app.tid()) and occurred_at < before;
    get diagnostics deleted = row_count;
    return deleted;
end $$;

-- What was there before -----------------------------------------------------------------------------------------------

do $$
declare
    tenants uuid[];
    tenant uuid;
    nobody constant uuid := '00000000-0000-0000-0000-000000000000';
begin
    set local role fabula_members;
    select coalesce(array_agg(tenant_id), '{}') into tenants from app.tenants;
    set local role fabula_owner;
    foreach tenant in array tenants loop
        perform set_config('app.tenant_id', tenant::text, true);
        insert into app.ledger_accounts (tenant_id, kind)
            select tenant, kind from unnest(array['PROMOTION', 'EXPIRED', 'ADJUSTMENT', 'COST']) as kind
            where exists (select 1 from app.ledger_accounts where tenant_id = tenant);
        insert into app.grants (tenant_id, id, source, amount_micros, left_micros, priority)
            select tenant, gen_random_uuid(), 'TOPUP', sum(balance), sum(balance), 40 from app.ledger_accounts
            where tenant_id = tenant and kind in ('AVAILABLE', 'HELD') having sum(balance) > 0;
        update app.usage_records u set
            project_id = g.project_id, channel_id = g.channel_id, user_id = j.requested_by,
            api_token_id = case when j.principal like 'token:%' then substr(j.principal, 7)::uuid end
            from app.jobs j left join app.generations g on g.tenant_id = j.tenant_id and g.job_id = j.id
            where u.tenant_id = tenant and j.tenant_id = tenant and j.id = u.job_id;
        insert into app.usage_days
            select tenant, (occurred_at at time zone 'UTC')::date, model, channel,
                coalesce(channel_id, nobody), kind, coalesce(project_id, nobody),
                coalesce(user_id, nobody), coalesce(api_token_id, nobody), billed, sum(input_tokens),
                sum(cached_input_tokens), 0, sum(output_tokens), sum(reasoning_tokens), sum(cost_micros), count(*)
            from app.usage_records where tenant_id = tenant group by 2, 3, 4, 5, 6, 7, 8, 9, 10;
    end loop;
end $$;

create trigger usage_records_append_only before update or delete on app.usage_records
    for each row execute function app.keep_usage();

-- The wall ----------------------------------------------------------------------------------------------------------

do $$
declare name text;
begin
    foreach name in array array['grants', 'grant_moves', 'usage_days'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

-- An operator's bill counts the calls of all tenants to a channel of the platform: their sums by day and model, and
-- nothing else of them. A tenant's own channel may have the same name.
create policy members on app.usage_days for select to fabula_members using (true);
grant select (tenant_id, day, model, channel, channel_id, input_tokens, output_tokens, cost_micros) on app.usage_days
    to fabula_members;
grant select (id) on app.channels to fabula_members;

create function app.channel_usage(wanted text, since date, until date)
returns table (day date, model text, input_tokens bigint, output_tokens bigint, cost_micros bigint)
language sql stable security definer set search_path = '' as $$
    select u.day, u.model, sum(u.input_tokens)::bigint, sum(u.output_tokens)::bigint, sum(u.cost_micros)::bigint
    from app.usage_days u where u.channel = wanted and u.day between since and until and u.channel_id in (
        select c.id from app.channels c where c.tenant_id = '00000000-0000-0000-0000-000000000000')
    group by u.day, u.model
$$;

revoke all on function app.channel_usage(text, date, date), app.forget_usage(timestamp with time zone) from public;
grant execute on function app.channel_usage(text, date, date), app.forget_usage(timestamp with time zone)
    to fabula_app;

grant insert on app.prices to fabula_app;
grant select, insert on app.grant_moves to fabula_app;
grant select on app.grants, app.usage_days to fabula_app;
grant insert (tenant_id, id, source, amount_micros, priority, expires_at) on app.grants to fabula_app;

grant create on schema app to fabula_members;
reset role;
alter function app.channel_usage(text, date, date) owner to fabula_members;
set local role fabula_owner;
revoke create on schema app from fabula_members;
reset role;
