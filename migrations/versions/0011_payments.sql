set local role fabula_owner;

-- A new foreign key is checked by a query that row security holds to a tenant. No row has one yet: any tenant will do.
select set_config('app.tenant_id', '00000000-0000-0000-0000-000000000000', true);

CREATE TABLE app.payments (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    purpose TEXT NOT NULL,
    amount_micros BIGINT NOT NULL,
    currency TEXT DEFAULT 'USD' NOT NULL,
    gateway TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT DEFAULT 'PENDING' NOT NULL,
    external_id TEXT,
    page_url TEXT,
    refunded_micros BIGINT DEFAULT '0' NOT NULL,
    failure_code TEXT,
    failure_message TEXT,
    invoice_id UUID,
    entry_id UUID,
    requested_by UUID,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT payments_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payments_tenant_id_key_key UNIQUE (tenant_id, key),
    CONSTRAINT payments_tenant_id_gateway_external_id_key UNIQUE (tenant_id, gateway, external_id),
    CONSTRAINT payments_purpose_check CHECK (purpose in ('TOP_UP', 'AUTO_TOP_UP', 'INVOICE')),
    CONSTRAINT payments_gateway_check CHECK (gateway in ('SIMULATED', 'STRIPE')),
    CONSTRAINT payments_state_check CHECK (state in ('PENDING', 'SUCCEEDED', 'FAILED', 'REFUNDED')),
    CONSTRAINT payments_amount_check CHECK (amount_micros > 0),
    CONSTRAINT payments_refunded_check CHECK (refunded_micros between 0 and amount_micros),
    CONSTRAINT payments_known_check CHECK (state in ('PENDING', 'FAILED') or external_id is not null),
    CONSTRAINT payments_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE UNIQUE INDEX payments_one_automatic_idx ON app.payments (tenant_id) WHERE state = 'PENDING' and purpose = 'AUTO_TOP_UP';

CREATE INDEX payments_pending_idx ON app.payments (tenant_id, created_at) WHERE state = 'PENDING';

CREATE TABLE app.payment_customers (
    tenant_id UUID NOT NULL,
    gateway TEXT NOT NULL,
    external_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT payment_customers_pkey PRIMARY KEY (tenant_id, gateway),
    CONSTRAINT payment_customers_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.payment_methods (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    gateway TEXT NOT NULL,
    external_id TEXT NOT NULL,
    brand TEXT NOT NULL,
    last4 TEXT NOT NULL,
    exp_month INTEGER NOT NULL,
    exp_year INTEGER NOT NULL,
    is_default BOOLEAN NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT payment_methods_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_methods_tenant_id_gateway_external_id_key UNIQUE (tenant_id, gateway, external_id),
    CONSTRAINT payment_methods_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE UNIQUE INDEX payment_methods_one_default_idx ON app.payment_methods (tenant_id, gateway) WHERE is_default;

CREATE TABLE app.payment_refunds (
    tenant_id UUID NOT NULL,
    id UUID NOT NULL,
    payment_id UUID NOT NULL,
    origin TEXT NOT NULL,
    amount_micros BIGINT NOT NULL,
    key TEXT NOT NULL,
    state TEXT DEFAULT 'PENDING' NOT NULL,
    taken_micros BIGINT DEFAULT '0' NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    external_id TEXT,
    entry_id UUID,
    requested_by UUID,
    failure_code TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT payment_refunds_pkey PRIMARY KEY (tenant_id, id),
    CONSTRAINT payment_refunds_tenant_id_key_key UNIQUE (tenant_id, key),
    CONSTRAINT payment_refunds_origin_check CHECK (origin in ('PLATFORM', 'GATEWAY', 'DISPUTE')),
    CONSTRAINT payment_refunds_state_check CHECK (state in ('PENDING', 'SUCCEEDED', 'FAILED')),
    CONSTRAINT payment_refunds_amount_check CHECK (amount_micros > 0),
    CONSTRAINT payment_refunds_taken_check CHECK (taken_micros between 0 and amount_micros),
    CONSTRAINT payment_refunds_tenant_id_payment_id_fkey FOREIGN KEY(tenant_id, payment_id) REFERENCES app.payments (tenant_id, id)
);

CREATE INDEX payment_refunds_pending_idx ON app.payment_refunds (tenant_id, created_at) WHERE state = 'PENDING';

CREATE INDEX payment_refunds_tenant_id_payment_id_idx ON app.payment_refunds (tenant_id, payment_id);

CREATE TABLE app.automatic_top_ups (
    tenant_id UUID NOT NULL,
    threshold_micros BIGINT NOT NULL,
    amount_micros BIGINT NOT NULL,
    monthly_limit_micros BIGINT NOT NULL,
    enabled BOOLEAN DEFAULT true NOT NULL,
    failures INTEGER DEFAULT '0' NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT automatic_top_ups_pkey PRIMARY KEY (tenant_id),
    CONSTRAINT automatic_top_ups_amounts_check CHECK (threshold_micros > 0 and amount_micros > 0),
    CONSTRAINT automatic_top_ups_limit_check CHECK (monthly_limit_micros >= amount_micros),
    CONSTRAINT automatic_top_ups_tenant_id_fkey FOREIGN KEY(tenant_id) REFERENCES app.tenants (tenant_id)
);

CREATE TABLE app.payment_events (
    gateway TEXT NOT NULL,
    event_id TEXT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT payment_events_pkey PRIMARY KEY (gateway, event_id)
);

CREATE INDEX payment_events_received_at_idx ON app.payment_events (received_at);

do $$
declare name text;
begin
    foreach name in array array[
        'payments', 'payment_customers', 'payment_methods', 'payment_refunds', 'automatic_top_ups'] loop
        execute format('alter table app.%I enable row level security', name);
        execute format('alter table app.%I force row level security', name);
        execute format(
            'create policy tenant on app.%I to fabula_app, fabula_owner '
            'using (tenant_id = (select app.tid())) with check (tenant_id = (select app.tid()))', name);
    end loop;
end $$;

-- What was paid, by whom and for what is never changed: only how far it is.
grant select, insert on app.payments, app.payment_refunds to fabula_app;
grant update (state, external_id, page_url, refunded_micros, failure_code, failure_message, entry_id, finished_at)
    on app.payments to fabula_app;
grant update (state, taken_micros, external_id, entry_id, failure_code, finished_at) on app.payment_refunds to fabula_app;
grant select, insert on app.payment_customers to fabula_app;
grant select, insert, update, delete on app.payment_methods to fabula_app;
grant select, insert, update on app.automatic_top_ups to fabula_app;
grant select, insert, delete on app.payment_events to fabula_app;

-- Money does not move twice: a payment that has succeeded, and a refund that has ended, never go back.
create function app.check_payment() returns trigger language plpgsql as $$
begin
    if (old.state in ('SUCCEEDED', 'REFUNDED') and new.state not in ('SUCCEEDED', 'REFUNDED'))
        or (old.external_id is not null and new.external_id is distinct from old.external_id)
        or (old.entry_id is not null and new.entry_id is distinct from old.entry_id) then
        raise exception 'payment % has been made', old.id using errcode = '23514';
    end if;
    return new;
end $$;

create trigger payments_check before update on app.payments for each row execute function app.check_payment();

create function app.check_refund() returns trigger language plpgsql as $$
begin
    if old.state = 'FAILED' then
        raise exception 'refund % has failed', old.id using errcode = '23514';
    end if;
    return new;
end $$;

create trigger payment_refunds_check before update on app.payment_refunds
    for each row execute function app.check_refund();

-- The relay finds in which tenants something is to be asked about or topped up. It sees no amounts.
create policy relay on app.payments for select to fabula_relay using (true);
create policy relay on app.payment_refunds for select to fabula_relay using (true);
create policy relay on app.automatic_top_ups for select to fabula_relay using (true);
grant select (tenant_id, state, created_at) on app.payments, app.payment_refunds to fabula_relay;
grant select (tenant_id, enabled) on app.automatic_top_ups to fabula_relay;

reset role;
