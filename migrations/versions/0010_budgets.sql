set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.budgets (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    subject TEXT NOT NULL,
    subject_key TEXT NOT NULL,
    period TEXT NOT NULL,
    limit_micros BIGINT NOT NULL,
    warn_at JSONB NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    deleted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT budgets_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT budgets_subject_check CHECK (subject in ('TENANT', 'MEMBER', 'TOKEN', 'MODEL')),
    CONSTRAINT budgets_period_check CHECK (period in ('DAY', 'WEEK', 'MONTH', 'TOTAL')),
    CONSTRAINT budgets_limit_check CHECK (limit_micros > 0),
    CONSTRAINT budgets_subject_key_check CHECK ((subject = 'TENANT') = (subject_key = '')),
    CONSTRAINT budgets_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE UNIQUE INDEX budgets_one_live_idx ON app.budgets (tenant_id, subject, subject_key, period)
    WHERE deleted_at IS NULL;

CREATE TABLE app.budget_periods (
    tenant_id UUID NOT NULL,
    budget_id UUID NOT NULL,
    starts_on DATE NOT NULL,
    reserved_micros BIGINT DEFAULT '0' NOT NULL,
    spent_micros BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT budget_periods_pkey PRIMARY KEY (tenant_id, budget_id, starts_on),
    CONSTRAINT budget_periods_amounts_check CHECK (least(reserved_micros, spent_micros) >= 0),
    CONSTRAINT budget_periods_tenant_id_budget_id_fkey FOREIGN KEY(tenant_id, budget_id) REFERENCES app.budgets (tenant_id, id)
);

CREATE TABLE app.budget_reservations (
    tenant_id UUID NOT NULL,
    job_id UUID NOT NULL,
    budget_id UUID NOT NULL,
    starts_on DATE NOT NULL,
    micros BIGINT NOT NULL,
    CONSTRAINT budget_reservations_pkey PRIMARY KEY (tenant_id, job_id, budget_id),
    CONSTRAINT budget_reservations_amount_check CHECK (micros >= 0),
    CONSTRAINT budget_reservations_tenant_id_job_id_fkey FOREIGN KEY(tenant_id, job_id) REFERENCES app.jobs (tenant_id, id),
    CONSTRAINT budget_reservations_tenant_id_budget_id_fkey FOREIGN KEY(tenant_id, budget_id) REFERENCES app.budgets (tenant_id, id)
);

CREATE TABLE app.wallet_alerts (
    tenant_id UUID NOT NULL,
    threshold_micros BIGINT NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT wallet_alerts_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT wallet_alerts_threshold_check CHECK (threshold_micros > 0),
    CONSTRAINT wallet_alerts_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

do $$
declare name text;
begin
    foreach name in array array['budgets', 'budget_periods', 'budget_reservations', 'wallet_alerts'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

grant select, insert, update on app.budgets, app.budget_periods to fabula_app;
grant select, insert, update, delete on app.budget_reservations, app.wallet_alerts to fabula_app;

reset role;
