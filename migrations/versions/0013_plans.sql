set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.plans (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    public BOOLEAN DEFAULT true NOT NULL,
    archived_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT plans_pkey PRIMARY KEY (id),
    CONSTRAINT plans_name_key UNIQUE (name)
);

CREATE TABLE app.plan_versions (
    id UUID NOT NULL,
    plan_id UUID NOT NULL,
    version INTEGER NOT NULL,
    period TEXT NOT NULL,
    price_micros BIGINT NOT NULL,
    included_credit_micros BIGINT DEFAULT '0' NOT NULL,
    features JSONB DEFAULT '[]' NOT NULL,
    limits JSONB DEFAULT '{}' NOT NULL,
    price_group TEXT,
    valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT plan_versions_pkey PRIMARY KEY (id),
    CONSTRAINT plan_versions_plan_id_version_key UNIQUE (plan_id, version),
    CONSTRAINT plan_versions_period_check CHECK (period in ('MONTH', 'YEAR')),
    CONSTRAINT plan_versions_amounts_check CHECK (least(price_micros, included_credit_micros) >= 0),
    CONSTRAINT plan_versions_plan_id_fkey FOREIGN KEY(plan_id) REFERENCES app.plans (id)
);

CREATE TABLE app.coupons (
    id UUID NOT NULL,
    code TEXT NOT NULL,
    kind TEXT NOT NULL,
    value BIGINT NOT NULL,
    periods INTEGER DEFAULT '1' NOT NULL,
    expires_days INTEGER,
    plan_ids JSONB DEFAULT '[]' NOT NULL,
    redemptions_max BIGINT,
    tenant_redemptions_max BIGINT DEFAULT '1' NOT NULL,
    minimum_micros BIGINT DEFAULT '0' NOT NULL,
    valid_from TIMESTAMP WITH TIME ZONE,
    valid_to TIMESTAMP WITH TIME ZONE,
    active BOOLEAN DEFAULT true NOT NULL,
    redeemed BIGINT DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT coupons_pkey PRIMARY KEY (id),
    CONSTRAINT coupons_code_key UNIQUE (code),
    CONSTRAINT coupons_kind_check CHECK (kind in ('CREDIT', 'PERCENT', 'AMOUNT')),
    CONSTRAINT coupons_code_check CHECK (code = upper(code)),
    CONSTRAINT coupons_value_check CHECK (value > 0 and (kind <> 'PERCENT' or value <= 100)),
    CONSTRAINT coupons_redeemed_check CHECK (redeemed between 0 and coalesce(redemptions_max, redeemed))
);

CREATE TABLE app.coupon_redemptions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    coupon_id UUID NOT NULL,
    reference TEXT NOT NULL,
    periods_left INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT coupon_redemptions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT coupon_redemptions_tenant_id_reference_key UNIQUE (tenant_id, reference),
    CONSTRAINT coupon_redemptions_left_check CHECK (periods_left >= 0),
    CONSTRAINT coupon_redemptions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id),
    CONSTRAINT coupon_redemptions_coupon_id_fkey FOREIGN KEY(coupon_id) REFERENCES app.coupons (id)
);

CREATE INDEX coupon_redemptions_tenant_id_coupon_id_idx ON app.coupon_redemptions (tenant_id, coupon_id);

CREATE TABLE app.subscriptions (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    plan_version_id UUID NOT NULL,
    next_version_id UUID,
    state TEXT DEFAULT 'INCOMPLETE' NOT NULL,
    anchor_at TIMESTAMP WITH TIME ZONE NOT NULL,
    period_start TIMESTAMP WITH TIME ZONE NOT NULL,
    period_end TIMESTAMP WITH TIME ZONE NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    cancel_at_period_end BOOLEAN DEFAULT 'false' NOT NULL,
    paid_micros BIGINT DEFAULT '0' NOT NULL,
    invoice_id UUID,
    waits_since TIMESTAMP WITH TIME ZONE,
    discount_id UUID,
    generations_max INTEGER,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT subscriptions_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT subscriptions_state_check CHECK (state in ('INCOMPLETE', 'ACTIVE', 'PAST_DUE', 'CANCELLED', 'ENDED')),
    CONSTRAINT subscriptions_period_check CHECK (period_end > period_start),
    CONSTRAINT subscriptions_ends_check CHECK ((state in ('INCOMPLETE', 'ACTIVE', 'PAST_DUE')) = (ended_at is null)),
    CONSTRAINT subscriptions_paid_check CHECK (paid_micros >= 0),
    CONSTRAINT subscriptions_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id),
    CONSTRAINT subscriptions_tenant_id_invoice_id_fkey FOREIGN KEY(tenant_id, invoice_id) REFERENCES app.invoices (tenant_id, id),
    CONSTRAINT subscriptions_tenant_id_discount_id_fkey FOREIGN KEY(tenant_id, discount_id) REFERENCES app.coupon_redemptions (tenant_id, id),
    CONSTRAINT subscriptions_plan_version_id_fkey FOREIGN KEY(plan_version_id) REFERENCES app.plan_versions (id),
    CONSTRAINT subscriptions_next_version_id_fkey FOREIGN KEY(next_version_id) REFERENCES app.plan_versions (id)
);

CREATE INDEX subscriptions_due_idx ON app.subscriptions (due_at) WHERE ended_at is null;

CREATE UNIQUE INDEX subscriptions_one_live_idx ON app.subscriptions (tenant_id) WHERE ended_at is null;

-- A version is never edited: a change is a new one.
create trigger plan_versions_append_only before update or delete on app.plan_versions
    for each row execute function app.refuse();

do $$
declare name text;
begin
    foreach name in array array['subscriptions', 'coupon_redemptions'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update (archived_at) on app.plans to fabula_app;
grant select, insert on app.plan_versions to fabula_app;
grant select, insert, update on app.subscriptions to fabula_app;
grant select, insert, update (active, redeemed) on app.coupons to fabula_app;
grant select, insert, update (periods_left) on app.coupon_redemptions to fabula_app;

-- The relay finds which of them the clock has to look at, and how many generations a tenant may have at a time.
create policy relay on app.subscriptions for select to fabula_relay using (true);
grant select (tenant_id, state, due_at, ended_at, generations_max) on app.subscriptions
    to fabula_relay;

-- Something to begin with, which an operator may archive.
insert into app.plans (id, name, title, description) values
    ('01930000-0000-7000-8000-000000000f01', 'FREE', 'Free', 'To find out whether it suits you.');
insert into app.plan_versions (id, plan_id, version, period, price_micros, included_credit_micros, limits) values
    ('01930000-0000-7000-8000-000000000f02', '01930000-0000-7000-8000-000000000f01', 1, 'MONTH', 0, 1000000,
     '{"PROJECTS": 3, "CONCURRENT_GENERATIONS": 2}');

reset role;
